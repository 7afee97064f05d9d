//! `[reminders]`: what candidates are texted of their interviews by itself (behaviour.md 4).

use std::ops::RangeInclusive;
use std::time::Duration;

use fulcrum_domain::RemindOf;
use fulcrum_domain::template::{Field, SavedLinks, Template, Templates};
use serde::Deserialize;

use super::check::{Check, Checked};
use super::templates::{self, Meetings};

const LEAD: RangeInclusive<Duration> = Duration::from_mins(5)..=Duration::from_hours(14 * 24);

/// What candidates are texted of their interviews.
#[derive(Clone, Debug)]
pub struct Reminders {
    /// Of which they are reminded; of those that were arranged here unless set.
    pub interviews: RemindOf,
    /// How long before, 24 h and 1 h unless set.
    pub leads: Vec<Duration>,
    /// The words: `reminder`, and `moved` and `called-off` for what was done in Lever.
    pub texts: Templates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReminders {
    interviews: String,
    leads: Vec<String>,
    text: String,
    moved_text: String,
    called_off_text: String,
}

impl RawReminders {
    pub(super) fn check(&self, meetings: &Meetings<'_>, check: &mut Check<'_>) -> Checked<Reminders> {
        let choices = [("ours", RemindOf::Ours), ("all", RemindOf::All), ("none", RemindOf::None)];
        let interviews = check.choice("reminders.interviews", &self.interviews, &choices);
        let leads = leads("reminders.leads", &self.leads, check);
        let texts = [
            ("reminders.text", "reminder", &self.text),
            ("reminders.moved_text", "moved", &self.moved_text),
            ("reminders.called_off_text", "called-off", &self.called_off_text),
        ]
        .map(|(key, id, text)| self::text(key, id, text, meetings, check));
        let texts = texts.into_iter().collect::<Checked<_>>();
        Ok(Reminders {
            interviews: interviews?,
            leads: leads?,
            texts: Templates::new(texts?, SavedLinks::new()),
        })
    }
}

fn text(
    key: &str,
    id: &str,
    value: &str,
    meetings: &Meetings<'_>,
    check: &mut Check<'_>,
) -> Checked<Template> {
    let template = templates::text(key, id, value, check)?;
    let has = |field: Field| field != Field::LinksBooking && !field.name().starts_with("sender.");
    templates::supplied(key, &template, "an interview", has, check)?;
    meetings.check(key, &template, check)?;
    Ok(template)
}

/// How long before an interview its candidate is reminded.
pub(super) fn leads(key: &str, leads: &[String], check: &mut Check<'_>) -> Checked<Vec<Duration>> {
    let leads: Vec<_> = (0..)
        .zip(leads)
        .map(|(index, lead)| check.duration(&format!("{key}[{index}]"), lead, &LEAD))
        .collect();
    leads.into_iter().collect()
}

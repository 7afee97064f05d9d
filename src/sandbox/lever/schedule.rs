//! Panels and interviews: what the tenant starts with, and the rules of the API's writes (lever-api.md 5.5 to
//! 5.7).
//!
//! Rules: interviews can be changed only in panels that were made through the API (`externallyManaged`);
//! `perform_as` is required; PUT replaces, so what is omitted is reset; the last interview takes its panel
//! along.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::error::ApiError;
use super::generator::Row;
use super::ids::Kind;
use super::tenant::{Schedule, Tenant};
use super::wire::{Interview, Interviewer, Panel};
use crate::dice::Dice;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const SCREEN: u8 = 5;
/// The last instant that a JavaScript date can name.
const DATE_MAX_MS: i64 = 8_640_000_000_000_000;
/// A week, in minutes; no limit is documented.
const DURATION_MAX: i64 = 7 * 24 * 60;

/// The body of an interview write.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InterviewBody {
    /// In a panel's PUT, the interview that stays.
    pub(super) id: Option<String>,
    pub(super) panel: Option<String>,
    #[serde(default)]
    interviewers: Vec<InterviewerBody>,
    date: Option<i64>,
    duration: Option<i64>,
    #[serde(default, deserialize_with = "never_null")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "never_null")]
    note: Option<String>,
    #[serde(default, deserialize_with = "never_null")]
    location: Option<String>,
    feedback_template: Option<String>,
    #[serde(default, deserialize_with = "never_null")]
    feedback_reminder: Option<String>,
}

/// What stands in an interviewer's `feedbackTemplate` where no form is wanted. It is read in an interview's own
/// as well, and not taken there (lever-api.md 5.5, 5.6).
const NO_FEEDBACK: &str = "no-feedback";

/// Whether `text` is a form's id.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// Of a null in place of a string nothing is documented, so the strict answer is given: 400.
fn never_null<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InterviewerBody {
    id: String,
    feedback_template: Option<String>,
}

/// The body of a panel write.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PanelBody {
    timezone: Option<String>,
    #[serde(default)]
    pub(super) interviews: Vec<InterviewBody>,
    applications: Option<Vec<String>>,
    feedback_reminder: Option<String>,
    note: Option<String>,
    external_url: Option<String>,
}

impl Schedule {
    pub(super) fn panel(&self, id: &str) -> Result<&Panel, ApiError> {
        self.panels.iter().find(|panel| panel.id == id).ok_or_else(|| ApiError::not_found("panel"))
    }

    pub(super) fn interview(&self, id: &str) -> Result<&Interview, ApiError> {
        self.interviews
            .iter()
            .find(|interview| interview.id == id)
            .ok_or_else(|| ApiError::not_found("interview"))
    }

    /// The panel, if the API may change it.
    pub(super) fn external_panel(&self, id: &str) -> Result<&Panel, ApiError> {
        let panel = self.panel(id)?;
        if panel.externally_managed {
            Ok(panel)
        } else {
            Err(ApiError::forbidden("Only externally managed panels can be changed through the API"))
        }
    }

    /// The panel with its interviews, as `GET …/panels/:p` shows it.
    pub(super) fn panel_view(&self, panel: &Panel) -> Value {
        let own = || self.interviews.iter().filter(|interview| interview.panel == panel.id);
        let interviews: Vec<Value> = own().map(within_panel).collect();
        let mut view = json!(panel);
        view["start"] = json!(own().map(|interview| interview.date).min());
        view["end"] = json!(own().map(|interview| interview.date + interview.duration * MINUTE_MS).max());
        view["interviews"] = json!(interviews);
        view
    }

    /// Removes an interview, and its panel if that is empty then.
    pub(super) fn remove_interview(&mut self, id: &str) {
        self.interviews.retain(|interview| interview.id != id);
        let Self { panels, interviews } = self;
        panels.retain(|panel| interviews.iter().any(|interview| interview.panel == panel.id));
    }

    /// Replaces the interview of the same id, or adds it.
    pub(super) fn put_interview(&mut self, interview: Interview) {
        match self.interviews.iter_mut().find(|known| known.id == interview.id) {
            Some(known) => *known = interview,
            None => self.interviews.push(interview),
        }
    }
}

fn within_panel(interview: &Interview) -> Value {
    let interviewers: Vec<Value> = interview
        .interviewers
        .iter()
        .map(|one| {
            json!({"id": one.id, "email": one.email, "name": one.name, "responseStatus": "needsAction",
                   "feedbackTemplate": one.feedback_template})
        })
        .collect();
    json!({"id": interview.id, "date": interview.date, "duration": interview.duration,
           "feedbackReminder": interview.feedback_reminder, "feedbackTemplate": interview.feedback_template,
           "interviewers": interviewers, "location": interview.location, "note": interview.note,
           "subject": interview.subject})
}

impl Tenant {
    /// The panels and interviews of an opportunity.
    pub(super) fn schedule(&self, index: u32) -> Schedule {
        let touched = self.extra(index).and_then(|extra| extra.schedule.clone());
        touched.unwrap_or_else(|| self.generated_schedule(index))
    }

    /// The same, to be changed.
    pub(super) fn schedule_mut(&mut self, index: u32) -> &mut Schedule {
        if self.extra(index).is_none_or(|extra| extra.schedule.is_none()) {
            let generated = self.generated_schedule(index);
            self.extra_mut(index).schedule = Some(generated);
        }
        self.extra_mut(index).schedule.get_or_insert_default()
    }

    /// About half of those who came as far as a phone screen have one panel with one to three interviews.
    fn generated_schedule(&self, index: u32) -> Schedule {
        let (_, born) = self.born(index);
        let mut dice = Dice::new(self.plan.seed, Kind::Interview as u64, index.into());
        if index >= self.plan.opportunities || born.stage < SCREEN || dice.chance(0.5) {
            return Schedule::default();
        }
        let first = self.first_date(&born, &mut dice);
        let created_at = (first - 3 * DAY_MS).max(born.advanced).min(self.plan.now_ms);
        let somebody = dice.below(60) as usize;
        let panel = Panel {
            created_at,
            externally_managed: dice.chance(0.3),
            ..self.new_panel(
                index,
                self.ids.id(Kind::Panel, index),
                &self.reference.users[somebody].id,
                created_at,
            )
        };
        // Judged nullable (lever-api.md 5.5).
        let unnamed = index % 7 == 3;
        let interviews = (0..1 + dice.below(3)).map(|nth| {
            let interviewer = &self.reference.users[dice.below(60) as usize];
            Interview {
                id: self.ids.id(Kind::Interview, index.wrapping_mul(4).wrapping_add(nth as u32)),
                panel: panel.id.clone(),
                subject: Some(
                    dice.pick(&["Phone screen", "Technical interview", "Meet the team"]).to_owned(),
                ),
                note: None,
                interviewers: vec![Interviewer {
                    id: interviewer.id.clone(),
                    name: Some(interviewer.name.clone()).filter(|_| !unnamed),
                    email: Some(interviewer.email.clone()).filter(|_| !unnamed),
                    feedback_template: NO_FEEDBACK.to_owned(),
                }],
                timezone: panel.timezone.clone(),
                created_at,
                date: first + nth as i64 * HOUR_MS,
                duration: dice.pick(&[30, 45, 60]),
                location: dice.chance(0.3).then(|| "Room 2".to_owned()),
                feedback_template: index.is_multiple_of(3).then(|| NO_FEEDBACK.to_owned()),
                feedback_forms: Vec::new(),
                feedback_reminder: panel.feedback_reminder.clone(),
                user: Some(panel.user.clone()).filter(|_| !unnamed),
                stage: panel.stage.clone(),
                canceled_at: dice.chance(0.05).then_some(created_at),
                postings: self.posting_ids(index),
                gcal_event_url: None,
                opportunity_id: self.opportunity_id(index),
            }
        });
        Schedule { interviews: interviews.collect(), panels: vec![panel] }
    }

    /// In the coming fortnight for half of the active ones, else soon after they advanced.
    fn first_date(&self, born: &Row, dice: &mut Dice) -> i64 {
        let from = if born.active() && dice.chance(0.5) { self.plan.now_ms } else { born.advanced };
        let date = from + HOUR_MS + dice.below(14 * DAY_MS as u64) as i64;
        date - date % (HOUR_MS / 4)
    }

    pub(super) fn posting_ids(&self, index: u32) -> Vec<String> {
        self.facts(index).posting.map(|posting| self.posting(posting).id.clone()).into_iter().collect()
    }

    /// A panel with the defaults.
    pub(super) fn new_panel(&self, index: u32, id: String, user: &str, now: i64) -> Panel {
        Panel {
            id,
            applications: self
                .facts(index)
                .posting
                .map(|_| self.ids.id(Kind::Application, index))
                .into_iter()
                .collect(),
            canceled_at: None,
            created_at: now,
            timezone: "America/New_York".to_owned(),
            feedback_reminder: "daily".to_owned(),
            user: user.to_owned(),
            stage: self.reference.stages[usize::from(self.row(index).stage)].stage.id.clone(),
            note: None,
            externally_managed: true,
            external_url: None,
        }
    }

    /// An interview from the body of a write. `old` is the one that it replaces.
    pub(super) fn interview_from(
        &self,
        index: u32,
        panel: &Panel,
        body: InterviewBody,
        old: Option<&Interview>,
        user: &str,
        now: i64,
    ) -> Result<Interview, ApiError> {
        if body.interviewers.is_empty() {
            return Err(ApiError::bad_request("At least one interviewer is required at /interviewers"));
        }
        let date = body.date.filter(|date| (0..=DATE_MAX_MS).contains(date));
        let date = date.ok_or_else(|| ApiError::bad_request("A date is required at /date"))?;
        let duration = body.duration.filter(|minutes| (1..=DURATION_MAX).contains(minutes));
        let duration = duration
            .ok_or_else(|| ApiError::bad_request("A duration of at least 1 is required at /duration"))?;
        let reminder = body.feedback_reminder.unwrap_or_else(|| panel.feedback_reminder.clone());
        if !["once", "daily", "frequently", "none"].contains(&reminder.as_str()) {
            return Err(ApiError::bad_request("Invalid value at /feedbackReminder"));
        }
        if body.feedback_template.as_deref().is_some_and(|form| !is_uuid(form)) {
            return Err(ApiError::bad_request("Invalid value at /feedbackTemplate"));
        }
        let is_form = |form: &str| form == NO_FEEDBACK || is_uuid(form);
        let interviewers = body.interviewers.into_iter().enumerate().map(|(place, one)| {
            if one.feedback_template.as_deref().is_some_and(|form| !is_form(form)) {
                let at = format!("Invalid value at /interviewers/{place}/feedbackTemplate");
                return Err(ApiError::bad_request(at));
            }
            let user = self.reference.active_user(&one.id).ok_or_else(|| ApiError::not_found("user"))?;
            Ok(Interviewer {
                name: Some(user.name.clone()),
                email: Some(user.email.clone()),
                feedback_template: one.feedback_template.unwrap_or_else(|| NO_FEEDBACK.to_owned()),
                id: one.id,
            })
        });
        Ok(Interview {
            id: old.map_or_else(|| uuid::Uuid::new_v4().to_string(), |old| old.id.clone()),
            panel: panel.id.clone(),
            subject: body.subject,
            note: body.note,
            interviewers: interviewers.collect::<Result<_, ApiError>>()?,
            timezone: panel.timezone.clone(),
            created_at: old.map_or(now, |old| old.created_at),
            date,
            duration,
            location: body.location,
            feedback_template: body.feedback_template,
            feedback_forms: Vec::new(),
            feedback_reminder: reminder,
            user: Some(user.to_owned()),
            stage: self.reference.stages[usize::from(self.row(index).stage)].stage.id.clone(),
            canceled_at: None,
            postings: self.posting_ids(index),
            gcal_event_url: None,
            opportunity_id: self.opportunity_id(index),
        })
    }

    /// A panel from the body of a write. `old` is the one that it replaces.
    pub(super) fn panel_from(
        &self,
        index: u32,
        body: &PanelBody,
        old: Option<&Panel>,
        user: &str,
        now: i64,
    ) -> Result<Panel, ApiError> {
        let Some(timezone) = &body.timezone else {
            return Err(ApiError::bad_request("A timezone is required at /timezone"));
        };
        if body.interviews.is_empty() {
            return Err(ApiError::bad_request("At least one interview is required at /interviews"));
        }
        if body.applications.as_ref().is_some_and(Vec::is_empty) {
            return Err(ApiError::bad_request("Invalid value at /applications"));
        }
        let id = old.map_or_else(|| uuid::Uuid::new_v4().to_string(), |old| old.id.clone());
        let fresh = self.new_panel(index, id, user, old.map_or(now, |old| old.created_at));
        Ok(Panel {
            timezone: timezone.clone(),
            applications: body.applications.clone().unwrap_or(fresh.applications),
            feedback_reminder: body.feedback_reminder.clone().unwrap_or(fresh.feedback_reminder),
            note: body.note.clone(),
            external_url: body.external_url.clone(),
            ..fresh
        })
    }
}

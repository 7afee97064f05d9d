//! Reminders of interviews, and the words of all that candidates are texted of them by itself
//! (behaviour.md 4; changes that were made in Lever: `interview_news`). Each text passes the guard like any other; one that has not left when the
//! interview begins, or is moved, is called off.

use std::collections::BTreeMap;

use fulcrum_domain::template::{Field, Fields, Templates};
use fulcrum_domain::{
    Activity, ActivityKind, Actor, Appointment, Author, Conversation, DeadlineKey, Message, MessageId,
    Opportunity, OpportunityId, Planned, Purpose, RemindOf, Reminded, Reminders, Sight, remind_at,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note;
use super::appointment::{appointment_at, appointments_of};
use super::cancel::cancel_if_waiting;
use super::compose::{ComposeError, Draft, Recipient, compose};
use super::counter::{Counter, next};
use super::deadline::{arm, is_ahead};
use super::desk::{change_desk, mark_read};
use super::made_from::made_from_present;
use super::thread::thread_of;
use super::zone::zones_of;
use crate::engine::clock::Moment;
use crate::engine::facts::{NextInterview, candidate};
use crate::store::tables::{INTERVIEWS, OPPORTUNITIES, REMINDERS, REMINDERS_OF};
use crate::store::{Keys, Read, StoreError, Tx};

/// What candidates are texted of their interviews.
#[derive(Clone, Debug, Default)]
pub struct InterviewTexts {
    /// Of which they are reminded.
    pub remind_of: RemindOf,
    /// How long before.
    pub leads: Vec<SignedDuration>,
    /// The words, as templates with the ids [`REMINDER`], [`MOVED`] and [`CALLED_OFF`].
    pub templates: Templates,
}

/// The id of the reminder's template.
pub const REMINDER: &str = "reminder";
/// The id of the template that tells of a move in Lever.
pub const MOVED: &str = "moved";
/// The id of the template that tells that an interview was cancelled in Lever.
pub const CALLED_OFF: &str = "called-off";

/// Who writes the text of a template.
pub(super) fn label(template: &str) -> String {
    format!("interview: {template}")
}

/// Whether that is who writes a text of one of these templates.
pub(super) fn is_of_an_interview(author: &Author) -> bool {
    [REMINDER, MOVED, CALLED_OFF].iter().any(|template| *author == Author::Automatic(label(template)))
}

/// An interview that stands and is to come.
pub(super) struct Standing {
    of: Reminded,
    pub(super) starts_at: Timestamp,
    location: Option<String>,
    minutes: u32,
    timezone: Option<String>,
    leads: Option<Vec<u32>>,
}

/// Brings the reminders of an opportunity in line with its interviews: those of what is gone or moved
/// are taken away, those of what is new are armed.
pub(crate) fn retime(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let opportunity = tx.get(OPPORTUNITIES, id)?.filter(|row| row.is_active() && !row.anonymised);
    let standing = match &opportunity {
        Some(_) => standing(tx, id, rules, moment.now)?,
        None => Vec::new(),
    };
    let mut known = Vec::new();
    for ((_, number), ()) in tx.list(REMINDERS_OF, &Keys::beginning(id), usize::MAX)? {
        let Some(row) = tx.get(REMINDERS, &number)? else { continue };
        if standing.iter().any(|one| one.of == row.of && one.starts_at == row.starts_at) {
            known.push(row.of);
        } else {
            drop_reminders(tx, number, &row, rules, moment)?;
        }
    }
    if let Some(opportunity) = opportunity {
        for one in standing.into_iter().filter(|one| !known.contains(&one.of)) {
            arm_new(tx, id, &opportunity, one, rules, moment.now)?;
        }
    }
    Ok(())
}

fn standing(
    read: &impl Read,
    id: &OpportunityId,
    rules: &Rules,
    now: Timestamp,
) -> Result<Vec<Standing>, StoreError> {
    let mut all = Vec::new();
    let scope = rules.interview_texts.remind_of;
    if scope == RemindOf::None {
        return Ok(all);
    }
    for one in appointments_of(read, id)?.into_iter().filter(Appointment::stands) {
        all.push(of_ours(one));
    }
    if scope == RemindOf::All {
        for (_, row) in read.list(INTERVIEWS, &Keys::beginning(id), usize::MAX)? {
            if row.cancelled_at.is_none() && appointment_at(read, &row.id)?.is_none() {
                all.push(Standing {
                    of: Reminded::Interview(row.id),
                    starts_at: row.starts_at,
                    location: row.location,
                    minutes: row.minutes,
                    timezone: row.timezone,
                    leads: None,
                });
            }
        }
    }
    all.retain(|one| one.starts_at > now);
    Ok(all)
}

pub(super) fn of_ours(one: Appointment) -> Standing {
    Standing {
        of: Reminded::Appointment(one.id),
        starts_at: one.meeting.starts_at,
        location: one.meeting.location,
        minutes: one.meeting.minutes,
        timezone: Some(one.meeting.timezone),
        leads: one.reminders,
    }
}

fn arm_new(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    opportunity: &Opportunity,
    one: Standing,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let zones = zones_of(tx, opportunity.number())?;
    let hours = opportunity.number().map_or(rules.quiet_hours, |number| rules.hours_for(number));
    let open = |at| hours.is_open(&zones, &rules.zone, at);
    let own = one.leads.as_ref().map(|leads| leads.iter().map(|m| SignedDuration::from_mins((*m).into())));
    let leads: Vec<SignedDuration> =
        own.map_or_else(|| rules.interview_texts.leads.clone(), Iterator::collect);
    let (mut times, mut dropped) = (Vec::new(), Vec::new());
    for lead in leads {
        match remind_at(one.starts_at, lead, now, open) {
            Planned::At(at) => times.push(at),
            Planned::Needless => {}
            Planned::Quiet => {
                let what = format!(
                    "the interview of {} gets no reminder {lead:#} before: it would fall in quiet hours",
                    one.starts_at
                );
                tell(tx, id, what, now)?;
                dropped.push(u32::try_from(lead.as_mins()).unwrap_or(u32::MAX));
            }
        }
    }
    if !dropped.is_empty() {
        show_again(tx, opportunity)?;
    }
    let row = Reminders::new(id.clone(), one.of, one.starts_at, times, dropped);
    let number = next(tx, Counter::Reminders)?;
    tx.put(REMINDERS, &number, &row)?;
    tx.put(REMINDERS_OF, &(id.clone(), number), &())?;
    arm(tx, DeadlineKey::Reminder(number), None, Some(row.armed))
}

/// A person is to tell the candidate themselves: the thread with them is unread again for those who look after
/// it, and put away no more. Where there is none the interview alone says it.
fn show_again(tx: &mut Tx<'_>, opportunity: &Opportunity) -> Result<(), StoreError> {
    let Some(number) = opportunity.number() else { return Ok(()) };
    let Some(Conversation { id, .. }) = thread_of(tx, number)? else { return Ok(()) };
    let Some((_, desk)) = change_desk(tx, id, |desk| desk.archived_at = None)? else { return Ok(()) };
    for account in desk.assigned.into_iter().chain(desk.followers) {
        mark_read(tx, id, account, None)?;
    }
    Ok(())
}

/// Which reminders of the interviews of an opportunity quiet hours leave no time for, in minutes before the start.
pub(crate) fn dropped_reminders(
    read: &impl Read,
    id: &OpportunityId,
) -> Result<BTreeMap<Reminded, Vec<u32>>, StoreError> {
    let mut all = BTreeMap::new();
    for ((_, number), ()) in read.list(REMINDERS_OF, &Keys::beginning(id), usize::MAX)? {
        if let Some(row) = read.get(REMINDERS, &number)? {
            all.insert(row.of, row.dropped);
        }
    }
    Ok(all)
}

fn drop_reminders(
    tx: &mut Tx<'_>,
    number: u64,
    row: &Reminders,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    arm(tx, DeadlineKey::Reminder(number), Some(row.armed), None)?;
    tx.remove(REMINDERS, &number)?;
    tx.remove(REMINDERS_OF, &(row.opportunity.clone(), number))?;
    if let Some(text) = row.sent {
        cancel_if_waiting(tx, text, rules, moment.now)?;
    }
    Ok(())
}

/// Whether a reminder is none any more: its interview has begun, was moved or called off, or a later one was
/// written since. None for any other text.
pub(super) fn is_old_reminder(
    read: &impl Read,
    text: &Message,
    about: &OpportunityId,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    if text.author != Author::Automatic(label(REMINDER)) {
        return Ok(None);
    }
    for ((_, number), ()) in read.list(REMINDERS_OF, &Keys::beginning(about), usize::MAX)? {
        let row = read.get(REMINDERS, &number)?;
        if row.is_some_and(|row| row.sent == Some(text.id) && row.starts_at > now) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

/// The time of a reminder, or the start of its interview, has come.
pub(super) fn remind(
    tx: &mut Tx<'_>,
    number: u64,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let Some(mut row) = tx.get(REMINDERS, &number)? else { return Ok(()) };
    let key = DeadlineKey::Reminder(number);
    if is_ahead(tx, key, row.armed, moment.now) {
        return Ok(());
    }
    if moment.now >= row.starts_at {
        return drop_reminders(tx, number, &row, rules, moment);
    }
    if row.take_due(moment.now) {
        let one = standing(tx, &row.opportunity, rules, moment.now)?;
        if let Some(one) = one.into_iter().find(|one| one.of == row.of && one.starts_at == row.starts_at) {
            // The one before may wait still, for a carrier that is down: one is enough.
            if let Some(text) = row.sent {
                cancel_if_waiting(tx, text, rules, moment.now)?;
            }
            row.sent = text(tx, &row.opportunity.clone(), REMINDER, &one, rules, moment)?;
        }
    }
    let next = row.next();
    let before = std::mem::replace(&mut row.armed, next);
    tx.put(REMINDERS, &number, &row)?;
    arm(tx, key, Some(before), Some(row.armed))
}

/// The opportunity is erased: nothing reminds of it any more.
pub(super) fn erase_reminders(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<(), StoreError> {
    for ((_, number), ()) in tx.list(REMINDERS_OF, &Keys::beginning(id), usize::MAX)? {
        if let Some(row) = tx.get(REMINDERS, &number)? {
            arm(tx, DeadlineKey::Reminder(number), Some(row.armed), None)?;
        }
        tx.remove(REMINDERS, &number)?;
        tx.remove(REMINDERS_OF, &(id.clone(), number))?;
    }
    Ok(())
}

/// Writes a text about an interview, unless it may not be sent, which the activity tells then.
pub(super) fn text(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    template: &str,
    one: &Standing,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Option<MessageId>, StoreError> {
    let Some(fields) = fields(tx, id, one, rules, moment.now)? else { return Ok(None) };
    let templates = &rules.interview_texts.templates;
    let refused = match templates.render(template, &fields) {
        Ok(words) => {
            let draft = Draft::by_itself(
                Recipient::Opportunity(id.clone()),
                words,
                label(template),
                Purpose::Automatic,
            );
            match compose(tx, draft, rules, moment) {
                Ok(message) => {
                    made_from_present(tx, message.id, templates.get(template))?;
                    return Ok(Some(message.id));
                }
                Err(ComposeError::Store(error)) => return Err(error),
                Err(refused) => refused.to_string(),
            }
        }
        Err(refused) => refused.to_string(),
    };
    let what = format!("no text ({template}) about the interview of {} was sent: {refused}", one.starts_at);
    tell(tx, id, what, moment.now)?;
    Ok(None)
}

fn fields(
    read: &impl Read,
    id: &OpportunityId,
    one: &Standing,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Fields>, StoreError> {
    let Some(opportunity) = read.get(OPPORTUNITIES, id)? else { return Ok(None) };
    let known = zones_of(read, opportunity.number())?;
    let about = candidate(read, id.clone(), opportunity, &known, Sight::All, &rules.zone, now)?;
    let panel = one.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
    let interview = NextInterview {
        subject: None,
        location: one.location.clone(),
        starts_at: one.starts_at,
        minutes: one.minutes,
        zone: known.agreed(one.starts_at).cloned().or(panel).unwrap_or_else(|| rules.zone.clone()),
    };
    let mut fields = Fields::default();
    fields.set_names(Field::PROFILE, &about.opportunity.name);
    fields.set_names(Field::OWNER, about.owner.as_deref().unwrap_or_default());
    if let Some((title, location)) = &about.posting {
        fields.set(Field::JobName, Some(title));
        fields.set(Field::JobLocation, location.as_deref());
    }
    fields.set(Field::StageName, about.stage.as_deref());
    fields.set(Field::InterviewDate, Some(&interview.date()));
    fields.set(Field::InterviewTime, Some(&interview.time()));
    fields.set(Field::InterviewLocation, interview.location.as_deref());
    fields.set(Field::OrgName, Some(&rules.organisation));
    Ok(Some(fields))
}

fn tell(tx: &mut Tx<'_>, id: &OpportunityId, what: String, now: Timestamp) -> Result<(), StoreError> {
    note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Interview, what).about(Some(id.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_an_older_program_wrote_of_interviews_are_known_as_such() {
        // As they stand by texts in files: these must not be spelt otherwise.
        let words = ["interview: reminder", "interview: moved", "interview: called-off"];
        assert_eq!([REMINDER, MOVED, CALLED_OFF].map(label), words);
        assert!(words.iter().all(|words| is_of_an_interview(&Author::Automatic((*words).to_owned()))));
        assert!(!is_of_an_interview(&Author::Automatic("reminder".to_owned())));
    }
}

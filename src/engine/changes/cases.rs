//! What an automation is decided by, as it is stored: the candidate's traits, what has happened since, and
//! whether the text can be filled in and may leave.

use std::time::Duration;

use fulcrum_domain::automation::{
    Automation, CancelIf, CardState, Case, Enrolment, EnrolmentState, EventKind, Hold, Trait, Traits,
    Trigger, Wait, When,
};
use fulcrum_domain::booking::State;
use fulcrum_domain::guard::{Leaving, Timing, refusal};
use fulcrum_domain::{
    Appointment, Author, Delivery, Direction, MAX_BODY_CHARS, Message, Number, Opportunity, OpportunityId,
    Purpose, Refusal, Sight,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::appointment::appointments_of;
use super::enrolment::Enrolled;
use super::events::events_of;
use super::guard::{QUIET_HOURS, standing};
use super::thread::{message, thread_of};
use super::zone::zones_of;
use crate::engine::templates::fields;
use crate::store::tables::{
    ARCHIVE_REASONS, AUTOMATIONS, BOOKINGS, BOOKINGS_OF, CARDS, INTERVIEWS, MESSAGES, OPPORTUNITIES,
    POSTINGS, STAGES, USERS,
};
use crate::store::{Keys, Read, StoreError};

/// A text of a colleague keeps automatic ones back for so long (behaviour.md 3).
const PERSON_TEXTED: SignedDuration = SignedDuration::from_hours(4);

/// How far back in a thread is looked for what calls a text off.
const LAST_MESSAGES: usize = 100;
/// And among what happened to a candidate.
const LAST_EVENTS: usize = 50;

/// What an enrolment is decided by, and the text that would leave.
pub(crate) struct Foreseen {
    /// For the decision.
    pub(crate) case: Case,
    /// The text, filled in; empty where a field has no value.
    pub(crate) text: String,
}

/// When an automation's wait is over for something that happened to a candidate.
pub(crate) fn due_of(
    read: &impl Read,
    automation: &Automation,
    id: &OpportunityId,
    event: &EventKind,
    happened_at: Timestamp,
    rules: &Rules,
) -> Result<Option<Timestamp>, StoreError> {
    let meeting = match event.interview() {
        Some(interview) => read.get(INTERVIEWS, &(id.clone(), interview.clone()))?,
        None => None,
    };
    let meeting = meeting.filter(|row| row.cancelled_at.is_none()).map(|row| {
        let length = Duration::from_secs(60 * u64::from(row.minutes));
        (row.starts_at, row.starts_at.checked_add(length).unwrap_or(Timestamp::MAX))
    });
    let number = read.get(OPPORTUNITIES, id)?.and_then(|row| row.number());
    let known = zones_of(read, number)?;
    Ok(automation.wait.due(happened_at, meeting, &known, &rules.zone))
}

/// Whether what happened is what the automation is for: its scope.
///
/// # Errors
/// [`StoreError`]; within, why not.
pub(crate) fn is_for(
    read: &impl Read,
    automation: &Automation,
    event: &EventKind,
) -> Result<Result<(), String>, StoreError> {
    let words = match event {
        EventKind::StageEntered { to, .. } => {
            let text = read.get(STAGES, to)?.map(|stage| stage.text);
            [Some(to.to_string()), text]
        }
        EventKind::Archived(reason) => {
            let row = match reason {
                Some(reason) => read.get(ARCHIVE_REASONS, reason)?,
                None => None,
            };
            if reason.is_some() && row.as_ref().is_none_or(|row| row.hired) {
                let why = "the archive reason means that they were hired, or is not known";
                return Ok(Err(why.to_owned()));
            }
            [reason.as_ref().map(ToString::to_string), row.map(|row| row.text)]
        }
        _ => return Ok(Ok(())),
    };
    let named = words.iter().flatten().any(|word| automation.scope.contains(&word.to_lowercase()));
    if automation.scope.is_empty() || named {
        Ok(Ok(()))
    } else {
        Ok(Err("it is for other stages or reasons".to_owned()))
    }
}

/// Whether scope and filter hold for a candidate.
///
/// # Errors
/// [`StoreError`]; within, why not.
pub(crate) fn fits(
    read: &impl Read,
    automation: &Automation,
    row: &Opportunity,
    event: &EventKind,
) -> Result<Result<(), String>, StoreError> {
    if let Err(why) = is_for(read, automation, event)? {
        return Ok(Err(why));
    }
    if automation.filter.is_empty() {
        return Ok(Ok(()));
    }
    let traits = traits(read, row)?;
    Ok(automation.filter.iter().try_for_each(|condition| condition.holds(&traits)))
}

fn traits(read: &impl Read, row: &Opportunity) -> Result<Traits, StoreError> {
    let mut traits = Traits::new();
    let mut know = |about: Trait, words: Vec<Option<String>>| {
        let words: Vec<String> = words.into_iter().flatten().collect();
        if !words.is_empty() {
            traits.insert(about, words);
        }
    };
    if let Some(id) = &row.posting {
        let posting = read.get(POSTINGS, id)?;
        know(
            Trait::Posting,
            vec![Some(id.to_string()), posting.as_ref().map(|posting| posting.title.clone())],
        );
        if let Some(posting) = posting {
            know(Trait::Department, vec![posting.department]);
            know(Trait::Team, vec![posting.team]);
            know(Trait::Location, vec![posting.location]);
        }
    }
    if let Some(owner) = &row.owner {
        let user = read.get(USERS, owner)?;
        let (name, email) = user.map(|user| (user.name, user.email)).unzip();
        know(Trait::Owner, vec![Some(owner.to_string()), name, email]);
    }
    let stage = read.get(STAGES, &row.stage)?.map(|stage| stage.text);
    know(Trait::Stage, vec![Some(row.stage.to_string()), stage]);
    if let Some(reason) = row.archived.as_ref().and_then(|archived| archived.reason.as_ref()) {
        let text = read.get(ARCHIVE_REASONS, reason)?.map(|reason| reason.text);
        know(Trait::ArchiveReason, vec![Some(reason.to_string()), text]);
    }
    let confidential = if row.confidential { "yes" } else { "no" };
    know(Trait::Confidential, vec![Some(confidential.to_owned())]);
    // Nobody without tags is of unknown tags.
    traits.insert(Trait::Tag, row.tags.clone());
    Ok(traits)
}

/// As what an enrolment is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// As it stands, in an automation that is active or not.
    Live {
        /// Whether it is.
        active: bool,
    },
    /// As it would have been decided at a moment that is over: a back-test.
    BackTest,
}

/// What an enrolment would be decided by at `now`.
pub(super) fn case(
    read: &impl Read,
    enrolment: &Enrolment,
    rules: &Rules,
    now: Timestamp,
) -> Result<Foreseen, StoreError> {
    let state = read.get(AUTOMATIONS, &enrolment.automation)?.unwrap_or_default();
    let automation = rules.automations.get(&enrolment.automation);
    let active = automation.is_none_or(|automation| !state.is_paused(automation.paused));
    foresee(read, automation, enrolment, Look::Live { active }, rules, now)
}

/// The same for an enrolment that may be none: a back-test.
pub(crate) fn foresee(
    read: &impl Read,
    automation: Option<&Automation>,
    enrolment: &Enrolment,
    look: Look,
    rules: &Rules,
    now: Timestamp,
) -> Result<Foreseen, StoreError> {
    let active = look != Look::Live { active: false };
    let over = |why: &str| {
        let case = Case {
            trigger: automation.map_or(Trigger::StageEntered, |automation| automation.trigger),
            active,
            over: Some(why.to_owned()),
            fits: Ok(()),
            archived: false,
            anonymised: false,
            cancelled: None,
            refused: None,
            frozen: false,
            missing: None,
            when: When::Now,
            hold: Hold::None,
        };
        Ok(Foreseen { case, text: String::new() })
    };
    let Some(automation) = automation else { return over("the config has no such automation any more") };
    let id = &enrolment.opportunity;
    let Some(row) = read.get(OPPORTUNITIES, id)? else { return over("the candidate is not known any more") };
    let messages = match row.number().map(|number| thread_of(read, number)).transpose()?.flatten() {
        Some(thread) => read.list_back(MESSAGES, &Keys::beginning(&thread.id), LAST_MESSAGES)?,
        None => Vec::new(),
    };
    let messages: Vec<Message> = messages.into_iter().map(|(_, text)| text).collect();
    let rendered = render(read, automation, enrolment, rules, now)?;
    // What was texted later did not count then; nor does the text that this very event came to.
    let counted = match look {
        Look::Live { .. } => None,
        Look::BackTest => Some(Counted { before: now, but: texts_of(read, enrolment)? }),
    };
    let Guarded { refused, frozen, when } = match row.number() {
        None => Guarded::refused("the candidate has no number that can be texted"),
        Some(number) => by_guard(read, &row, number, counted.as_ref(), rules, now)?,
    };
    let hold = match enrolment.card {
        Some(card)
            if !read.get(CARDS, &card)?.is_some_and(|row| matches!(row.state, CardState::Approved(_))) =>
        {
            Hold::Card(card)
        }
        _ => Hold::None,
    };
    let (missing, text) = match rendered {
        Ok(text) => (None, text),
        Err(missing) => (Some(missing), String::new()),
    };
    let case = Case {
        trigger: automation.trigger,
        active,
        over: over_because(read, automation, enrolment, now)?,
        fits: fits(read, automation, &row, &enrolment.event)?,
        archived: !row.is_active(),
        anonymised: row.anonymised,
        cancelled: cancelled(read, automation, enrolment, &messages, now)?,
        refused,
        frozen,
        missing,
        when,
        hold,
    };
    Ok(Foreseen { case, text })
}

/// When the texts left that the same automation has sent for the same event.
fn texts_of(read: &impl Read, enrolment: &Enrolment) -> Result<Vec<Timestamp>, StoreError> {
    let mut left = Vec::new();
    for other in Enrolled::of(read, &enrolment.opportunity)? {
        let is_same = other.automation == enrolment.automation && other.event == enrolment.event;
        if let (true, EnrolmentState::Sent(text)) = (is_same, &other.state) {
            left.extend(message(read, *text)?.and_then(|text| text.submitted_at));
        }
    }
    Ok(left)
}

/// Why there is nothing left to tell: the interview does not stand, or has begun; the text that nobody
/// answered did not arrive.
fn over_because(
    read: &impl Read,
    automation: &Automation,
    enrolment: &Enrolment,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let why = match &enrolment.event {
        EventKind::Texted(id) => {
            let arrived = |text: Message| {
                !matches!(text.delivery, Delivery::Failed | Delivery::Undelivered | Delivery::Canceled)
            };
            (!message(read, *id)?.is_some_and(arrived)).then_some("the text before did not arrive")
        }
        EventKind::InterviewCreated(id) | EventKind::InterviewMoved(id) => {
            let row = read.get(INTERVIEWS, &(enrolment.opportunity.clone(), id.clone()))?;
            match row.filter(|row| row.cancelled_at.is_none()) {
                None => Some("the interview was called off"),
                Some(row) if row.starts_at <= now && !matches!(automation.wait, Wait::After(_)) => {
                    Some("the interview has begun")
                }
                Some(_) => None,
            }
        }
        _ => None,
    };
    Ok(why.map(str::to_owned))
}

fn cancelled(
    read: &impl Read,
    automation: &Automation,
    enrolment: &Enrolment,
    messages: &[Message],
    now: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    // What is timed by an interview happens when it is due: nothing has followed it yet.
    let timed = automation.trigger == Trigger::Interview;
    let since = match enrolment.state {
        // Its text was written then, and could not leave.
        EnrolmentState::Sent(_) if timed => enrolment.due.unwrap_or(now),
        _ if timed => now,
        _ => enrolment.happened_at,
    };
    let is_asked = |what| automation.cancel_if.contains(&what);
    let replied =
        messages.iter().any(|text| text.direction == Direction::In && text.at > since && text.at <= now);
    if replied && (is_asked(CancelIf::Replied) || automation.trigger == Trigger::NoReply) {
        return Ok(Some("they have replied since"));
    }
    if is_asked(CancelIf::Booked) {
        let events = events_of(read, &enrolment.opportunity, LAST_EVENTS)?;
        let booked = |kind: &EventKind| {
            matches!(kind, EventKind::InterviewCreated(_)) && kind.interview() != enrolment.event.interview()
        };
        let is_told = events.iter().any(|event| event.at > since && event.at <= now && booked(&event.kind));
        if is_told || has_booked(read, enrolment, since, now)? {
            return Ok(Some("they have an interview since"));
        }
    }
    let by_person = |text: &&Message| {
        text.direction == Direction::Out
            && matches!(text.author, Author::Staff { .. })
            && !matches!(text.delivery, Delivery::Canceled | Delivery::Scheduled)
    };
    let last = messages.iter().filter(by_person).map(|text| text.at).filter(|at| *at <= now).max();
    let just_now = last.is_some_and(|at| now.duration_since(at) < PERSON_TEXTED);
    Ok((just_now && is_asked(CancelIf::PersonTexted))
        .then_some("a person has texted them in the last 4 hours"))
}

/// Whether an interview was arranged here since, be it in Lever yet or not: Lever may list it much later.
fn has_booked(
    read: &impl Read,
    enrolment: &Enrolment,
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let about = &enrolment.opportunity;
    let is_it = |one: &Appointment| {
        let there = one.lever.as_ref().map(|there| &there.interview);
        there.is_some() && there == enrolment.event.interview()
    };
    let ours = appointments_of(read, about)?;
    if ours.iter().any(|one| one.stands() && one.made_at > since && one.made_at <= now && !is_it(one)) {
        return Ok(true);
    }
    // Of what Lever takes none of, it is not known when the time was taken.
    if enrolment.event.interview().is_some() {
        return Ok(false);
    }
    for ((_, id), ()) in read.list(BOOKINGS_OF, &Keys::beginning(about), usize::MAX)? {
        if let Some(State::Booked(booked)) = read.get(BOOKINGS, &id)?.map(|booking| booking.state)
            && booked.appointment.is_none()
            && booked.starts_at > now
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the guard says of a text by itself.
struct Guarded {
    /// Why there is to be none.
    refused: Option<String>,
    /// Whether there is to be none for now: a doubt.
    frozen: bool,
    /// By caps and quiet hours.
    when: When,
}

impl Guarded {
    fn refused(why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), frozen: false, when: When::Now }
    }

    fn at(when: When) -> Self {
        Self { refused: None, frozen: false, when }
    }
}

/// Which texts the caps count in a back-test.
struct Counted {
    /// Those that left before then.
    before: Timestamp,
    /// But for those that left at these moments.
    but: Vec<Timestamp>,
}

fn by_guard(
    read: &impl Read,
    row: &Opportunity,
    number: Number,
    counted: Option<&Counted>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Guarded, StoreError> {
    if row.confidential && !rules.text_confidential {
        return Ok(Guarded::refused("the opportunity is confidential, and such are only read here"));
    }
    let mut standing = standing(read, number, rules, now)?;
    if let Some(Counted { before, but }) = counted {
        standing.unasked.retain(|left| left < before && !but.contains(left));
    }
    if let Err(why) = refusal(Purpose::Automatic, &standing) {
        return Ok(Guarded::refused(why.to_string()));
    }
    Ok(match rules.clockwork().timing(Leaving::now(Purpose::Automatic, now), &standing, now) {
        Ok(Timing::Now { .. }) => Guarded::at(When::Now),
        Ok(Timing::Later(at)) => {
            let hours = rules.hours_for(number).on_the_day(&standing.zones, &rules.zone, now);
            let why =
                hours.map_or_else(|| QUIET_HOURS.to_owned(), |window| format!("{QUIET_HOURS} ({window})"));
            Guarded::at(When::Later(at, why))
        }
        Ok(Timing::Frozen(_)) => Guarded { frozen: true, ..Guarded::at(When::Now) },
        Err(Refusal::NoHour) => Guarded::at(When::Never),
        Err(why) => Guarded::at(When::Refused(why.to_string())),
    })
}

/// The text, filled in; else why it is held.
fn render(
    read: &impl Read,
    automation: &Automation,
    enrolment: &Enrolment,
    rules: &Rules,
    now: Timestamp,
) -> Result<Result<String, String>, StoreError> {
    use crate::engine::TemplateError;
    let id = &enrolment.opportunity;
    let interview = match enrolment.event.interview() {
        Some(interview) => {
            let row = read.get(INTERVIEWS, &(id.clone(), interview.clone()))?;
            Some(row.or_else(|| enrolment.was.clone()))
        }
        None => None,
    };
    let fields = match fields(read, id.clone(), None, interview, Sight::All, rules, now) {
        Ok(fields) => fields,
        Err(TemplateError::Store(error)) => return Err(error),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let text =
        rules.automations.texts.render(&automation.message, &fields).map_err(|error| error.to_string());
    Ok(text.and_then(|text| {
        let chars = text.chars().count();
        if chars <= MAX_BODY_CHARS { Ok(text) } else { Err(format!("the text has {chars} characters")) }
    }))
}

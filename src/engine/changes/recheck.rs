//! A text that nobody wrote to its candidate and that could not leave at once is decided again from the start
//! when it may (behaviour.md 2): overnight they have answered, booked, or are archived. The guard looks at the
//! number and the clock; here is what the text was for.

use fulcrum_domain::automation::{Case, Enrolment, EnrolmentState, Hold, Verdict, Wait, When, decide};
use fulcrum_domain::bulk::number_of;
use fulcrum_domain::{Delivery, Message, MessageId, OpportunityId, Purpose, Sight};
use jiff::Timestamp;

use super::Rules;
use super::cases::case;
use super::desk::desk_of;
use super::enrolment::{Enrolled, STALE};
use super::interview_news::is_old_news;
use super::remind::is_old_reminder;
use crate::store::tables::{MESSAGES, OPPORTUNITIES};
use crate::store::{Keys, Read, StoreError, Tx};

/// A text that is not to leave any more.
pub(super) struct Lapsed {
    /// Why, in words without data of people.
    pub(super) why: String,
    /// Whose text it was to be.
    enrolment: Option<Enrolled>,
}

impl Lapsed {
    /// The enrolment that wrote it comes to its end without a text.
    pub(super) fn settle(self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        match self.enrolment {
            Some(one) => one.end(tx, &self.why, now),
            None => Ok(()),
        }
    }
}

/// Whether a text is not wanted any more, by what stands now.
pub(super) fn lapsed(
    read: &impl Read,
    text: &Message,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Lapsed>, StoreError> {
    let Some(about) = text.opportunity.as_ref().filter(|_| text.purpose.is_unasked()) else {
        return Ok(None);
    };
    let row = read.get(OPPORTUNITIES, about)?;
    // Of one that Lever shows no more it is not known.
    if row.as_ref().is_none_or(|row| row.confidential) && !rules.text_confidential {
        let why = match row {
            Some(_) => "the opportunity is confidential, and such are only read here",
            None => "Lever does not show the opportunity any more",
        };
        let why = why.to_owned();
        return Ok(Some(Lapsed { why, enrolment: None }));
    }
    if text.purpose == Purpose::Bulk {
        let mut why = number_of(row.as_ref(), None, Sight::All).err().map(|why| why.to_string());
        if why.is_none() && is_needless_nudge(read, text)? {
            why = Some("they have answered since".to_owned());
        }
        return Ok(why.map(|why| Lapsed { why, enrolment: None }));
    }
    let is_old = match is_old_reminder(read, text, about, now)? {
        None => is_old_news(read, text, about, now)?,
        is_old => is_old,
    };
    if is_old == Some(true) {
        let why = "the interview has begun, or what it says of it does not hold any more".to_owned();
        return Ok(Some(Lapsed { why, enrolment: None }));
    }
    let Some(one) = writer_of(read, about, text.id)? else { return Ok(None) };
    let why = match stale(text, &one, rules, now) {
        true => Some(STALE.to_owned()),
        false => over(case(read, &one, rules, now)?.case),
    };
    Ok(why.map(|why| Lapsed { why, enrolment: Some(one) }))
}

/// Messages of a thread in which the first text of a bulk text is looked for.
const LOOK_BACK: usize = 100;

/// Whether a text reminds of a bulk text that was answered while the reminder waited.
fn is_needless_nudge(read: &impl Read, text: &Message) -> Result<bool, StoreError> {
    let written_at = text.id.made_at();
    if desk_of(read, text.conversation)?.said.last_in_at.is_none_or(|at| at < written_at) {
        return Ok(false);
    }
    let said = read.list_back(MESSAGES, &Keys::beginning(&text.conversation), LOOK_BACK)?;
    Ok(said.iter().any(|(_, first)| {
        first.purpose == Purpose::Bulk
            && first.author == text.author
            && first.id.made_at() < written_at
            && !first.delivery.has_stayed()
    }))
}

/// The enrolment that came to this text.
pub(super) fn writer_of(
    read: &impl Read,
    about: &OpportunityId,
    text: MessageId,
) -> Result<Option<Enrolled>, StoreError> {
    Ok(Enrolled::of(read, about)?.into_iter().find(|one| one.state == EnrolmentState::Sent(text)))
}

/// Why there would be no text now. Whether the automation was paused since, and what the guard says, is not
/// asked here; the words stand already.
fn over(case: Case) -> Option<String> {
    let asked = Case {
        active: true,
        refused: None,
        frozen: false,
        missing: None,
        when: When::Now,
        hold: Hold::None,
        ..case
    };
    match decide(asked) {
        Verdict::End(why) => Some(why),
        Verdict::Send | Verdict::Later(..) | Verdict::Held(_) => None,
    }
}

/// Whether the carrier has not taken it for so long that nobody would write it any more. What comes before an
/// interview is good until then.
fn stale(text: &Message, row: &Enrolment, rules: &Rules, now: Timestamp) -> bool {
    text.delivery == Delivery::Queued && is_too_late(row, text.at, rules, now)
}

/// Whether a text of an enrolment that has been held up since then comes too late.
pub(super) fn is_too_late(row: &Enrolment, since: Timestamp, rules: &Rules, now: Timestamp) -> bool {
    let automation = rules.automations.get(&row.automation);
    let max_age = automation.filter(|one| !matches!(one.wait, Wait::Before(_))).map(|one| one.max_age);
    max_age.is_some_and(|max_age| now.duration_since(since) > max_age)
}

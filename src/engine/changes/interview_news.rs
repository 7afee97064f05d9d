//! What was changed in Lever about an interview of ours: its candidate is told once, when Lever has been quiet
//! about it (behaviour.md 4, "Lever's side wins").
//!
//! That text may wait, for the morning or for a carrier that is down. So its row stays until the interview
//! begins: another change, or the start, calls off what has not left, and what the candidate knows stays what it
//! was.

use fulcrum_domain::{
    Activity, ActivityKind, Actor, AppointmentId, Author, DeadlineKey, Meeting, Message, MessageId,
    OpportunityId, Wanted,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note;
use super::appointment::appointments_of;
use super::cancel::cancel_if_waiting;
use super::deadline::{arm, is_ahead};
use super::remind::{CALLED_OFF, MOVED, label, of_ours, text};
use super::thread::message;
use crate::engine::clock::Moment;
use crate::store::tables::{APPOINTMENT_NEWS, APPOINTMENTS};
use crate::store::{AppointmentNews, Keys, Read, StoreError, Tx};

/// How long Lever must be quiet about an interview before its candidate is told.
const QUIET: SignedDuration = SignedDuration::from_mins(5);

/// An interview of ours was changed in Lever, from what `before` says: its candidate is told once Lever has
/// been quiet about it.
pub(super) fn arm_news(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    before: &Meeting,
    now: Timestamp,
) -> Result<(), StoreError> {
    let due_at = now.saturating_add(QUIET).unwrap_or(Timestamp::MAX);
    let stored = tx.get(APPOINTMENT_NEWS, &id)?;
    let armed = stored.as_ref().map(|news| news.due_at);
    let known = match stored {
        // They know what the last text says.
        Some(AppointmentNews { told: Some(text), .. }) if has_left(tx, text)? => None,
        stored => stored,
    };
    let news = known.map_or_else(
        || AppointmentNews {
            due_at,
            starts_at: before.starts_at,
            minutes: before.minutes,
            location: before.location.clone(),
            told: None,
            changed_since: true,
        },
        |news| AppointmentNews { due_at, changed_since: true, ..news },
    );
    tx.put(APPOINTMENT_NEWS, &id, &news)?;
    arm(tx, DeadlineKey::AppointmentNews(id), armed, Some(due_at))
}

fn has_left(read: &impl Read, text: MessageId) -> Result<bool, StoreError> {
    Ok(message(read, text)?.is_some_and(|text| !text.delivery.has_stayed()))
}

/// Lever has been quiet about an interview for long enough, or the interview of which its candidate was told
/// begins.
pub(super) fn tell_news(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let Some(news) = tx.get(APPOINTMENT_NEWS, &id)? else { return Ok(()) };
    let key = DeadlineKey::AppointmentNews(id);
    if is_ahead(tx, key, news.due_at, moment.now) {
        return Ok(());
    }
    forget_news(tx, id)?;
    if let Some(told) = news.told {
        cancel_if_waiting(tx, told, rules, moment.now)?;
    }
    let Some(one) = tx.get(APPOINTMENTS, &id)?.filter(|_| news.changed_since) else { return Ok(()) };
    let opportunity = one.opportunity.clone();
    let same = (one.meeting.starts_at, one.meeting.minutes, &one.meeting.location)
        == (news.starts_at, news.minutes, &news.location);
    let template = match one.wanted {
        Wanted::GoneInLever => CALLED_OFF,
        Wanted::Stands if !same => MOVED,
        Wanted::Stands | Wanted::CalledOff => return Ok(()),
    };
    let mut told = of_ours(one);
    if template == CALLED_OFF {
        // They know the time that it had before.
        told.starts_at = news.starts_at;
    }
    if told.starts_at <= moment.now {
        return Ok(());
    }
    let Some(text) = text(tx, &opportunity, template, &told, rules, moment)? else { return Ok(()) };
    let told = AppointmentNews { due_at: told.starts_at, told: Some(text), changed_since: false, ..news };
    tx.put(APPOINTMENT_NEWS, &id, &told)?;
    arm(tx, key, None, Some(told.due_at))
}

pub(super) fn forget_news(tx: &mut Tx<'_>, id: AppointmentId) -> Result<(), StoreError> {
    if let Some(news) = tx.get(APPOINTMENT_NEWS, &id)? {
        tx.remove(APPOINTMENT_NEWS, &id)?;
        arm(tx, DeadlineKey::AppointmentNews(id), Some(news.due_at), None)?;
    }
    Ok(())
}

/// Tells nobody of what was changed in Lever and not told yet: this is a restored copy, and its original may
/// have. How many candidates that are.
pub(super) fn drop_untold(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for (id, news) in tx.list(APPOINTMENT_NEWS, &Keys::all(), usize::MAX)? {
        if !news.changed_since {
            continue;
        }
        forget_news(tx, id)?;
        let Some(one) = tx.get(APPOINTMENTS, &id)? else { continue };
        let what = "the candidate is not texted what was changed in Lever: the original of this restored copy \
                    may have done so";
        let activity = Activity::new(now, Actor::fulcrum(), ActivityKind::Interview, what);
        note(tx, &activity.about(Some(one.opportunity)))?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Whether a text that tells of a change tells what is not so any more; none for any other text.
pub(super) fn is_old_news(
    read: &impl Read,
    text: &Message,
    about: &OpportunityId,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let Author::Automatic(name) = &text.author else { return Ok(None) };
    let (moved, off) = (*name == label(MOVED), *name == label(CALLED_OFF));
    if !moved && !off {
        return Ok(None);
    }
    // An older program kept no row of a text that it had written: then the appointment itself says.
    let mut untold = false;
    for one in appointments_of(read, about)? {
        let news = read.get(APPOINTMENT_NEWS, &one.id)?;
        untold |= news.is_none()
            && one.meeting.starts_at > now
            && match one.wanted {
                Wanted::Stands => moved,
                Wanted::GoneInLever => off,
                Wanted::CalledOff => false,
            };
        if let Some(news) = news.filter(|news| news.told == Some(text.id)) {
            let is_so = match one.wanted {
                Wanted::Stands => moved && one.meeting.starts_at == news.due_at,
                Wanted::GoneInLever => off,
                Wanted::CalledOff => false,
            };
            return Ok(Some(news.changed_since || news.due_at <= now || !is_so));
        }
    }
    Ok(Some(!untold))
}

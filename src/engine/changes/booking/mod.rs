//! Bookings: links that lead to one, times that are taken, and what follows from that, each in one
//! transaction (behaviour.md 4).
//!
//! The store has one writer, so of two candidates who take one time in the same millisecond the second
//! finds it taken. What interviewers' own calendars say cannot be read in a transaction: whoever calls
//! has asked them just before.

mod choice;
mod take;
mod talk;
mod times;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fulcrum_domain::booking::{Booking, EventType, LINK_LASTS, Over, State};
use fulcrum_domain::{
    Activity, ActivityKind, Actor, BookingId, ConversationId, DeadlineKey, Opportunity, OpportunityId,
    Refusal,
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Rules;
use super::activity::note;
use crate::engine::changes::counter::{Counter, next};
use crate::engine::changes::deadline::{arm, is_ahead};
use crate::engine::clock::Moment;
use crate::store::tables::{BOOKING_TOKENS, BOOKINGS, BOOKINGS_OF, Digest, OPPORTUNITIES, TALKS, TALKS_DUE};
use crate::store::{Keys, Read, StoreError, Tx};

pub use choice::Choice;
use choice::standing_of;
pub use take::{BookError, Pick};
pub(crate) use talk::end as end_talk;
pub(super) use talk::hear;
pub use talk::{offer_times, take_turn_to_talk};
pub use times::{Busy, SlotsOf, interviewers_of};

/// Tokens that lead to one booking; an older one stops to.
const TOKENS: usize = 20;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The config has no such kind of meeting.
    #[error("no such event type is configured")]
    UnknownEventType,
    /// The opportunity is not known here.
    #[error("no such opportunity is known")]
    UnknownOpportunity,
    /// Nobody is asked for an interview any more.
    #[error("the opportunity is archived")]
    Archived,
    /// Nobody can be offered times by text.
    #[error("the candidate has no number that can be texted")]
    NoNumber,
    /// The number must not be texted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is only read here.
    #[error("the opportunity is confidential, and lever.confidential does not allow texts about such")]
    Confidential,
    /// They need not be asked.
    #[error("the candidate has booked a time already")]
    Booked,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A link with which the candidate of an opportunity books a meeting of this kind: a new token for the
/// booking that is under way, or for a new one. Good for seven days, until the opportunity is archived
/// or leaves its stage; once a time is taken it leads to that.
///
/// # Errors
/// [`LinkError`].
pub fn booking_link(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    event_type: &str,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<String, LinkError> {
    let event = rules.booking.event_type(event_type).ok_or(LinkError::UnknownEventType)?;
    let row = tx.get(OPPORTUNITIES, opportunity)?.ok_or(LinkError::UnknownOpportunity)?;
    if !row.is_active() {
        return Err(LinkError::Archived);
    }
    Ok(under_way(tx, opportunity, &row, event, rules, moment.now)?.link(tx, moment)?)
}

impl Choice<'_> {
    /// A link to the booking. Only a digest of its token is stored.
    fn link(&mut self, tx: &mut Tx<'_>, moment: &Moment) -> Result<String, StoreError> {
        let token = BASE64_URL_SAFE_NO_PAD.encode(moment.secret());
        let digest = digest_of(&token);
        tx.put(BOOKING_TOKENS, &digest, &self.id)?;
        let tokens = &mut self.booking.tokens;
        tokens.push(digest);
        if tokens.len() > TOKENS {
            tx.remove(BOOKING_TOKENS, &tokens.remove(0))?;
        }
        tx.put(BOOKINGS, &self.id, &self.booking)?;
        Ok(format!("{}/b/{token}", self.rules.public_url.trim_end_matches('/')))
    }
}

/// What stands for a token in the file.
fn digest_of(token: &str) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(token)[..16]);
    digest
}

/// The booking that a token leads to.
///
/// # Errors
/// [`StoreError`].
pub fn booking_of(read: &impl Read, token: &str) -> Result<Option<(BookingId, Booking)>, StoreError> {
    match read.get(BOOKING_TOKENS, &digest_of(token))? {
        Some(id) => Ok(read.get(BOOKINGS, &id)?.map(|booking| (id, booking))),
        None => Ok(None),
    }
}

/// The booking of this kind that is open or has a time to come, with its days begun anew; or a new one.
fn under_way<'r>(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    row: &Opportunity,
    event: &'r EventType,
    rules: &'r Rules,
    now: Timestamp,
) -> Result<Choice<'r>, StoreError> {
    let expires_at = now.saturating_add(LINK_LASTS).unwrap_or(Timestamp::MAX);
    let choice = |id, booking, state| Choice { id, booking, state, event: Some(event), rules, now };
    for ((_, id), ()) in tx.list_back(BOOKINGS_OF, &Keys::beginning(opportunity), usize::MAX)? {
        let Some(mut booking) = tx.get(BOOKINGS, &id)?.filter(|found| found.event_type == event.id) else {
            continue;
        };
        match standing_of(tx, &booking, now)? {
            State::Open => {
                arm(tx, DeadlineKey::Booking(id), Some(booking.expires_at), None)?;
                booking.expires_at = expires_at;
                arm(tx, DeadlineKey::Booking(id), None, Some(expires_at))?;
                return Ok(choice(id, booking, State::Open));
            }
            State::Booked(booked) if booked.starts_at > now => {
                return Ok(choice(id, booking, State::Booked(booked)));
            }
            State::Booked(_) | State::Over(_) => {}
        }
    }
    let count = next(tx, Counter::Bookings)?;
    let id = BookingId::new(count);
    tx.put(BOOKINGS_OF, &(opportunity.clone(), id), &())?;
    arm(tx, DeadlineKey::Booking(id), None, Some(expires_at))?;
    let booking = Booking {
        opportunity: opportunity.clone(),
        event_type: event.id.clone(),
        stage: row.stage.clone(),
        expires_at,
        state: State::Open,
        revision: 0,
        tokens: Vec::new(),
    };
    Ok(choice(id, booking, State::Open))
}

/// A link's days are over: if nobody has taken a time, nobody will.
pub(super) fn deadline(tx: &mut Tx<'_>, id: BookingId, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut booking) = tx.get(BOOKINGS, &id)? else { return Ok(()) };
    if is_ahead(tx, DeadlineKey::Booking(id), booking.expires_at, now) {
        return Ok(());
    }
    arm(tx, DeadlineKey::Booking(id), Some(booking.expires_at), None)?;
    if booking.state == State::Open {
        booking.state = State::Over(Over::Expired);
        tx.put(BOOKINGS, &id, &booking)?;
        note_about(tx, &booking, Actor::fulcrum(), "a booking link ran out unused", now)?;
    }
    Ok(())
}

fn note_about(
    tx: &mut Tx<'_>,
    booking: &Booking,
    by: Actor,
    what: impl Into<String>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let activity = Activity::new(at, by, ActivityKind::Booking, what);
    note(tx, &activity.about(Some(booking.opportunity.clone())))
}

/// Erases what the candidate of an opportunity was offered and took.
pub(super) fn forget_bookings(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    threads: &BTreeSet<ConversationId>,
) -> Result<(), StoreError> {
    let mut gone = BTreeSet::new();
    for ((_, id), ()) in tx.list(BOOKINGS_OF, &Keys::beginning(opportunity), usize::MAX)? {
        tx.remove(BOOKINGS_OF, &(opportunity.clone(), id))?;
        if let Some(booking) = tx.get(BOOKINGS, &id)? {
            arm(tx, DeadlineKey::Booking(id), Some(booking.expires_at), None)?;
            take::release(tx, id, &booking.state)?;
            for token in &booking.tokens {
                tx.remove(BOOKING_TOKENS, token)?;
            }
            tx.remove(BOOKINGS, &id)?;
        }
        gone.insert(id);
    }
    for thread in threads {
        if tx.get(TALKS, thread)?.is_some_and(|talk| gone.contains(&talk.booking)) {
            tx.remove(TALKS, thread)?;
            tx.remove(TALKS_DUE, thread)?;
        }
    }
    Ok(())
}

//! In which time zones the owner of a number may be: where a person says, else by the number's area
//! (behaviour.md 2, "Quiet hours"). All that goes by the clock of a candidate asks here.

use fulcrum_domain::zones::{self, KnownZone, Zones};
use fulcrum_domain::{Activity, ActivityKind, Actor, Number, OpportunityId};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::activity::{note, note_of};
use super::thread::thread_of;
use crate::store::tables::KNOWN_ZONES;
use crate::store::{Read, Signal, StoreError, Tx};

/// What a person said of where the owner of a number is.
///
/// # Errors
/// [`StoreError`].
pub fn known_zone(read: &impl Read, number: Number) -> Result<Option<KnownZone>, StoreError> {
    read.get(KNOWN_ZONES, &number)
}

/// The zones that the owner of a number may be in; unknown where there is no number.
///
/// # Errors
/// [`StoreError`].
pub fn zones_of(read: &impl Read, number: impl Into<Option<Number>>) -> Result<Zones, StoreError> {
    let Some(number) = number.into() else { return Ok(Zones::unknown()) };
    let known = known_zone(read, number)?.and_then(|known| zones::named(&known.name));
    Ok(known.map_or_else(|| zones::of(number), Zones::one))
}

/// A person says in which zone the owner of a number is, or that it goes by the number again. `about` is
/// their opportunity, for the activity of those whom nobody has texted yet. What waits already is decided
/// anew when it is due.
///
/// # Errors
/// [`StoreError`].
pub fn set_zone(
    tx: &mut Tx<'_>,
    number: Number,
    about: Option<&OpportunityId>,
    zone: Option<&TimeZone>,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = zone.and_then(TimeZone::iana_name);
    let before = known_zone(tx, number)?;
    if before.as_ref().map(|known| known.name.as_str()) == name {
        return Ok(());
    }
    let what = match name {
        Some(name) => {
            let known = KnownZone { name: name.to_owned(), by: by.clone(), at: now };
            tx.put(KNOWN_ZONES, &number, &known)?;
            format!("the candidate's time zone is {name}")
        }
        None => {
            tx.remove(KNOWN_ZONES, &number)?;
            "the candidate's time zone goes by the number again".to_owned()
        }
    };
    match thread_of(tx, number)? {
        Some(conversation) => {
            note_of(tx, &conversation, by.clone(), ActivityKind::Desk, what, now)?;
            tx.signal(Signal::Conversation(conversation.id));
            Ok(())
        }
        None => note(tx, &Activity::new(now, by.clone(), ActivityKind::Desk, what).about(about.cloned())),
    }
}

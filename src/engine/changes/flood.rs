//! The flood guard: many enrolments by one actor within a minute wait on one card for a person
//! (behaviour.md 3, "Flood guard"). Somebody who archives a hundred candidates by mistake texts nobody.

use fulcrum_domain::automation::{Card, CardState, EnrolmentId, Event, Flood, Surge};
use fulcrum_domain::{Activity, ActivityKind, Actor, DeadlineKey};
use jiff::Timestamp;

use super::Rules;
use super::activity::note;
use super::counter::{Counter, next};
use super::deadline::arm;
use super::enrolment::Enrolled;
use crate::store::tables::{CARDS, FLOODS};
use crate::store::{Read, StoreError, Tx};

/// Puts an enrolment on a card if its actor has caused too many.
pub(super) fn guard(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = event.by.as_str().to_owned();
    let mut flood = tx.get(FLOODS, &name)?.unwrap_or_default();
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    flood.recent.retain(|(ms, _)| now.duration_since(at(*ms)).abs() <= Flood::WITHIN);
    let last = match flood.card {
        Some(card) => tx.get(CARDS, &card)?.map(|row| (card, row)),
        None => None,
    };
    let recent: Vec<_> = flood.recent.iter().map(|(ms, _)| at(*ms)).collect();
    let surge = rules.automations.flood.surge(&recent, last.as_ref().map(|(_, card)| card), now);
    if let (Surge::Joins, Some((number, mut card))) = (surge, last) {
        join(tx, &mut card, number, id)?;
        tx.put(CARDS, &number, &card)?;
    } else if surge == Surge::Strikes {
        let number = next(tx, Counter::Cards)?;
        let mut card = Card { by: event.by.clone(), opened_at: now, state: CardState::Waiting, count: 0 };
        for other in flood.recent.iter().map(|(_, other)| *other).chain([id]) {
            join(tx, &mut card, number, other)?;
        }
        tx.put(CARDS, &number, &card)?;
        let key = DeadlineKey::Card(number);
        arm(tx, key, None, Some(card.expires_at()))?;
        let what = format!("{} texts and more at once wait for approval: card {number}", card.count);
        note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Automation, what))?;
        flood.card = Some(number);
    }
    flood.recent.push((now.as_millisecond(), id));
    // One more than that is a flood anyway.
    let kept = flood.recent.len().saturating_sub(rules.automations.flood.count);
    flood.recent.drain(..kept);
    tx.put(FLOODS, &name, &flood).map(drop)
}

fn join(tx: &mut Tx<'_>, card: &mut Card, number: u64, id: EnrolmentId) -> Result<(), StoreError> {
    if let Some(one) = Enrolled::get(tx, id)?.filter(|one| one.is_live() && one.card.is_none()) {
        one.join(tx, number)?;
        card.count += 1;
    }
    Ok(())
}

//! Sending a bulk text: whose turn it is, and what is written to them then.
//!
//! No more is written ahead than the dispatcher hands over in a moment, so that a pause or a STOP finds
//! nearly everybody still waiting. The pace is the dispatcher's (`engine/send`), which lets everything else
//! go first; quiet hours only move a recipient's turn.

use std::collections::BTreeMap;

use fulcrum_domain::bulk::{Bulk, BulkId, Exclusion, Recipient, RecipientState};
use fulcrum_domain::guard::{Leaving, Timing};
use fulcrum_domain::template::Version;
use fulcrum_domain::{
    Activity, ActivityKind, Actor, Answer, Consent, ConsentSource, Delivery, Lane, Message, Number, Purpose,
    Remote, Sight,
};
use jiff::{SignedDuration, Timestamp};

use super::words::{Words, words_for};
use crate::engine::changes::{self, ComposeError, Draft};
use crate::engine::clock::Moment;
use crate::engine::{Engine, Settings};
use crate::store::tables::{BULKS_RUNNING, TURNS};
use crate::store::{Keys, Read, StoreError, Tx};

/// Texts that are written and have not left.
const AHEAD: usize = 20;
/// How long until it is looked whether some have.
const SHORTLY: SignedDuration = SignedDuration::from_millis(250);
/// Nobody sends more at once.
const RUNNING_MAX: usize = 100;

/// When whose turn it is.
pub(in crate::engine) type Turn = (BulkId, Timestamp, u64);

/// Whose turns have come.
#[derive(Default)]
pub(in crate::engine) struct Round {
    pub(in crate::engine) turns: Vec<Turn>,
    /// Nobody waits in these any more.
    pub(in crate::engine) done: Vec<BulkId>,
    /// When to look again.
    pub(in crate::engine) next: Option<Timestamp>,
}

impl Engine {
    /// Writes the bulk texts that are confirmed, recipient by recipient.
    pub(crate) async fn run_bulk(self) -> Result<(), StoreError> {
        loop {
            let mut news = std::pin::pin!(self.wake.bulk.notified());
            news.as_mut().enable();
            let now = self.clock.now();
            let round = self.store.read(move |snapshot| round(snapshot, now)).await?;
            for turn in round.turns {
                self.meet_turn(turn).await?;
            }
            for id in round.done {
                match self.store.change(move |tx| changes::finish_bulk(tx, id, now)).await {
                    Err(error) if error.lies_in_a_row() => {
                        tracing::error!(
                            %id,
                            error = &error as &dyn std::error::Error,
                            "a bulk text cannot be brought to its end"
                        );
                        self.store.change(move |tx| changes::leave_bulk(tx, id)).await?;
                    }
                    done => done?,
                }
            }
            if round.next.is_none_or(|next| next > now) {
                self.doze(news.as_mut(), round.next).await;
            }
        }
    }

    async fn meet_turn(&self, turn: Turn) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let capped = self.capped.at(moment.now);
        let met = self.store.change(move |tx| meet(tx, turn, &settings, &capped, &mut moment)).await;
        let why = match met {
            Ok(()) => return Ok(()),
            Err(ComposeError::Store(error)) if error.lies_in_a_row() => {
                tracing::error!(
                    bulk = %turn.0,
                    place = turn.2,
                    error = &error as &dyn std::error::Error,
                    "a recipient of a bulk text is passed by"
                );
                Exclusion::Refused(changes::UNREADABLE.to_owned())
            }
            Err(ComposeError::Store(error)) => return Err(error),
            Err(error) => Exclusion::Refused(error.to_string()),
        };
        match self.store.change(move |tx| changes::exclude(tx, turn, why)).await {
            // The recipient itself is what cannot be read. One broken row must not hold up the others.
            Err(error) if error.lies_in_a_row() => {
                self.store.change(move |tx| changes::leave_turn(tx, turn)).await
            }
            done => done,
        }
    }
}

pub(in crate::engine) fn round(read: &impl Read, now: Timestamp) -> Result<Round, StoreError> {
    let mut round = Round::default();
    let running = read.list(BULKS_RUNNING, &Keys::all(), RUNNING_MAX)?;
    if running.is_empty() {
        return Ok(round);
    }
    let ahead = changes::waiting_in(read, Remote::Carrier, Lane::Backfill, now, AHEAD)?;
    let mut left = AHEAD - ahead.min(AHEAD);
    for (id, ()) in running {
        let turns = read.list(TURNS, &Keys::beginning(&id), left + 1)?;
        if turns.is_empty() {
            round.done.push(id);
        }
        let (due, later): (Vec<Turn>, Vec<Turn>) =
            turns.into_iter().map(|(turn, ())| turn).partition(|(_, at, _)| *at <= now);
        let next = match later.first() {
            _ if !due.is_empty() => now.checked_add(SHORTLY).ok(),
            later => later.map(|(_, at, _)| *at),
        };
        round.next = [round.next, next].into_iter().flatten().min();
        let taken = due.len().min(left);
        left -= taken;
        round.turns.extend(due.into_iter().take(taken));
    }
    Ok(round)
}

/// Somebody's turn has come: their text is written, put off, or it is said why there is none. Nothing is written
/// ahead at a number that is `capped` until then.
pub(in crate::engine) fn meet(
    tx: &mut Tx<'_>,
    turn: Turn,
    settings: &Settings,
    capped: &BTreeMap<Number, Timestamp>,
    moment: &mut Moment,
) -> Result<(), ComposeError> {
    let (id, _, place) = turn;
    let Some((bulk, recipient)) = changes::take_turn(tx, turn)? else { return Ok(()) };
    match recipient.state {
        RecipientState::Waiting => {
            let state = match write(tx, &bulk, &bulk.template, &recipient, settings, capped, moment)? {
                Ok(Written::Later(at)) => return Ok(changes::give_turn(tx, id, place, at)?),
                Ok(Written::Now(text)) => {
                    note(tx, id, &text, moment.now)?;
                    if let Some(nudge) = &bulk.nudge {
                        changes::give_turn(tx, id, place, days_after(text.at, nudge.after_days))?;
                    }
                    RecipientState::Written(text.id)
                }
                Err(why) => RecipientState::Excluded(why),
            };
            Ok(changes::move_on(tx, id, place, recipient, state)?)
        }
        RecipientState::Written(first) => {
            let (Some(nudge), Some(text)) = (&bulk.nudge, changes::message(tx, first)?) else {
                return Ok(());
            };
            let due = days_after(text.at, nudge.after_days);
            if due > moment.now {
                return Ok(changes::give_turn(tx, id, place, due)?);
            }
            let answered =
                changes::desk_of(tx, text.conversation)?.said.last_in_at.is_some_and(|at| at >= text.at);
            let arrived = matches!(
                text.delivery,
                Delivery::Sent | Delivery::Delivered | Delivery::Accepted | Delivery::Sending
            );
            if answered || !arrived {
                return Ok(());
            }
            match write(tx, &bulk, &nudge.template, &recipient, settings, capped, moment)? {
                Ok(Written::Later(at)) => Ok(changes::give_turn(tx, id, place, at)?),
                Ok(Written::Now(text)) => {
                    note(tx, id, &text, moment.now)?;
                    let state = RecipientState::Nudged { first, nudge: text.id };
                    Ok(changes::move_on(tx, id, place, recipient, state)?)
                }
                Err(_) => Ok(()),
            }
        }
        RecipientState::Excluded(_) | RecipientState::Nudged { .. } | RecipientState::CalledOff => Ok(()),
    }
}

/// What became of a text that was to be written.
enum Written {
    /// It is on its way.
    Now(Box<Message>),
    /// Its hour is not open, our number takes no more today, or they may have opted out.
    Later(Timestamp),
}

fn write(
    tx: &mut Tx<'_>,
    bulk: &Bulk,
    version: &Version,
    recipient: &Recipient,
    settings: &Settings,
    capped: &BTreeMap<Number, Timestamp>,
    moment: &mut Moment,
) -> Result<Result<Written, Exclusion>, ComposeError> {
    let found = words_for(tx, bulk, version, recipient, Sight::All, settings, moment.now)?;
    let Words { number, words } = match found {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let standing = changes::standing(tx, number, &settings.rules, moment.now)?;
    let leaving = Leaving::now(Purpose::Bulk, moment.now);
    match settings.rules.clockwork().timing(leaving, &standing, moment.now) {
        Ok(Timing::Now { .. }) => {}
        Ok(Timing::Later(at) | Timing::Frozen(at)) => return Ok(Ok(Written::Later(at))),
        Err(why) => return Ok(Err(Exclusion::Refused(why.to_string()))),
    }
    let from = changes::leaves_from(tx, number, &settings.rules)?;
    if let Some(until) = from.and_then(|ours| capped.get(&ours)) {
        return Ok(Ok(Written::Later(*until)));
    }
    if recipient.consents == Some(true) && standing.consent.is_none() {
        let consent = Consent {
            answer: Answer::Yes,
            source: ConsentSource::Import("the list of a bulk text".to_owned()),
            at: bulk.made_at,
            by: bulk.made_by.clone(),
        };
        changes::put_consent(tx, number, &consent, moment.now)?;
    }
    let draft = Draft::by_itself(
        changes::Recipient::Opportunity(recipient.opportunity.clone()),
        words,
        bulk.name.clone(),
        Purpose::Bulk,
    );
    let message = changes::compose(tx, draft, &settings.rules, moment)?;
    changes::made_from(tx, message.id, version)?;
    Ok(Ok(Written::Now(Box::new(message))))
}

fn days_after(at: Timestamp, days: u16) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

fn note(tx: &mut Tx<'_>, id: BulkId, text: &Message, now: Timestamp) -> Result<(), StoreError> {
    let what = format!("a text of bulk text {id} was written");
    let activity = Activity::new(now, Actor::fulcrum(), ActivityKind::Message, what);
    changes::note(tx, &activity.of(text.conversation).about(text.opportunity.clone()))
}

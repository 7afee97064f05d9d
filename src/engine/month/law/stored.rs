//! What is stored: where a commit changed it after each event, and whole once a day and at the end.

use fulcrum_domain::{ConversationId, DeadlineKey, Delivery, Direction, EffectState, Tick};
use jiff::SignedDuration;

use super::super::Month;
use crate::engine::changes;
use crate::store::tables::{ACTIVITY, DEADLINES, FILINGS, MESSAGES, OUTBOX, RUN_LOG, UNFILED};
use crate::store::{Keys, Read};

impl Month {
    /// After each event: what it changed is whole, and the wheel knows all deadlines.
    pub(in crate::engine::month) fn look_at_what_changed(&mut self) {
        self.law.tally.events += 1;
        for thread in std::mem::take(&mut self.daemon.touched) {
            self.look_at_thread(thread);
        }
        if self.daemon.is_up() {
            self.look_at_deadlines();
        } else {
            self.law.overdue = None;
        }
    }

    /// The wheel has every deadline that is stored, and none is overdue.
    fn look_at_deadlines(&mut self) {
        let (stored, first) =
            self.read(|snapshot| Ok((snapshot.len(DEADLINES)?, snapshot.list(DEADLINES, &Keys::all(), 1)?)));
        let (first, next) = (first.first().map(|(key, ())| *key), self.daemon.wheel().next());
        let armed = self.daemon.wheel().len();
        if armed as u64 != stored {
            self.broken(format_args!("{stored} deadlines are stored and {armed} are on the wheel"));
        }
        // A text that was found late has its deadline behind it when it comes: the next tick meets it.
        let overdue = first.filter(|(at, _)| *at < self.now);
        self.law.overdue = overdue.map(|row| match self.law.overdue {
            Some((before, since)) if before == row => (row, since),
            _ => (row, self.now),
        });
        if let Some(((at, key), since)) = self.law.overdue
            && self.now.duration_since(since) > SignedDuration::from_secs(5)
        {
            self.broken(format_args!(
                "{:?} was due at {at} and has not happened",
                DeadlineKey::from_u64(key)
            ));
        }
        if let (Some((first, _)), Some(next)) = (first, next)
            && Tick::of_deadline(first.max(self.now + SignedDuration::from_secs(1))) < next
        {
            self.broken(format_args!("the wheel sleeps until {}, past {first}", next.begins()));
        }
    }

    /// Each message is in one transcript or in the open session (invariant 3).
    fn look_at_thread(&self, thread: ConversationId) {
        let wrong = self.read(|snapshot| {
            let mut wrong = None;
            for (key, text) in snapshot.list(MESSAGES, &Keys::beginning(&thread), usize::MAX)? {
                let open = snapshot.has(UNFILED, &key)?;
                let out = text.direction == Direction::Out;
                let waits = out && matches!(text.delivery, Delivery::Canceled | Delivery::Scheduled);
                let filed = match text.filing {
                    Some(filing) => snapshot.has(FILINGS, &filing)?,
                    None => false,
                };
                if u8::from(open) + u8::from(filed) + u8::from(waits) != 1 {
                    wrong = Some((text.id, open, text.filing, text.delivery));
                }
            }
            Ok(wrong)
        });
        if let Some((id, open, filing, delivery)) = wrong {
            self.broken(format_args!("{id} is in no transcript, or in two: {open} {filing:?} {delivery:?}"));
        }
    }

    /// Once a day: everything.
    pub(in crate::engine::month) fn look_at_everything(&mut self) {
        let told = self.daemon.store.bytes_of(&[ACTIVITY.name(), OUTBOX.name(), RUN_LOG.name()]);
        if let Some(at) = memchr::memmem::find(&told, b"Tuesday") {
            let around = String::from_utf8_lossy(&told[at.saturating_sub(60)..at + 20]).into_owned();
            self.broken(format_args!("words of a text stand in what people are told: {around}"));
        }
        let (counted, kept) = self.read(|snapshot| {
            let mut counted = changes::EffectCounts::new();
            for (effect, row) in snapshot.list(OUTBOX, &Keys::all(), usize::MAX)? {
                *counted.entry((effect.kind(), row.state)).or_default() += 1;
            }
            Ok((counted, changes::effect_counts(snapshot)?))
        });
        if counted != kept {
            self.broken(format_args!("the outbox is counted as {kept:?} and is {counted:?}"));
        }
        self.look_with_open_eyes();
    }

    /// Days after people stopped: everything has come to its end, and nothing is lost.
    pub(in crate::engine::month) fn look_at_the_end(&mut self) {
        self.look_at_everything();
        self.look_at_invitations();
        let left = self.read(|snapshot| snapshot.list(OUTBOX, &Keys::all(), usize::MAX));
        for (effect, row) in left {
            let gone = row.last_error.as_deref().is_some_and(|why| why.contains("gone"));
            if !(row.state == EffectState::Failed && gone) {
                self.broken(format_args!("{effect:?} never came to an end: {row:?}"));
            }
        }
        let lost = self.law.words.iter().find(|(word, known)| {
            let all = &self.people.of[&known.number];
            let alive = all.iter().all(|id| self.lever.candidates.contains_key(id));
            alive && self.happened(**word) && !self.law.noted.contains(word)
        });
        if let Some((word, known)) = lost {
            self.broken(format_args!("the text k{word:08}k of {} is in no note", known.number));
        }
    }

    /// Whether a text came in, or reached the carrier.
    fn happened(&self, word: u64) -> bool {
        match self.law.written.get(&word) {
            Some(id) => self.law.arrived.contains_key(id),
            None => true,
        }
    }
}

//! What is made in Lever, notes and interviews: each once, for whom it should be, when it should be.

use fulcrum_domain::{Number, OpportunityId, note::find_reference};
use jiff::{SignedDuration, Timestamp};

use super::super::Month;
use super::super::lever::Body;
use super::super::settings::DELAY;
use super::{SLACK, words_in};

impl Month {
    /// A note stands in Lever, once and at its time (invariants 3 and 4).
    pub(in crate::engine::month) fn look_at_note(&mut self, of: &OpportunityId, value: &str, secret: bool) {
        self.look_at_secrecy(of, value, secret);
        let Some(reference) = find_reference(value) else {
            self.broken(format_args!("a note carries no reference"));
        };
        if !self.law.references.insert(reference.to_owned()) {
            self.broken(format_args!("the note {reference} stands there twice"));
        }
        let (mut newest, mut number) = (None, None);
        let mut oldest = Timestamp::MAX;
        for word in words_in(value) {
            if !self.law.noted.insert(word) {
                self.broken(format_args!("the text k{word:08}k stands in two notes"));
            }
            let Some(known) = self.law.words.get(&word) else {
                self.broken(format_args!("a note holds a text that nobody sent: k{word:08}k"));
            };
            if !self.people.of[&known.number].contains(of) {
                self.broken(format_args!("a text of {} stands with {of}", known.number));
            }
            (newest, number) = (newest.max(Some(known.at)), Some(known.number));
            oldest = oldest.min(known.at);
        }
        let (Some(newest), true) = (newest, reference.ends_with(":1/1")) else { return };
        let due = newest + DELAY;
        let asked = number.and_then(|number| self.law.asked_for.get(&number)).is_some_and(|at| *at >= oldest);
        let waited_long = self.now.duration_since(oldest) >= SignedDuration::from_hours(24);
        let minute = SignedDuration::from_mins(1);
        if self.now + minute < due && !asked && !waited_long && !self.law.in_trouble(oldest, self.now) {
            self.broken(format_args!("a transcript is filed before its time: {reference}, due {due}"));
        }
        let Some(number) = number else { return };
        // Somebody may have been erased meanwhile whose note it was to be.
        let alone = self.people.of[&number].len() == 1;
        if !alone || self.law.in_trouble(oldest, self.now) || self.law.lost_since(number, oldest) {
            return;
        }
        self.law.tally.in_time += 1;
        let due = self.last_due(number, newest);
        if self.now > due + SLACK {
            self.broken(format_args!("a transcript is filed too late: {reference}, due {due}"));
        }
    }

    /// When the session is over in which something was said at `at`: one delay after the last that was.
    fn last_due(&self, number: Number, at: Timestamp) -> Timestamp {
        let mut due = at + DELAY;
        for spoke in self.law.spoke[&number].range(at..) {
            if *spoke > due {
                break;
            }
            due = *spoke + DELAY;
        }
        due
    }

    /// An interview is made in Lever: once for each that was wanted.
    pub(in crate::engine::month) fn look_at_interview(&mut self, of: &OpportunityId, body: &Body) {
        self.law.tally.lever_interviews += 1;
        let reference = body.note.lines().last().unwrap_or_default();
        let slots = self.lever.interviews.get(of).into_iter().flatten();
        if slots.filter(|slot| slot.note.lines().last() == Some(reference)).count() > 0 {
            self.broken(format_args!("the interview {reference} stands in Lever twice"));
        }
    }
}

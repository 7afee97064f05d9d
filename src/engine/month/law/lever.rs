//! What is made in Lever, notes and interviews: each once, for whom it should be. And that no two candidates
//! take one time.

use fulcrum_domain::booking::{Booked, State};
use fulcrum_domain::slots::Span;
use fulcrum_domain::{BookingId, OpportunityId, note::find_reference};
use jiff::{SignedDuration, Timestamp};

use super::super::Month;
use super::super::lever::Body;
use super::super::settings::DELAY;
use super::words_in;
use crate::store::Read;
use crate::store::tables::{APPOINTMENTS, BOOKINGS};

impl Month {
    /// A note stands in Lever, once and not before its time (invariants 3 and 4; that it is not late either is
    /// held by `tests/it/days.rs`, where no answer is lost).
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

    /// Somebody has taken a time, or given it back: no two have the same one.
    pub(in crate::engine::month) fn look_at_booking(&mut self, id: BookingId, booked: Option<Booked>) {
        let about = self.read(|snapshot| snapshot.get(BOOKINGS, &id)).map(|booking| booking.opportunity);
        let number = about.and_then(|about| self.lever.candidates.get(&about)?.number());
        self.law.asked_at.extend(number.map(|number| (number, self.now)));
        let Some(booked) = booked else {
            self.law.booked.remove(&id);
            self.law.tally.moved_or_off += 1;
            return;
        };
        let span = Span::new(booked.starts_at, SignedDuration::from_mins(booked.minutes.into()));
        let standing: Vec<_> = self.law.booked.iter().filter(|(other, _)| **other != id).collect();
        let taken = standing.iter().find(|(other, (theirs, users))| {
            theirs.overlaps(span)
                && users.iter().any(|user| booked.interviewers.contains(user))
                && self.read(|snapshot| snapshot.get(BOOKINGS, other)).is_some_and(
                    |one| matches!(one.state, State::Booked(now) if now.starts_at == theirs.start),
                )
                && self.still_meets(**other)
        });
        if let Some((other, _)) = taken {
            self.broken(format_args!("{other:?} and {id:?} have one time of one interviewer"));
        }
        self.law.tally.bookings += 1;
        if self.law.booked.insert(id, (span, booked.interviewers)).is_some() {
            self.law.tally.moved_or_off += 1;
        }
    }

    /// Whether the interview of a booking stands: it may have been moved or called off in Lever.
    fn still_meets(&self, id: BookingId) -> bool {
        let booking = self.read(|snapshot| snapshot.get(BOOKINGS, &id));
        let Some(State::Booked(booked)) = booking.map(|booking| booking.state) else {
            return false;
        };
        booked.appointment.is_some_and(|one| {
            let one = self.read(|snapshot| snapshot.get(APPOINTMENTS, &one));
            one.is_some_and(|one| one.stands() && one.meeting.starts_at == booked.starts_at)
        })
    }
}

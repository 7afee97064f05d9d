//! Texts that leave and arrive: to whom, when, how many, and each once.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{Author, Delivery, Message, MessageId, Number, Purpose};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::Month;
use super::super::settings::{LEADS, OPENS};
use super::{Word, words_in};
use crate::engine::changes;
use crate::store::tables::{INTERVIEWS, MESSAGES};
use crate::store::{Keys, Read};

/// A reminder that would fall into the night comes the evening before.
const LATER: SignedDuration = SignedDuration::from_hours(14);

impl Month {
    /// The last check has let a text go (invariant 2).
    pub(in crate::engine::month) fn look_at_leaving(&mut self, text: &Message, to: Number) {
        let (now, purpose) = (self.now, text.purpose);
        if text.delivery != Delivery::Submitting {
            self.broken(format_args!("a text leaves that is {:?}", text.delivery));
        }
        let confirms = purpose == Purpose::OptOutConfirmation;
        if !confirms && self.law.opted_out(to, now) {
            self.broken(format_args!("a text ({purpose:?}) leaves for {to}, who opted out"));
        }
        if confirms && !self.law.opted_out(to, now) {
            self.broken(format_args!("{to}, who may be texted, is told that there will be no more texts"));
        }
        if purpose.is_unasked() {
            if self.law.doubts(to) {
                self.broken(format_args!("a text that nobody wrote leaves for {to}, who may have opted out"));
            }
            let times = self.law.unasked.entry(to).or_default();
            times.insert(text.id, now);
            let within = |hours| {
                let since = now - SignedDuration::from_hours(hours);
                times.values().filter(|at| **at > since).count()
            };
            if within(24) > 2 || within(24 * 7) > 6 {
                self.broken(format_args!("{to} gets more automatic texts than the caps allow"));
            }
        }
        let answers = matches!(purpose, Purpose::OptOutConfirmation | Purpose::Help | Purpose::Booking);
        let just_now = |did: &BTreeMap<Number, Timestamp>| {
            did.get(&to).is_some_and(|at| now.duration_since(*at) <= SignedDuration::from_mins(60))
        };
        let talks = match purpose {
            Purpose::Conversation => just_now(&self.law.heard_at),
            _ => answers && just_now(&self.law.asked_at),
        };
        if !talks && !self.is_day(to, now) {
            self.broken(format_args!("a text ({purpose:?}) leaves for {to} at night"));
        }
        if text.author == Author::Automatic("interview: reminder".into()) {
            self.look_at_reminder(text, to);
        }
        if purpose == Purpose::Bulk {
            self.look_at_invitation(text, to);
        }
        self.remember_confidential(text, to);
        self.law.tried.insert(text.id);
        self.law.left.insert(text.id, now);
        for word in words_in(text.body.reveal()) {
            self.law.words.insert(word, Word { number: to, at: text.at });
        }
    }

    /// Somebody has opted out: in that moment nothing waits for them any more.
    pub(in crate::engine::month) fn look_at_what_waits(&self, number: Number) {
        if !self.law.opted_out(number, self.now) {
            return;
        }
        let Some(thread) = self.read(|snapshot| changes::thread_of(snapshot, number)) else { return };
        let texts = self.read(|snapshot| snapshot.list(MESSAGES, &Keys::beginning(&thread.id), usize::MAX));
        let waits = |text: &Message| {
            matches!(text.delivery, Delivery::Queued | Delivery::Scheduled)
                && text.purpose != Purpose::OptOutConfirmation
        };
        if let Some((_, text)) = texts.iter().find(|(_, text)| waits(text)) {
            self.broken(format_args!("{} waits for {number}, who opted out", text.id));
        }
    }

    /// It did not leave after all: the carrier could not be reached.
    pub(in crate::engine::month) fn look_at_return(&mut self, mid: MessageId, to: Number) {
        self.law.left.remove(&mid);
        if let Some(times) = self.law.unasked.get_mut(&to) {
            times.remove(&mid);
        }
    }

    /// From nine to eight in each zone where that telephone may be.
    fn is_day(&self, number: Number, at: Timestamp) -> bool {
        self.people.zones[&number].iter().all(|zone| {
            let hour = at.to_zoned_datetime(TimeZone::get(zone).unwrap()).hour();
            (OPENS..20).contains(&hour)
        })
    }

    /// No reminder leaves after its interview, nor more often than it should.
    fn look_at_reminder(&mut self, text: &Message, to: Number) {
        // All that ever stood at a time: who is called off and asked again for the same time is reminded again.
        let mut starts: BTreeMap<Timestamp, usize> = BTreeMap::new();
        let mut coming = BTreeSet::new();
        let soon = self.now + LEADS[0] + LATER;
        for id in &self.people.of[&to] {
            let ours = self.read(|snapshot| changes::appointments_of(snapshot, id));
            let theirs = self.read(|snapshot| snapshot.list(INTERVIEWS, &Keys::beginning(id), usize::MAX));
            let known: BTreeSet<_> =
                ours.iter().filter_map(|one| Some(&one.lever.as_ref()?.interview)).collect();
            let others = theirs.iter().filter(|((_, interview), _)| !known.contains(interview));
            let all = ours.iter().map(|one| (one.meeting.starts_at, one.stands()));
            for (at, stands) in all.chain(others.map(|(_, row)| (row.starts_at, row.cancelled_at.is_none())))
            {
                *starts.entry(at).or_default() += 1;
                if stands && at > self.now && at <= soon {
                    coming.insert(at);
                }
            }
        }
        let Some(most) = coming.iter().map(|at| starts[at]).max() else {
            self.broken(format_args!("{to} is reminded of an interview that is over, or of none"));
        };
        self.law.tally.reminders += 1;
        let of_this = self.law.reminded.entry((to, text.body.reveal().to_owned())).or_default();
        of_this.insert(text.id);
        if of_this.len() > LEADS.len() * most {
            let (count, body) = (of_this.len(), text.body.reveal());
            self.broken(format_args!("{to} is reminded {count} times of one interview: {body}"));
        }
    }

    /// A text is at the carrier (never sent twice).
    pub(in crate::engine::month) fn look_at_arrival(&mut self, mid: MessageId, to: Number, body: &str) {
        if self.law.arrived.insert(mid, to).is_some() {
            self.broken(format_args!("the text {mid} was sent twice"));
        }
        if body.is_empty() || !self.law.left.contains_key(&mid) {
            self.broken(format_args!("the text {mid} was never let go"));
        }
        self.look_at_invited(body, to);
        if let Some(text) = self.read(|snapshot| changes::message(snapshot, mid)) {
            self.remember_written(&text, to);
        }
    }

    /// The daemon gives up looking for a text. If the carrier has it, it must have found it.
    pub(in crate::engine::month) fn look_at_unconfirmed(&mut self, mid: MessageId) {
        self.law.tally.unconfirmed += 1;
        let owned = self.read(|snapshot| changes::message(snapshot, mid)).and_then(|text| text.sid);
        if self.law.arrived.contains_key(&mid) && owned.is_none() {
            self.broken(format_args!("the text {mid} stands in the carrier's list and was not found"));
        }
    }
}

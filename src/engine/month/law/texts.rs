//! Texts that leave and arrive: to whom, when, how many, and each once.

use std::collections::BTreeMap;

use fulcrum_domain::{Answer, Delivery, Message, MessageId, Number, Purpose};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::Month;
use super::super::settings::{CLOSES, OPENS, REASONS, SPARED};
use super::{Word, words_in, written_by};
use crate::engine::changes;
use crate::store::tables::MESSAGES;
use crate::store::{Keys, Read};

/// The names under which a text answers what a candidate has just done. Whatever else has the name of a program,
/// nobody asked for.
const CONFIRMS: &str = "opt-out confirmation";
const ANSWERS: [&str; 3] = [CONFIRMS, "help", "booking"];

impl Month {
    /// The last check has let a text go (invariant 2).
    pub(in crate::engine::month) fn look_at_leaving(&mut self, text: &Message, to: Number) {
        // By its author, and not by what our file says that it is for.
        let (now, name) = (self.now, written_by(text));
        let answers = name.is_some_and(|name| ANSWERS.contains(&name));
        let unasked = name.is_some() && !answers;
        if text.delivery != Delivery::Submitting {
            self.broken(format_args!("a text leaves that is {:?}", text.delivery));
        }
        let confirms = name == Some(CONFIRMS);
        if !confirms && self.law.opted_out(to, now) {
            self.broken(format_args!("a text ({name:?}) leaves for {to}, who opted out"));
        }
        if confirms && !self.law.opted_out(to, now) {
            self.broken(format_args!("{to}, who may be texted, is told that there will be no more texts"));
        }
        self.look_at_consent(name, unasked, to);
        if unasked {
            self.look_at_card(text);
            self.look_at_automation(text);
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
        let just_now = |did: &BTreeMap<Number, Timestamp>| {
            did.get(&to).is_some_and(|at| now.duration_since(*at) <= SignedDuration::from_mins(60))
        };
        let talks = match name {
            None => just_now(&self.law.heard_at),
            Some(_) => answers && just_now(&self.law.asked_at),
        };
        if !talks && !self.is_day(to, now) {
            self.broken(format_args!("a text ({name:?}) leaves for {to} at night"));
        }
        if name == Some("interview: reminder") {
            self.look_at_reminder(text, to);
        }
        if name.is_some_and(|name| name.starts_with("Open day")) {
            self.look_at_invitation(text, to);
        }
        self.remember_confidential(text, to);
        self.law.tried.insert(text.id);
        self.law.left.insert(text.id, now);
        self.law.spoke.entry(to).or_default().extend([text.at, now]);
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

    /// Nobody is texted who said that they may not be, and by itself nobody who did not say that they may.
    fn look_at_consent(&self, name: Option<&str>, unasked: bool, to: Number) {
        let answer = self.people.consent[&to];
        let spared = matches!(name, Some(CONFIRMS | "help")) || self.law.agreed.contains(&to);
        if !spared && (answer == Some(Answer::No) || (unasked && answer.is_none())) {
            self.broken(format_args!("a text ({name:?}) leaves for {to}, who answered {answer:?}"));
        }
    }

    /// An automation writes to those alone whom it is for.
    fn look_at_automation(&mut self, text: &Message) {
        let (Some(about), Some(name)) = (&text.opportunity, written_by(text)) else { return };
        let Some(row) = self.lever.candidates.get(about) else { return };
        let reason = row.archived.as_ref().and_then(|archived| archived.reason.as_ref());
        let is_for = match name {
            "offer" => !row.tags.iter().any(|tag| tag == SPARED),
            "sorry" => reason.is_some_and(|reason| reason.to_string() == REASONS[0]),
            "welcome" => reason.is_some_and(|reason| reason.to_string() == REASONS[1]),
            _ => return,
        };
        if !is_for {
            self.broken(format_args!("{name:?} leaves for {about}, whom it is not for"));
        }
        self.law.tally.farewells += u32::from(name != "offer");
    }

    /// It did not leave after all: the carrier could not be reached.
    pub(in crate::engine::month) fn look_at_return(&mut self, mid: MessageId, to: Number) {
        self.law.left.remove(&mid);
        if let Some(times) = self.law.unasked.get_mut(&to) {
            times.remove(&mid);
        }
    }

    /// From nine to seven in each zone where that telephone may be.
    fn is_day(&self, number: Number, at: Timestamp) -> bool {
        self.people.zones[&number].iter().all(|zone| {
            let hour = at.to_zoned_datetime(TimeZone::get(zone).unwrap()).hour();
            (OPENS..CLOSES).contains(&hour)
        })
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

//! What must hold, whatever happens: the invariants of the design, held against what really reached the
//! remotes and against what the candidates really said, which is written down here as it happens and not
//! read from our file. The file itself is looked at in [`stored`].

mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fulcrum_domain::booking::Booked;
use fulcrum_domain::slots::Span;
use fulcrum_domain::{
    Appointment, Author, BookingId, CarrierSid, Delivery, Message, MessageId, Number, OpportunityId, Purpose,
    UserId, note::find_reference,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Month;
use super::carrier::Received;
use super::lever::Body;
use super::settings::{DELAY, LEADS};
use crate::engine::changes;
use crate::store::tables::{APPOINTMENTS, INTERVIEWS};
use crate::store::{Keys, Read};

/// How late what is due may come when nothing is wrong: a lost answer is looked up after pauses.
const SLACK: SignedDuration = SignedDuration::from_mins(20);
/// How long what was held up by an outage takes to come through after it.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(45);

/// What was seen so far.
#[derive(Default)]
pub(super) struct Law {
    pub(super) kills: u32,
    pub(super) lost_answers: u32,
    /// The texts that carry a word of their own, by it.
    pub(super) written: BTreeMap<u64, MessageId>,
    /// When somebody asked for a transcript at once.
    pub(super) asked_for: BTreeMap<Number, Timestamp>,
    /// What each number said about being texted, in its order.
    said: BTreeMap<Number, Vec<(Timestamp, Said)>>,
    heard_at: BTreeMap<Number, Timestamp>,
    left: BTreeMap<MessageId, Timestamp>,
    unasked: BTreeMap<Number, BTreeMap<MessageId, Timestamp>>,
    arrived: BTreeMap<MessageId, Number>,
    words: BTreeMap<u64, Word>,
    noted: BTreeSet<u64>,
    reminded: BTreeMap<(Number, Timestamp), BTreeSet<MessageId>>,
    booked: BTreeMap<BookingId, (Span, Vec<UserId>)>,
    references: BTreeSet<String>,
    trouble: Vec<(Timestamp, Timestamp)>,
    /// The deadline that should have been met by now, and since when it was seen so.
    overdue: Option<((Timestamp, u64), Timestamp)>,
    tally: Tally,
}

/// A word that is in one text alone.
struct Word {
    number: Number,
    at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Stop,
    Start,
    Maybe,
    /// A person decided that it was none.
    Cleared,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    events: u64,
    texts: usize,
    answers: usize,
    notes: usize,
    bookings: u32,
    moved_or_off: u32,
    reminders: u32,
    stops: u32,
    doubts: u32,
    erasures: u32,
    searched: u32,
    kills: u32,
    lost_answers: u32,
    unconfirmed: u32,
    lever_interviews: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Tally {
    /// A month in which nothing happens proves nothing.
    pub(super) fn saw_everything(&self, days: i64) {
        let kinds = [
            self.texts,
            self.answers,
            self.notes,
            self.bookings as usize,
            self.reminders as usize,
            self.stops as usize,
            self.erasures as usize,
            self.searched as usize,
            self.kills as usize,
            self.lost_answers as usize,
            self.lever_interviews as usize,
        ];
        assert!(days < 7 || kinds.iter().all(|count| *count > 0), "something never happened: {self}");
    }
}

impl Law {
    fn opted_out(&self, number: Number, now: Timestamp) -> bool {
        // A doubt that nobody settled has been an opt-out for a day, give or take what held the daemon up.
        let patience = SignedDuration::from_hours(24) + SLACK;
        match self.said.get(&number).and_then(|said| said.last()) {
            Some((_, Said::Stop)) => true,
            Some((at, Said::Maybe)) => now.duration_since(*at) > patience && !self.in_trouble(*at, now),
            _ => false,
        }
    }

    /// Whether somebody should look whether this number opted out.
    pub(super) fn doubts(&self, number: Number) -> bool {
        matches!(self.said.get(&number).and_then(|said| said.last()), Some((_, Said::Maybe)))
    }

    /// A person has decided.
    pub(super) fn decided(&mut self, number: Number, now: Timestamp, opted_out: bool) {
        let said = if opted_out { Said::Stop } else { Said::Cleared };
        self.said.entry(number).or_default().push((now, said));
    }

    /// Whether anything was wrong in that time, or shortly before.
    fn in_trouble(&self, from: Timestamp, to: Timestamp) -> bool {
        self.trouble.iter().any(|(began, ended)| *began <= to && *ended + AFTERMATH >= from)
    }
}

impl Month {
    /// Something is down from now on until then.
    pub(super) fn trouble_until(&mut self, until: Timestamp) {
        self.law.trouble.push((self.now, until));
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            texts: self.law.arrived.len(),
            answers: self.carrier.received.len(),
            notes: self.lever.references.len(),
            kills: self.law.kills,
            lost_answers: self.law.lost_answers,
            ..self.law.tally
        }
    }

    /// Everything that is stored, to see whether something changes it.
    pub(super) fn contents(&self) -> Vec<u8> {
        self.daemon.store.bytes_of(&[])
    }

    /// A text from outside is stored: from now on it counts.
    pub(super) fn law_hears(&mut self, text: &Received) {
        let said = match text.body.as_str() {
            "STOP" => Some(Said::Stop),
            // It takes back an opt-out, and nothing else.
            "START" => Some(Said::Start),
            body if body.starts_with("please stop texting me") => Some(Said::Maybe),
            _ => None,
        };
        for word in words_in(&text.body) {
            self.law.words.insert(word, Word { number: text.from, at: text.at });
        }
        let heard = self.law.heard_at.entry(text.from).or_insert(text.at);
        *heard = (*heard).max(text.at);
        let Some(said) = said else { return };
        let out = self.law.opted_out(text.from, self.now);
        let before = self.law.said.entry(text.from).or_default();
        // A doubt says nothing new of whoever opted out already; one text may come late by the list.
        if said != Said::Maybe || !out {
            before.push((text.at, said));
            before.sort_by_key(|(at, _)| *at);
        }
        match said {
            Said::Stop => self.law.tally.stops += 1,
            Said::Maybe => {
                self.law.tally.doubts += 1;
                self.somebody_decides(text.from);
            }
            _ => return,
        }
        self.after_opting_out(text.from);
    }

    /// The last check has let a text go (invariant 2).
    pub(super) fn look_at_leaving(&mut self, text: &Message, to: Number) {
        let (now, purpose) = (self.now, text.purpose);
        if text.delivery != Delivery::Submitting {
            self.broken(format_args!("a text leaves that is {:?}", text.delivery));
        }
        if purpose != Purpose::OptOutConfirmation && self.law.opted_out(to, now) {
            self.broken(format_args!("a text ({purpose:?}) leaves for {to}, who opted out"));
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
        let talks = purpose == Purpose::Conversation
            && self
                .law
                .heard_at
                .get(&to)
                .is_some_and(|at| now.duration_since(*at) <= SignedDuration::from_mins(60));
        if !answers && !talks && !self.is_day(to, now) {
            self.broken(format_args!("a text ({purpose:?}) leaves for {to} at night"));
        }
        if text.author == Author::Automatic("interview: reminder".into()) {
            self.look_at_reminder(text, to);
        }
        self.law.left.insert(text.id, now);
        for word in words_in(text.body.reveal()) {
            self.law.words.insert(word, Word { number: to, at: text.at });
        }
    }

    /// It did not leave after all: the carrier could not be reached.
    pub(super) fn look_at_return(&mut self, mid: MessageId, to: Number) {
        self.law.left.remove(&mid);
        if let Some(times) = self.law.unasked.get_mut(&to) {
            times.remove(&mid);
        }
    }

    /// From eight to eight in each zone where that telephone may be.
    fn is_day(&self, number: Number, at: Timestamp) -> bool {
        self.people.zones[&number].iter().all(|zone| {
            let hour = at.to_zoned_datetime(TimeZone::get(zone).unwrap()).hour();
            (8..20).contains(&hour)
        })
    }

    /// No reminder leaves after its interview, nor more often than it should.
    fn look_at_reminder(&mut self, text: &Message, to: Number) {
        let mut starts = BTreeSet::new();
        for id in &self.people.of[&to] {
            let ours = self.read(|snapshot| changes::appointments_of(snapshot, id));
            starts.extend(ours.into_iter().filter(Appointment::stands).map(|one| one.meeting.starts_at));
            let theirs = self.read(|snapshot| snapshot.list(INTERVIEWS, &Keys::beginning(id), usize::MAX));
            let stand = theirs.into_iter().filter(|(_, row)| row.cancelled_at.is_none());
            starts.extend(stand.map(|(_, row)| row.starts_at));
        }
        // A reminder that would fall into the night comes the evening before.
        let soon = self.now + LEADS[0] + SignedDuration::from_hours(14);
        let coming: Vec<_> = starts.into_iter().filter(|at| *at > self.now && *at <= soon).collect();
        let Some(first) = coming.first() else {
            self.broken(format_args!("{to} is reminded of an interview that is over, or of none"));
        };
        self.law.tally.reminders += 1;
        let of_this = self.law.reminded.entry((to, *first)).or_default();
        of_this.insert(text.id);
        if of_this.len() > LEADS.len() * coming.len().max(1) {
            self.broken(format_args!("{to} is reminded too often"));
        }
    }

    /// A text is at the carrier (never sent twice).
    pub(super) fn look_at_arrival(&mut self, mid: MessageId, to: Number, body: &str) {
        if self.law.arrived.insert(mid, to).is_some() {
            self.broken(format_args!("the text {mid} was sent twice"));
        }
        if body.is_empty() || !self.law.left.contains_key(&mid) {
            self.broken(format_args!("the text {mid} was never let go"));
        }
    }

    /// The daemon gives up looking for a text. If the carrier has it, it must have found it.
    pub(super) fn look_at_unconfirmed(&mut self, mid: MessageId) {
        self.law.tally.unconfirmed += 1;
        let owned = self.read(|snapshot| changes::message(snapshot, mid)).and_then(|text| text.sid);
        if self.law.arrived.contains_key(&mid) && owned.is_none() {
            self.broken(format_args!("the text {mid} stands in the carrier's list and was not found"));
        }
    }

    /// A note stands in Lever, once and not before its time (invariants 3 and 4; that it is not late either is
    /// held by `tests/it/days.rs`, where no answer is lost).
    pub(super) fn look_at_note(&mut self, of: &OpportunityId, value: &str) {
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
    pub(super) fn look_at_interview(&mut self, of: &OpportunityId, body: &Body) {
        self.law.tally.lever_interviews += 1;
        let reference = body.note.lines().last().unwrap_or_default();
        let slots = self.lever.interviews.get(of).into_iter().flatten();
        if slots.filter(|slot| slot.note.lines().last() == Some(reference)).count() > 0 {
            self.broken(format_args!("the interview {reference} stands in Lever twice"));
        }
    }

    /// Somebody has taken a time, or given it back: no two have the same one.
    pub(super) fn look_at_booking(&mut self, id: BookingId, booked: Option<Booked>) {
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
                && self.read(|snapshot| snapshot.get(crate::store::tables::BOOKINGS, other)).is_some_and(
                    |one| matches!(one.state, fulcrum_domain::booking::State::Booked(now) if now.starts_at == theirs.start),
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
        let booking = self.read(|snapshot| snapshot.get(crate::store::tables::BOOKINGS, &id));
        let Some(fulcrum_domain::booking::State::Booked(booked)) = booking.map(|booking| booking.state)
        else {
            return false;
        };
        booked.appointment.is_some_and(|one| {
            let one = self.read(|snapshot| snapshot.get(APPOINTMENTS, &one));
            one.is_some_and(|one| one.stands() && one.meeting.starts_at == booked.starts_at)
        })
    }

    /// A deletion is processed: nothing of the person is left (invariant 5).
    pub(super) fn look_at_erasure(&mut self, id: &OpportunityId) {
        self.law.tally.erasures += 1;
        let Some((number, all)) = self.people.of.iter().find(|(_, all)| all.contains(id)) else { return };
        // Of those who share a telephone or apply twice, something rightly stays.
        if all.len() > 1 {
            return;
        }
        let count: u32 = id.to_string().trim_start_matches("opportunity-").parse().unwrap();
        let mut traces = vec![format!("Zoe{count:05}z"), format!("Quill{count:05}q"), number.to_string()];
        let theirs = self.law.words.iter().filter(|(_, word)| word.number == *number);
        traces.extend(theirs.map(|(word, _)| format!("k{word:08}k")));
        let all = self.contents();
        for trace in traces {
            if memchr::memmem::find(&all, trace.as_bytes()).is_some() {
                self.broken(format_args!("{trace} of {id} is still in the file"));
            }
        }
        self.law.tally.searched += 1;
    }

    /// The carrier deletes its copy of a text.
    pub(super) fn carrier_forgets(&mut self, sid: &CarrierSid) {
        self.carrier.sent.iter_mut().filter(|text| text.sid == *sid).for_each(|text| text.body.clear());
    }
}

/// The words of their own in a text.
fn words_in(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('k')?.strip_suffix('k')?.parse().ok()).collect()
}

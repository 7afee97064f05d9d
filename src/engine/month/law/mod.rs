//! What must hold, whatever happens: the invariants of the design, held against what really reached the
//! remotes and against what the candidates really said, which is written down here as it happens and not
//! read from our file. The file itself is looked at in [`stored`].

mod bulk;
mod cards;
mod confidential;
mod lever;
mod stored;
mod texts;
mod times;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fulcrum_domain::{Author, CarrierSid, Message, MessageId, Number, OpportunityId};
use jiff::{SignedDuration, Timestamp};

use super::Month;
use super::carrier::Received;

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
    /// When each number last wrote something that is answered by itself, as the daemon learned of it, or had
    /// a time booked, moved or called off.
    asked_at: BTreeMap<Number, Timestamp>,
    left: BTreeMap<MessageId, Timestamp>,
    unasked: BTreeMap<Number, BTreeMap<MessageId, Timestamp>>,
    arrived: BTreeMap<MessageId, Number>,
    words: BTreeMap<u64, Word>,
    noted: BTreeSet<u64>,
    /// Reminders by what they say, which is the time of an interview.
    reminded: BTreeMap<(Number, String), BTreeSet<MessageId>>,
    /// When the people of each number meet somebody.
    stood: BTreeMap<Number, Vec<times::Stood>>,
    /// When an answer about each number was lost last.
    pub(super) lost: BTreeMap<Number, Timestamp>,
    /// When each number wrote or was written to, be it by a text with a word of its own or not.
    spoke: BTreeMap<Number, BTreeSet<Timestamp>>,
    /// Who waits on a card of the flood guard, or was called off there: for which automation, on which.
    on_cards: BTreeMap<(OpportunityId, String), u64>,
    /// Numbers that texted START, which is a yes.
    agreed: BTreeSet<Number>,
    references: BTreeSet<String>,
    invitations: BTreeMap<u32, bulk::Invitation>,
    invited: BTreeSet<(u32, bool, Number)>,
    /// Texts that were on their way to the carrier at least once.
    tried: BTreeSet<MessageId>,
    /// Words that are about a confidential candidacy.
    confidential: BTreeMap<u64, OpportunityId>,
    last_written: BTreeMap<Number, confidential::LastWritten>,
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
    bulk_texts: u32,
    approved: u32,
    confidential: u32,
    cards: u32,
    farewells: u32,
    in_time: u32,
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
            self.bulk_texts as usize,
            self.approved as usize,
            self.confidential as usize,
            self.doubts as usize,
            self.unconfirmed as usize,
            self.moved_or_off as usize,
            self.cards as usize,
            self.farewells as usize,
            self.in_time as usize,
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

    /// Whether an answer about that number was lost since.
    fn lost_since(&self, number: Number, since: Timestamp) -> bool {
        self.lost.get(&number).is_some_and(|at| *at >= since)
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
        self.remember_answer(text);
        self.law.spoke.entry(text.from).or_default().extend([text.at, self.now]);
        if said == Some(Said::Start) {
            self.law.agreed.insert(text.from);
        }
        let heard = self.law.heard_at.entry(text.from).or_insert(text.at);
        *heard = (*heard).max(text.at);
        self.law.asked_at.insert(text.from, self.now);
        let Some(said) = said else { return };
        let out = self.law.opted_out(text.from, self.now);
        let before = self.law.said.entry(text.from).or_default();
        // A doubt says nothing new of whoever opted out already; one text may come late by the list.
        if said != Said::Maybe || !out {
            before.push((text.at, said));
            before.sort_by_key(|(at, _)| *at);
        }
        match said {
            Said::Stop => {
                self.law.tally.stops += 1;
                self.look_at_what_waits(text.from);
            }
            Said::Maybe => {
                self.law.tally.doubts += 1;
                self.somebody_decides(text.from);
            }
            _ => return,
        }
        self.after_opting_out(text.from);
    }

    /// A deletion is processed: nothing of the person is left (invariant 5).
    pub(super) fn look_at_erasure(&mut self, id: &OpportunityId) {
        self.law.tally.erasures += 1;
        let Some((number, all)) = self.people.of.iter().find(|(_, all)| all.contains(id)) else { return };
        // Of those who share a telephone or apply twice, something rightly stays; how many texts the erased one
        // got is not known any more, and does not count for the other.
        if all.len() > 1 {
            self.law.unasked.remove(number);
            return;
        }
        let count: u32 = id.to_string().trim_start_matches("opportunity-").parse().unwrap();
        let mut traces = vec![format!("Zoe{count:05}z"), format!("Quill{count:05}q")];
        let theirs = self.law.words.iter().filter(|(_, word)| word.number == *number);
        traces.extend(theirs.map(|(word, _)| format!("k{word:08}k")));
        let traces = traces.into_iter().map(|words| (words.clone(), words.into_bytes()));
        let numbers = in_rows(*number).map(|bytes| (number.to_string(), bytes));
        let all = self.contents();
        for (trace, bytes) in traces.chain(numbers) {
            if memchr::memmem::find(&all, &bytes).is_some() {
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

/// A number as keys hold it, and as values do.
fn in_rows(number: Number) -> [Vec<u8>; 2] {
    let (mut left, mut value) = (number.as_u64(), Vec::new());
    while left >= 0x80 {
        value.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    value.push(left as u8);
    [number.as_u64().to_be_bytes().to_vec(), value]
}

/// What wrote a text, if nobody did.
fn written_by(text: &Message) -> Option<&str> {
    match &text.author {
        Author::Automatic(name) => Some(name),
        Author::Staff { .. } | Author::Candidate => None,
    }
}

/// The words of their own in a text.
fn words_in(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('k')?.strip_suffix('k')?.parse().ok()).collect()
}

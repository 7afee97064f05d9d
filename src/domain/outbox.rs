//! Effects: what is to be done to the outside, as durable rows, and what follows from an attempt.
//!
//! An effect is named by what it is about, so asking for the same one twice asks for it once. A
//! row that is asked for again while it is being done is done once more afterwards, since what it
//! fetched may be older than the news.

use std::fmt;

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::automation::EnrolmentId;
use crate::{
    AppointmentId, BookingId, CarrierSid, ConversationId, ErasureId, FilingId, Lane, MessageId, NoteId,
    OpportunityId, SendFailure,
};

/// Something to be done to the outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Hand a text to the carrier.
    Send(MessageId),
    /// Post a transcript as a note, part by part.
    PostNote(FilingId),
    /// Read an opportunity again.
    Hydrate(OpportunityId),
    /// List an opportunity's interviews again.
    Interviews(OpportunityId),
    /// Delete a note of ours in Lever, since its candidate was erased.
    DeleteNote(ErasureId, OpportunityId, NoteId),
    /// Delete the carrier's copy of a text, for the same reason.
    DeleteText(ErasureId, CarrierSid),
    /// Bring an interview in Lever in line with what is wanted of it.
    Appointment(AppointmentId),
    /// Fetch a file that came with a text, by its place there.
    FetchFile(MessageId, u8),
}

/// The remote that an effect needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remote {
    /// Lever.
    Lever,
    /// The carrier.
    Carrier,
    /// The carrier's records of texts that it has sent and received.
    Records,
}

/// What is done, whatever it is done to: as metrics, lists and the file's counters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKind {
    /// [`Effect::Send`]
    Send,
    /// [`Effect::PostNote`]
    Note,
    /// [`Effect::Hydrate`]
    Hydrate,
    /// [`Effect::Interviews`]
    Interviews,
    /// [`Effect::DeleteNote`]
    DeleteNote,
    /// [`Effect::DeleteText`]
    DeleteText,
    /// [`Effect::Appointment`]
    Interview,
    /// [`Effect::FetchFile`]
    FetchFile,
}

impl EffectKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Send,
        Self::Note,
        Self::Hydrate,
        Self::Interviews,
        Self::DeleteNote,
        Self::DeleteText,
        Self::Interview,
        Self::FetchFile,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Note => "note",
            Self::Hydrate => "hydrate",
            Self::Interviews => "interviews",
            Self::DeleteNote => "delete_note",
            Self::DeleteText => "delete_text",
            Self::Interview => "interview",
            Self::FetchFile => "fetch_file",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Effect {
    /// Whom it goes to.
    pub fn remote(&self) -> Remote {
        match self {
            Self::Send(_) => Remote::Carrier,
            Self::PostNote(_)
            | Self::Hydrate(_)
            | Self::Interviews(_)
            | Self::DeleteNote(..)
            | Self::Appointment(_) => Remote::Lever,
            Self::DeleteText(..) | Self::FetchFile(..) => Remote::Records,
        }
    }

    /// Whether it changes something outside, or only reads there.
    pub fn changes_something(&self) -> bool {
        !matches!(self, Self::Hydrate(_) | Self::Interviews(_) | Self::FetchFile(..))
    }

    /// What it does.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Send(_) => EffectKind::Send,
            Self::PostNote(_) => EffectKind::Note,
            Self::Hydrate(_) => EffectKind::Hydrate,
            Self::Interviews(_) => EffectKind::Interviews,
            Self::DeleteNote(..) => EffectKind::DeleteNote,
            Self::DeleteText(..) => EffectKind::DeleteText,
            Self::Appointment(_) => EffectKind::Interview,
            Self::FetchFile(..) => EffectKind::FetchFile,
        }
    }
}

/// How far an effect has come. Done ones are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EffectState {
    /// Waits for its time.
    Due,
    /// The request may have left; found so at a start, its outcome is unknown.
    InFlight,
    /// The request left and no answer came: it is looked up, never blindly repeated.
    Unknown,
    /// A person must look at it.
    Failed,
}

impl EffectState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Due, Self::InFlight, Self::Unknown, Self::Failed];

    /// As metrics and lists name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::InFlight => "in_flight",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRow {
    /// How far it has come.
    pub state: EffectState,
    /// Its priority at the remote.
    pub lane: Lane,
    /// When it is tried next.
    #[serde(with = "millisecond::required")]
    pub due_at: Timestamp,
    /// When it was asked for.
    #[serde(with = "millisecond::required")]
    pub asked_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// How often a lost answer was looked up since.
    pub looks: u32,
    /// Asked for again while it was being done.
    pub again: bool,
    /// A webhook said that its subject was deleted: nothing found confirms that.
    pub deletion_announced: bool,
    /// Why the last attempt failed, in words without data of people.
    pub last_error: Option<String>,
    /// The answer after which a text is tried only so often, and how often that came.
    pub limited: Option<(SendFailure, u32)>,
}

impl EffectRow {
    /// A new one, to be done at `due_at`.
    pub fn new(lane: Lane, asked_at: Timestamp, due_at: Timestamp) -> Self {
        Self {
            state: EffectState::Due,
            lane,
            due_at,
            asked_at,
            attempts: 0,
            looks: 0,
            again: false,
            deletion_announced: false,
            last_error: None,
            limited: None,
        }
    }

    /// How often the answer was `class`, with the one that has just come.
    #[must_use]
    pub fn answers(&self, class: SendFailure) -> u32 {
        1 + self.limited.filter(|(before, _)| *before == class).map_or(0, |(_, count)| count)
    }

    /// How often a text was tried, for [`SendFailure::tries`] and the next pause, now that the answer was
    /// `class`. Where tries are limited, attempts that failed for another reason, such as an outage, are not
    /// counted: they are no text's fault.
    #[must_use]
    pub fn tried(&self, class: SendFailure, unasked: bool) -> u32 {
        if class.is_limited(unasked) { self.answers(class) } else { self.attempts }
    }

    /// What becomes of this row when the same effect is asked for again.
    #[must_use]
    pub fn asked_again(mut self, lane: Lane, due_at: Timestamp) -> Self {
        self.lane = self.lane.min(lane);
        match self.state {
            EffectState::InFlight | EffectState::Unknown => self.again = true,
            EffectState::Due => self.due_at = self.due_at.min(due_at),
            EffectState::Failed => {
                self.state = EffectState::Due;
                self.due_at = due_at;
            }
        }
        self
    }
}

/// The first pause after a failure, and the longest (behaviour.md 1, "Once").
const PAUSE: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// When to try again after the `attempts`-th failure: the pause doubles from 10 s to 30 min and is
/// drawn from its upper half by `jitter` in [0, 1), so that a thousand rows do not return at once.
pub fn retry_at(now: Timestamp, attempts: u32, jitter: f64) -> Timestamp {
    let doubled = PAUSE.checked_mul(1 << attempts.saturating_sub(1).min(16)).unwrap_or(LONGEST_PAUSE);
    let pause = doubled.min(LONGEST_PAUSE).as_secs_f64() * jitter.clamp(0.0, 1.0).mul_add(0.5, 0.5);
    let pause = SignedDuration::try_from_secs_f64(pause).unwrap_or(LONGEST_PAUSE);
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// What a deadline is about. The wheel holds it as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadlineKey {
    /// The open session of a conversation is to be filed.
    Transcript(ConversationId),
    /// Nobody has said whether a conversation's possible opt-out is one: then it is.
    PossibleOptOut(ConversationId),
    /// An automation's text to a candidate is to be decided.
    Enrolment(EnrolmentId),
    /// Nobody has said whether the texts of a flood guard's card may go, by the card's number.
    Card(u64),
    /// A link with which somebody can book ends.
    Booking(BookingId),
    /// A candidate is reminded of an interview, or it begins.
    Reminder(u64),
    /// Lever has been quiet about an interview that was changed there.
    AppointmentNews(AppointmentId),
}

/// The topmost byte tells the kind, the rest which one.
const KIND_SHIFT: u32 = 56;
const TRANSCRIPT: u64 = 1 << KIND_SHIFT;
const POSSIBLE_OPT_OUT: u64 = 2 << KIND_SHIFT;
const ENROLMENT: u64 = 3 << KIND_SHIFT;
const CARD: u64 = 4 << KIND_SHIFT;
const BOOKING: u64 = 5 << KIND_SHIFT;
const REMINDER: u64 = 6 << KIND_SHIFT;
const APPOINTMENT_NEWS: u64 = 7 << KIND_SHIFT;

impl DeadlineKey {
    /// As a number.
    pub fn to_u64(self) -> u64 {
        match self {
            Self::Transcript(conversation) => TRANSCRIPT | conversation.number(),
            Self::PossibleOptOut(conversation) => POSSIBLE_OPT_OUT | conversation.number(),
            Self::Enrolment(enrolment) => ENROLMENT | enrolment.number(),
            Self::Card(card) => CARD | card,
            Self::Booking(booking) => BOOKING | booking.number(),
            Self::Reminder(number) => REMINDER | number,
            Self::AppointmentNews(appointment) => APPOINTMENT_NEWS | appointment.number(),
        }
    }

    /// From the number of [`Self::to_u64`].
    pub fn from_u64(number: u64) -> Option<Self> {
        let which = number & ((1 << KIND_SHIFT) - 1);
        let conversation = ConversationId::new(which);
        match number - which {
            TRANSCRIPT => Some(Self::Transcript(conversation)),
            POSSIBLE_OPT_OUT => Some(Self::PossibleOptOut(conversation)),
            ENROLMENT => Some(Self::Enrolment(EnrolmentId::new(which))),
            CARD => Some(Self::Card(which)),
            BOOKING => Some(Self::Booking(BookingId::new(which))),
            REMINDER => Some(Self::Reminder(which)),
            APPOINTMENT_NEWS => Some(Self::AppointmentNews(AppointmentId::new(which))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_ten_seconds_to_half_an_hour() {
        let at = |attempts| retry_at(Timestamp::UNIX_EPOCH, attempts, 1.0).as_second();
        assert_eq!([at(1), at(2), at(3), at(8), at(9), at(4_000_000)], [10, 20, 40, 1280, 1800, 1800]);
        assert_eq!(retry_at(Timestamp::UNIX_EPOCH, 1, 0.0).as_second(), 5);
    }

    #[test]
    fn an_outage_uses_up_none_of_a_texts_tries() {
        let now = Timestamp::UNIX_EPOCH;
        let mut row = EffectRow { attempts: 40, ..EffectRow::new(Lane::Live, now, now) };
        for class in [SendFailure::Congested, SendFailure::Sender] {
            for count in 1..=class.tries(true) {
                assert_eq!(row.tried(class, true), count);
                row.limited = Some((class, row.answers(class)));
                row.attempts += 2;
            }
        }
        assert_eq!(row.tried(SendFailure::Congested, false), row.attempts);
    }

    #[test]
    fn news_during_a_fetch_ask_for_another() {
        let now = Timestamp::UNIX_EPOCH;
        let mut row = EffectRow::new(Lane::Live, now, now);
        row.state = EffectState::InFlight;
        assert!(row.asked_again(Lane::Live, now).again);
    }

    #[test]
    fn a_deadline_is_a_number_and_back() {
        let conversation = ConversationId::new(77);
        for key in [
            DeadlineKey::Transcript(conversation),
            DeadlineKey::PossibleOptOut(conversation),
            DeadlineKey::Enrolment(EnrolmentId::new(77)),
            DeadlineKey::Card(77),
            DeadlineKey::Booking(BookingId::new(77)),
            DeadlineKey::Reminder(7),
            DeadlineKey::AppointmentNews(AppointmentId::new(8)),
        ] {
            assert_eq!(DeadlineKey::from_u64(key.to_u64()), Some(key));
        }
        assert_eq!(DeadlineKey::from_u64(77), None);
    }
}

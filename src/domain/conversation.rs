//! The thread with one phone number: its messages, its open session, and whom it is about.
//!
//! A number belongs to a thread, not to a candidate: one person may have two opportunities and two
//! people may share a telephone. Which opportunity a message is about is decided once, when it is
//! stored ([`target`]), and kept with the message, so that its note is filed there.

use std::fmt;

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    CarrierSid, ConversationId, Delivery, FilingId, MessageId, Number, OpportunityId, Purpose, SendFailure,
    UserId,
};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the candidate.
    In,
    /// To the candidate.
    Out,
}

impl Direction {
    /// The word in the API, in metrics and on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Who wrote a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// The person at the other end.
    Candidate,
    /// One of the recruiting team.
    Staff {
        /// Who in Lever, where the e-mail matched an active user.
        user: Option<UserId>,
        /// What to call them in the transcript.
        name: String,
    },
    /// The daemon, for a reason that the transcript names.
    Automatic(String),
}

impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candidate => "Candidate",
            Self::Staff { .. } => "Staff",
            Self::Automatic(_) => "Automatic",
        })
    }
}

/// The words of a message. They never show in a log: `Debug` tells their length alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body(String);

impl Body {
    /// These words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The words themselves: for the carrier, the note and those who may read them.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// A picture or file that came with a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its media type, such as `image/jpeg`.
    pub media_type: String,
    /// Where the carrier keeps it; fetched with authentication only.
    pub url: String,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({})", self.media_type)
    }
}

/// A text, in or out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Our name for it; the `mid` that the carrier gives back.
    pub id: MessageId,
    /// The thread.
    pub conversation: ConversationId,
    /// Which way.
    pub direction: Direction,
    /// Its place in the thread: the carrier's time for inbound, commit time for outbound.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Who wrote it.
    pub author: Author,
    /// The words.
    pub body: Body,
    /// Pictures and files.
    pub attachments: Vec<Attachment>,
    /// Which of our numbers it came to or goes from.
    pub our_number: Number,
    /// Why it is sent, as far as the guard at the moment of sending cares.
    pub purpose: Purpose,
    /// The opportunity that it is about; none while nobody is known for the number.
    pub opportunity: Option<OpportunityId>,
    /// How far it has come.
    pub delivery: Delivery,
    /// Why it did not arrive.
    pub failure: Option<SendFailure>,
    /// The carrier's name for it.
    pub sid: Option<CarrierSid>,
    /// The rule that made an opt-out, a question or an answer of it, where one did.
    pub rule: Option<String>,
    /// The transcript that it stands in; none while that is open.
    pub filing: Option<FilingId>,
    /// When the carrier was first asked to take it; what a lost answer is looked up by.
    #[serde(with = "millisecond::optional")]
    pub submitted_at: Option<Timestamp>,
}

impl Message {
    /// What came in from the candidate, about nobody yet.
    pub fn incoming(
        id: MessageId,
        conversation: ConversationId,
        at: Timestamp,
        body: Body,
        our_number: Number,
    ) -> Self {
        Self {
            direction: Direction::In,
            delivery: Delivery::Received,
            ..Self::outgoing(id, conversation, at, Author::Candidate, body, our_number)
        }
    }

    /// What is to be handed over to the candidate, about nobody yet: what a person writes, unless told otherwise.
    pub fn outgoing(
        id: MessageId,
        conversation: ConversationId,
        at: Timestamp,
        author: Author,
        body: Body,
        our_number: Number,
    ) -> Self {
        Self {
            id,
            conversation,
            direction: Direction::Out,
            at,
            author,
            body,
            attachments: Vec::new(),
            our_number,
            purpose: Purpose::Conversation,
            opportunity: None,
            delivery: Delivery::Queued,
            failure: None,
            sid: None,
            rule: None,
            filing: None,
            submitted_at: None,
        }
    }

    /// The word for how far it is, in the API and on the command line (interface.md, HTTP), and two more than
    /// [`Delivery::word`] has: for one that waits for its time, and for one that a person called off.
    #[must_use]
    pub fn status_word(&self) -> &'static str {
        match (self.delivery, self.failure) {
            (Delivery::Scheduled, _) => "scheduled",
            (Delivery::Canceled, None) => "cancelled",
            (delivery, _) => delivery.word(),
        }
    }

    /// What a person is told of it, if it did not arrive.
    #[must_use]
    pub fn failure_words(&self) -> Option<&'static str> {
        let failed = matches!(
            self.delivery,
            Delivery::Failed | Delivery::Undelivered | Delivery::Canceled | Delivery::Unconfirmed
        );
        failed.then(|| match (self.delivery, self.failure) {
            (Delivery::Canceled, None) => "it was called off before it left",
            (Delivery::Unconfirmed, _) => "it may not have been sent; it was not sent again",
            (_, Some(failure)) => failure.reason(),
            (_, None) => "the carrier could not deliver it",
        })
    }
}

/// The messages since the last filing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The last message plus `transcript.delay`.
    #[serde(with = "millisecond::required")]
    pub due: Timestamp,
    /// The first message plus `transcript.max_wait`, where that is on.
    #[serde(with = "millisecond::optional")]
    pub latest: Option<Timestamp>,
}

/// When transcripts are filed (behaviour.md 1, "When").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilingTimes {
    /// Quiet time after the last message.
    pub delay: SignedDuration,
    /// The longest that the first message waits; none for no limit.
    pub max_wait: Option<SignedDuration>,
}

impl Session {
    /// The session after a message at `at`. A message older than the newest moves nothing back.
    pub fn with_message(open: Option<Self>, at: Timestamp, times: FilingTimes) -> Self {
        let later = |wait: SignedDuration| at.checked_add(wait).unwrap_or(Timestamp::MAX);
        match open {
            Some(session) => Self { due: session.due.max(later(times.delay)), ..session },
            None => Self { due: later(times.delay), latest: times.max_wait.map(later) },
        }
    }

    /// When it is to be filed.
    pub fn files_at(&self) -> Timestamp {
        self.latest.map_or(self.due, |latest| latest.min(self.due))
    }
}

/// A thread with one phone number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// The other end.
    pub number: Number,
    /// The *current opportunity*: the one of the last message; none means Unmatched.
    pub opportunity: Option<OpportunityId>,
    /// The messages since the last filing, if there are any.
    pub session: Option<Session>,
    /// The deadline that is armed for the session; none while it waits for a target.
    #[serde(with = "millisecond::optional")]
    pub deadline: Option<Timestamp>,
    /// When the last message came or went.
    #[serde(with = "millisecond::optional")]
    pub last_message_at: Option<Timestamp>,
    /// Which of our numbers spoke last: it speaks again.
    pub our_number: Option<Number>,
    /// Whether we have texted this number: the first text names the organisation.
    pub texted: bool,
    /// Since when a person should look whether the candidate wants to be left alone.
    #[serde(with = "millisecond::optional")]
    pub possible_opt_out: Option<Timestamp>,
    /// Messages that turned out undelivered after their transcript was filed; the next note says so.
    pub late_failures: Vec<MessageId>,
}

impl Conversation {
    /// A thread in which nothing was said yet.
    pub fn new(id: ConversationId, number: Number) -> Self {
        Self {
            id,
            number,
            opportunity: None,
            session: None,
            deadline: None,
            last_message_at: None,
            our_number: None,
            texted: false,
            possible_opt_out: None,
            late_failures: Vec::new(),
        }
    }
}

/// An opportunity of the person at the other end, as far as the choice of a target needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// Which one.
    pub id: OpportunityId,
    /// Whether it is active.
    pub active: bool,
    /// Its last change of stage.
    pub advanced_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
}

/// How long an answer belongs to the text that it answers.
const BOUND: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The opportunity that an inbound message is about (behaviour.md 1, "Target", b to f).
/// `answered` is the opportunity and the time of the newest outbound text to that number.
pub fn target(
    known: &[Candidacy],
    answered: Option<(&OpportunityId, Timestamp)>,
    now: Timestamp,
) -> Option<OpportunityId> {
    if let Some((id, at)) = answered
        && now.duration_since(at) <= BOUND
    {
        return Some(id.clone());
    }
    let newest_active = known.iter().filter(|c| c.active).max_by_key(|c| (c.advanced_at, &c.id));
    newest_active.or_else(|| known.iter().max_by_key(|c| (c.created_at, &c.id))).map(|c| c.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn candidacy(id: &str, active: bool, advanced: i64, created: i64) -> Candidacy {
        Candidacy { id: id.parse().unwrap(), active, advanced_at: at(advanced), created_at: at(created) }
    }

    const TIMES: FilingTimes =
        FilingTimes { delay: SignedDuration::from_hours(1), max_wait: Some(SignedDuration::from_hours(24)) };

    #[test]
    fn a_session_files_one_delay_after_its_last_message() {
        let session = Session::with_message(None, at(0), TIMES);
        let session = Session::with_message(Some(session), at(600), TIMES);
        assert_eq!(session.files_at(), at(600 + 3600));
    }

    #[test]
    fn a_thread_that_never_rests_files_after_the_longest_wait() {
        let mut session = None;
        for minute in 0..48 * 60 {
            session = Some(Session::with_message(session, at(minute * 60), TIMES));
        }
        assert_eq!(session.unwrap().files_at(), at(24 * 3600));
    }

    #[test]
    fn a_text_that_arrives_late_moves_nothing_back() {
        let session = Session::with_message(None, at(1000), TIMES);
        assert_eq!(Session::with_message(Some(session), at(10), TIMES).due, session.due);
    }

    #[test]
    fn an_answer_goes_where_the_question_came_from_for_thirty_days() {
        let known = [candidacy("asked", false, 1, 1), candidacy("active", true, 5, 5)];
        let asked = "asked".parse().unwrap();
        let day = 24 * 3600;
        assert_eq!(target(&known, Some((&asked, at(0))), at(30 * day)), Some(asked.clone()));
        assert_eq!(target(&known, Some((&asked, at(0))), at(30 * day + 1)), Some("active".parse().unwrap()));
    }

    #[test]
    fn the_active_one_comes_first_then_the_latest_stage_change_then_the_newest() {
        let one = [candidacy("old", false, 9, 9), candidacy("active", true, 1, 1)];
        assert_eq!(target(&one, None, at(99)), Some("active".parse().unwrap()));
        let two = [candidacy("moved", true, 8, 1), candidacy("still", true, 2, 5)];
        assert_eq!(target(&two, None, at(99)), Some("moved".parse().unwrap()));
        let archived = [candidacy("older", false, 9, 1), candidacy("newer", false, 2, 5)];
        assert_eq!(target(&archived, None, at(99)), Some("newer".parse().unwrap()));
        assert_eq!(target(&[], None, at(99)), None);
    }

    #[test]
    fn the_words_of_a_message_never_show_in_a_log() {
        assert_eq!(format!("{:?}", Body::new("my secret")), "Body(9 bytes)");
    }
}

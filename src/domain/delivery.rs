//! What became of a text: its state, and why it failed, in our words.
//!
//! A carrier reports in any order, twice or never (carriers.md 1.4). So a state only ever moves
//! up its ladder, by [`Delivery::advance`]; and what a carrier says by a number of its own is one of
//! the few classes on which anybody acts ([`SendFailure`]), sorted where that carrier is spoken to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The carrier's own name for a message, like Twilio's `SM…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CarrierSid(Box<str>);

/// A carrier's name for a message that is none: empty, longer than 64 bytes, or unfit for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a carrier's message id: it must be 1 to 64 letters, digits, '-' or '_'")]
pub struct BadSid;

impl CarrierSid {
    /// As it stands in URLs and keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CarrierSid {
    type Err = BadSid;

    fn from_str(text: &str) -> Result<Self, BadSid> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.into())) } else { Err(BadSid) }
    }
}

impl fmt::Display for CarrierSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a text has come. Stored by position: new states go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Delivery {
    /// Waits here for its time.
    Scheduled,
    /// Waits here for its turn.
    Queued,
    /// Being handed to the carrier; after a crash, its outcome is unknown.
    Submitting,
    /// Nobody could find out whether the carrier took it. Never sent again by itself.
    Unconfirmed,
    /// The carrier has it.
    Accepted,
    /// The carrier is sending it.
    Sending,
    /// On its way. For carriers without receipts, the last that is ever heard.
    Sent,
    /// On the phone.
    Delivered,
    /// The carrier tried, and could not.
    Undelivered,
    /// Refused, by the carrier or here.
    Failed,
    /// Called off before it left.
    Canceled,
    /// Came in.
    Received,
}

impl Delivery {
    /// The state after `reported`, or none if it is no step up: the first final state stays, and
    /// nothing moves a text that came in.
    #[must_use]
    pub fn advance(self, reported: Self) -> Option<Self> {
        (reported.rank()? > self.rank()?).then_some(reported)
    }

    /// Whether a report says another end than the one that stands: a person should look.
    #[must_use]
    pub fn conflicts_with(self, reported: Self) -> bool {
        self.is_final() && reported.is_final() && self.word() != reported.word()
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Undelivered | Self::Failed | Self::Canceled | Self::Received)
    }

    /// Whether the one whom a text is for has not had it: it waits, or was never handed over.
    #[must_use]
    pub fn has_stayed(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued | Self::Canceled | Self::Failed)
    }

    /// The word in the API and on the command line (interface.md, HTTP).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled | Self::Queued | Self::Submitting | Self::Accepted | Self::Sending => "queued",
            Self::Unconfirmed => "unconfirmed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered | Self::Failed | Self::Canceled => "failed",
            Self::Received => "received",
        }
    }

    fn rank(self) -> Option<u8> {
        Some(match self {
            Self::Scheduled => 0,
            Self::Queued => 1,
            Self::Submitting => 2,
            Self::Unconfirmed => 3,
            Self::Accepted => 4,
            Self::Sending => 5,
            Self::Sent => 6,
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Canceled => 7,
            Self::Received => return None,
        })
    }
}

/// Why a text was not sent or did not arrive. Stored by position: new classes go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SendFailure {
    /// The person said STOP to the carrier.
    OptedOut,
    /// No such number.
    BadNumber,
    /// A number that takes no texts.
    Landline,
    /// The phone is off or out of reach.
    Unreachable,
    /// The person or their carrier blocks us.
    Blocked,
    /// Taken for spam on the way.
    Filtered,
    /// The account may not text this number: its country, a trial account, no route.
    NotPermitted,
    /// The account, its numbers, their registration or the credentials are wrong.
    Config,
    /// More than the carrier takes.
    TooLong,
    /// A request that the carrier does not understand: a fault of ours.
    Rejected,
    /// Too many requests at once.
    Throttled,
    /// Too many texts at once.
    Congested,
    /// Too many texts today.
    DailyCap,
    /// It waited at the carrier for longer than it was good for.
    Expired,
    /// The carrier cannot be reached, or is not itself.
    CarrierDown,
    /// The carrier does not say, or says what is not in the table.
    Unknown,
    /// The number that it was to leave from is not ours, or takes no part: the others may work.
    Sender,
    /// The guard let it not leave; the activity says why.
    Held,
    /// It was due while this copy of the data was not in use: another may have sent it.
    HeldBack,
    /// The candidate said no to texts.
    SaidNo,
}

/// What to do about a text that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It did not leave: decide about it again after this time at least.
    RetryAfter(Duration),
    /// Trying again would not help, or could text twice.
    GiveUp,
    /// An opt-out: nothing may leave for this number any more.
    Suppress,
    /// No text would leave: stop sending, keep what waits, tell the operator.
    PauseSending,
    /// It may have left: look for it (carriers.md 1.9), never send it again blindly.
    LookUp,
}

/// Three tries of the automations' half hour (behaviour.md 3, Failures).
const SOON: Duration = Duration::from_secs(10 * 60);
const A_MOMENT: Duration = Duration::from_secs(10);
const TOMORROW: Duration = Duration::from_secs(24 * 60 * 60);

impl SendFailure {
    /// What to do if it is certain that the text did not arrive.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::OptedOut => Remedy::Suppress,
            Self::Config => Remedy::PauseSending,
            Self::Throttled | Self::CarrierDown | Self::Sender => Remedy::RetryAfter(A_MOMENT),
            Self::Congested | Self::Expired => Remedy::RetryAfter(SOON),
            Self::DailyCap => Remedy::RetryAfter(TOMORROW),
            Self::BadNumber
            | Self::Landline
            | Self::Unreachable
            | Self::Blocked
            | Self::Filtered
            | Self::NotPermitted
            | Self::TooLong
            | Self::Rejected
            | Self::Unknown
            | Self::HeldBack
            | Self::SaidNo
            | Self::Held => Remedy::GiveUp,
        }
    }

    /// How often a text is tried: without end, unless what stops it is its own number, which a person
    /// must put in order (in about three quarters of an hour, with the usual pauses), or the carrier can do
    /// nothing for this text, which nobody waits for (`unasked`).
    #[must_use]
    pub const fn tries(self, unasked: bool) -> u32 {
        match self {
            Self::Congested | Self::Expired if unasked => 3,
            Self::Sender => 9,
            _ => u32::MAX,
        }
    }

    /// Whether it is tried only so often.
    #[must_use]
    pub const fn is_limited(self, unasked: bool) -> bool {
        self.tries(unasked) < u32::MAX
    }

    /// Whether the next text to the same number would fail too: the number is flagged for people.
    #[must_use]
    pub const fn condemns_number(self) -> bool {
        matches!(self, Self::OptedOut | Self::BadNumber | Self::Landline | Self::Blocked)
    }

    /// For people, after "not delivered: ".
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OptedOut => "the candidate has opted out at the carrier",
            Self::SaidNo => "the candidate said no to texts",
            Self::HeldBack => "held back after a restore: it was late, and may have been sent before",
            Self::BadNumber => "not a working number",
            Self::Landline => "landline or unreachable",
            Self::Unreachable => "phone off or out of reach",
            Self::Blocked => "blocked by the recipient or their carrier",
            Self::Filtered => "taken for spam by the carrier",
            Self::NotPermitted => "this number cannot be texted from our account",
            Self::Config => "the account at the carrier is not in order",
            Self::Sender => "the carrier does not let our number send",
            Self::TooLong => "too long for the carrier",
            Self::Rejected => "refused by the carrier",
            Self::Throttled | Self::Congested => "the carrier is busy",
            Self::DailyCap => "the carrier takes no more texts today",
            Self::Expired => "could not be sent in time",
            Self::CarrierDown => "the carrier could not be reached",
            Self::Held => "held back by the rules for texting; the activity says by which",
            Self::Unknown => "the carrier could not deliver it",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Delivery::*;
    use super::*;

    const ALL: [Delivery; 12] = [
        Scheduled,
        Queued,
        Submitting,
        Unconfirmed,
        Accepted,
        Sending,
        Sent,
        Delivered,
        Undelivered,
        Failed,
        Canceled,
        Received,
    ];

    proptest! {
        #[test]
        fn in_any_order_of_reports_the_first_end_stays(reports in prop::collection::vec(0..ALL.len(), 0..12)) {
            let mut state = Submitting;
            let mut end = None;
            for report in reports.into_iter().map(|at| ALL[at]) {
                if let Some(next) = state.advance(report) {
                    prop_assert!(next.rank() > state.rank());
                    state = next;
                }
                end = end.or(state.is_final().then_some(state));
                prop_assert_eq!(end.unwrap_or(state), state);
            }
        }

        #[test]
        fn a_stranger_among_sids_is_refused_or_reads_back(text in "\\PC{0,80}") {
            if let Ok(sid) = text.parse::<CarrierSid>() {
                prop_assert_eq!(sid.as_str(), text);
            }
        }
    }

    #[test]
    fn delivered_beats_a_late_sent() {
        assert_eq!(Sending.advance(Delivered), Some(Delivered));
        assert_eq!(Delivered.advance(Sent), None);
        assert!(!Delivered.conflicts_with(Sent));
    }

    #[test]
    fn two_different_ends_are_a_conflict() {
        assert_eq!(Undelivered.advance(Delivered), None);
        assert!(Undelivered.conflicts_with(Delivered));
        assert!(!Undelivered.conflicts_with(Failed), "both say that it did not arrive");
    }

    #[test]
    fn a_late_report_lifts_an_unconfirmed_text() {
        assert_eq!(Unconfirmed.advance(Accepted), Some(Accepted));
        assert_eq!(Accepted.advance(Unconfirmed), None);
    }

    #[test]
    fn nothing_moves_a_text_that_came_in() {
        for state in ALL {
            assert_eq!(Received.advance(state), None);
            assert_eq!(state.advance(Received), None);
        }
    }

    #[test]
    fn every_state_has_one_of_the_six_words() {
        let words = ["received", "queued", "sent", "delivered", "failed", "unconfirmed"];
        assert!(ALL.iter().all(|state| words.contains(&state.word())));
    }

    #[test]
    fn a_text_that_nobody_waits_for_is_tried_three_times_in_half_an_hour() {
        for class in [SendFailure::Congested, SendFailure::Expired] {
            assert_eq!((class.tries(true), class.tries(false)), (3, u32::MAX));
            let Remedy::RetryAfter(pause) = class.remedy() else { panic!("{class:?}") };
            assert!(pause * (class.tries(true) - 1) <= Duration::from_secs(30 * 60));
        }
        // Nothing leaves while the carrier is down, and this is no text's fault.
        assert_eq!(SendFailure::CarrierDown.tries(true), u32::MAX);
    }
}

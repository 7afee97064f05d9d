//! When a text may be handed to the carrier, and what to make of one whose answer was lost.
//!
//! Carriers queue what is more than a number may send, but what they have cannot be called back,
//! so we hold it here, by [`SegmentPacing`] (carriers.md 1.7): a STOP can still stop it.
//!
//! Twilio knows no idempotency key. When the answer to a send is lost, the text may or may not
//! have left: it is looked for in the carrier's list ([`match_lost`], at each [`next_look`]) or is
//! named by a status report, and is never sent again blindly (carriers.md 1.9). A carrier that knows
//! such keys is asked with the same request once more ([`next_repeat`]), for as long as it remembers.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use unicode_normalization::UnicodeNormalization;

use crate::delivery::{CarrierSid, Delivery, SendFailure};

/// Segments that a number may send at once after a rest: a text of usual length waits for none.
const BURST_SEGMENTS: u32 = 10;

/// A token bucket for each of our numbers, in segments.
#[derive(Debug)]
pub struct SegmentPacing {
    per_segment: Duration,
    /// Until when each number has used up its rate. Grows with our own numbers only.
    used_until: HashMap<String, Instant>,
}

impl SegmentPacing {
    /// `per_segment` is one second for a long code, a third for a toll-free number.
    #[must_use]
    pub fn new(per_segment: Duration) -> Self {
        Self { per_segment, used_until: HashMap::new() }
    }

    /// When a text of so many segments may leave from `number`: `now`, or later. One of more than
    /// the bucket holds leaves from a full bucket, and the next wait for it.
    #[must_use]
    pub fn ready_at(&self, number: &str, segments: u32, now: Instant) -> Instant {
        let spare = self.per_segment * BURST_SEGMENTS.saturating_sub(segments);
        let used = self.used_until.get(number).and_then(|used| used.checked_sub(spare));
        used.map_or(now, |ready| ready.max(now))
    }

    /// Takes a text that leaves `now` into account.
    pub fn sent(&mut self, number: &str, segments: u32, now: Instant) {
        let used = self.used_until.get(number).map_or(now, |used| (*used).max(now));
        self.used_until.insert(number.to_owned(), used + self.per_segment * segments);
    }
}

/// A message as the carrier has it on record.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// The carrier's name for it.
    pub sid: CarrierSid,
    /// The recipient, as the carrier writes it.
    pub to: String,
    /// The text, as the carrier sent it.
    pub body: String,
    /// Whether it was sent through the API, and not received or an automatic reply.
    pub by_api: bool,
    /// When the carrier took it, to the second.
    pub created: Timestamp,
    /// How far it has come; none where the carrier's word is new to us.
    pub status: Option<Delivery>,
    /// Why it failed, if it did and the carrier says why.
    pub failure: Option<SendFailure>,
}

impl fmt::Debug for Listed {
    /// Without the number and the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("sid", &self.sid)
            .field("created", &self.created)
            .field("status", &self.status)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// A text of ours of which it is not known whether the carrier took it.
#[derive(Clone, Copy)]
pub struct LostSend<'a> {
    /// The recipient, E.164.
    pub to: &'a str,
    /// The text as we handed it over.
    pub body: &'a str,
    /// When we began to hand it over.
    pub submitted_at: Timestamp,
}

/// Whether a lost text was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost<'a> {
    /// It left, as this one.
    Adopt {
        /// The oldest that fits.
        found: &'a Listed,
        /// Others fit too: a person should look.
        several: bool,
    },
    /// Not there, or not there yet.
    Absent,
}

/// How far the carrier's clock may lag behind ours.
const CLOCK_LAG: SignedDuration = SignedDuration::from_mins(2);

/// What Twilio puts before the texts of a trial account (carriers.md 1.11).
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";

/// Finds a lost text among what the carrier lists for its number (carriers.md 1.9, 3b).
/// `owned` says which of the carrier's messages already belong to a text of ours.
#[must_use]
pub fn match_lost<'a>(
    lost: LostSend<'_>,
    listed: &'a [Listed],
    owned: impl Fn(&CarrierSid) -> bool,
    now: Timestamp,
) -> Lost<'a> {
    let body = folded(lost.body);
    let since = lost.submitted_at.saturating_sub(CLOCK_LAG).unwrap_or(Timestamp::MIN);
    let fitting = |message: &&Listed| {
        message.by_api
            && message.to == lost.to
            && (since..=now).contains(&message.created)
            && folded(message.body.strip_prefix(TRIAL_PREFIX).unwrap_or(&message.body)) == body
            && !owned(&message.sid)
    };
    let oldest = listed.iter().filter(fitting).min_by(|a, b| (a.created, &a.sid).cmp(&(b.created, &b.sid)));
    match oldest {
        Some(found) => Lost::Adopt { found, several: listed.iter().filter(fitting).count() > 1 },
        None => Lost::Absent,
    }
}

/// A text with the differences taken out that a carrier makes: line ends, blanks around it, and
/// the look-alikes that smart encoding replaces.
fn folded(text: &str) -> String {
    let alike = |c| match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '`' | '\u{b4}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c => c,
    };
    // Twice, since some look-alikes are only seen after NFKC, and some only before.
    let text: String = text.replace("\r\n", "\n").chars().map(alike).nfkc().map(alike).collect();
    text.trim().to_owned()
}

/// In how long a lost text is looked for once more, so long after it was handed over: the list is
/// not promised to be up to date at once (carriers.md 1.9, 3c). None: what the list does not show by
/// now it never will, and the text stays [`Delivery::Unconfirmed`].
#[must_use]
pub fn next_look(lost_for: SignedDuration) -> Option<SignedDuration> {
    let looks = [5, 35, 125].map(SignedDuration::from_secs);
    let lost_for = lost_for.max(SignedDuration::ZERO);
    looks.into_iter().find(|look| *look > lost_for).map(|look| look - lost_for)
}

/// The shortest and the longest pause between two requests with one key.
const REPEATS: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(5), SignedDuration::from_mins(15));

/// In how long a lost text is handed over once more with its key, so long after it first was. The pauses
/// grow, since a carrier that loses answers may do so for a while. None: by then the carrier, which keeps
/// keys for `kept`, would take it for another text.
#[must_use]
pub fn next_repeat(lost_for: SignedDuration, kept: SignedDuration) -> Option<SignedDuration> {
    let wait = lost_for.clamp(REPEATS.0, REPEATS.1);
    (lost_for.checked_add(wait)? < kept).then_some(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_bucket_and_the_rate(
            texts in prop::collection::vec((1..=BURST_SEGMENTS, 0..20_000u64), 1..60),
        ) {
            let mut pacing = SegmentPacing::new(SECOND);
            let mut now = Instant::now();
            let mut sent: Vec<(Instant, u32)> = Vec::new();
            for (segments, pause_ms) in texts {
                now = pacing.ready_at("+1", segments, now + Duration::from_millis(pause_ms));
                pacing.sent("+1", segments, now);
                sent.push((now, segments));
                for (start, _) in &sent {
                    let in_window: u32 =
                        sent.iter().filter(|(at, _)| at >= start).map(|(_, segments)| segments).sum();
                    prop_assert!(SECOND * in_window <= now - *start + SECOND * BURST_SEGMENTS);
                }
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }
    }

    #[test]
    fn a_long_text_leaves_a_rested_number_at_once_and_the_next_waits_for_it() {
        let now = Instant::now();
        let mut pacing = SegmentPacing::new(SECOND);
        assert_eq!(pacing.ready_at("+1", 24, now), now);
        pacing.sent("+1", 24, now);
        assert_eq!(pacing.ready_at("+1", 1, now), now + 15 * SECOND);
        assert_eq!(pacing.ready_at("+1", 24, now), now + 24 * SECOND);
        assert_eq!(pacing.ready_at("+2", 24, now), now);
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn listed(sid: &str, body: &str, created: i64) -> Listed {
        Listed {
            sid: sid.parse().unwrap(),
            to: "+14155550123".into(),
            body: body.into(),
            by_api: true,
            created: at(created),
            status: Some(Delivery::Accepted),
            failure: None,
        }
    }

    const LOST: &str = "It\u{2019}s at 9 \u{2013} okay?";

    /// The sid that is adopted for [`LOST`], handed over at 0 and looked for at 30, and if others fit.
    fn check(listed: &[Listed], owned: &[&str], expected: Option<(&str, bool)>) {
        let lost = LostSend { to: "+14155550123", body: LOST, submitted_at: at(0) };
        let found = match match_lost(lost, listed, |sid| owned.contains(&sid.as_str()), at(30)) {
            Lost::Adopt { found, several } => Some((found.sid.as_str(), several)),
            Lost::Absent => None,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_one_that_fits_is_adopted() {
        check(&[listed("SM1", "Hello", 1), listed("SM2", LOST, 2)], &[], Some(("SM2", false)));
    }

    #[test]
    fn the_carriers_changes_to_the_body_are_seen_through() {
        check(&[listed("SM1", "It's at 9 - okay?", 1)], &[], Some(("SM1", false)));
        check(&[listed("SM1", &format!("{TRIAL_PREFIX}{LOST}\r\n"), 1)], &[], Some(("SM1", false)));
    }

    #[test]
    fn of_several_the_oldest_is_adopted_and_flagged() {
        check(&[listed("SM2", LOST, 9), listed("SM1", LOST, 3)], &[], Some(("SM1", true)));
        check(&[listed("SM2", LOST, 9), listed("SM1", LOST, 3)], &["SM1"], Some(("SM2", false)));
    }

    #[test]
    fn one_of_another_time_number_or_direction_is_not_ours() {
        check(&[listed("SM1", LOST, -121), listed("SM2", LOST, 31)], &[], None);
        check(&[listed("SM1", LOST, -120)], &[], Some(("SM1", false)));
        check(&[Listed { to: "+14155550124".into(), ..listed("SM1", LOST, 1) }], &[], None);
        check(&[Listed { by_api: false, ..listed("SM1", LOST, 1) }], &[], None);
    }

    #[test]
    fn after_two_minutes_it_is_unconfirmed_however_often_it_was_looked_for() {
        let wait = |lost_for| next_look(SignedDuration::from_secs(lost_for)).map(|wait| wait.as_secs());
        assert_eq!([-7, 0, 4, 5, 35, 124].map(wait), [5, 5, 1, 30, 90, 1].map(Some));
        assert_eq!([125, 90_000].map(wait), [None, None]);
    }

    #[test]
    fn neither_text_nor_number_is_printed() {
        let printed = format!("{:?}", listed("SM1", "private words", 1));
        assert!(!printed.contains("private") && !printed.contains("555"), "{printed}");
    }

    #[test]
    fn a_text_is_repeated_ever_more_rarely_and_never_when_its_key_may_be_forgotten() {
        let kept = SignedDuration::from_hours(24);
        let wait = |secs| next_repeat(SignedDuration::from_secs(secs), kept).map(|wait| wait.as_secs());
        assert_eq!([-7, 0, 5, 10, 600, 9000].map(wait), [5, 5, 5, 10, 600, 900].map(Some));
        assert_eq!(wait(86_400 - 901), Some(900));
        assert_eq!([86_400 - 900, 86_400, i64::MAX].map(wait), [None; 3]);
    }
}

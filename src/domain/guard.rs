//! The guard: whether a text may leave, and when (behaviour.md 2 and 3).
//!
//! Asked when a text is written, and again in the transaction in which it leaves (invariant 2): whatever
//! path asked for it, and however long it waited. There are two questions, since between them stands
//! whether the words can be found: [`refusal`] is about the person and says never, [`Clockwork::timing`] is
//! about a doubt and the clock and mostly says later.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::consent::{Answer, ConsentLevel, NoConsent};
use crate::conversation::{Direction, Message};
use crate::delivery::{Delivery, SendFailure};
use crate::quiet::{Hours, Verdict};
use crate::suppression::Suppression;
use crate::zones::Zones;

/// Why a text is sent, as far as the guard cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A person or a script writes to the candidate.
    Conversation,
    /// The one confirmation of an opt-out.
    OptOutConfirmation,
    /// The answer to HELP.
    Help,
    /// The daemon writes by itself: an automation, a reminder.
    Automatic,
    /// One of many, which a person sent to an audience.
    Bulk,
    /// The answer to a candidate who just booked, moved or called off a meeting.
    Booking,
}

impl Purpose {
    /// Whether nobody wrote this text to this person: such texts count against the caps, freeze on a
    /// doubt, and never leave in quiet hours.
    pub fn is_unasked(self) -> bool {
        matches!(self, Self::Automatic | Self::Bulk)
    }

    /// Whether it answers a word about texts as such: it is about no opportunity, and nothing answers it.
    pub fn is_of_the_number(self) -> bool {
        matches!(self, Self::OptOutConfirmation | Self::Help)
    }

    /// Whether it answers what the candidate has just done. The clock does not hold it up while it is fresh.
    fn is_an_answer(self) -> bool {
        matches!(self, Self::OptOutConfirmation | Self::Help | Self::Booking)
    }
}

/// What the guard knows of a number.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The opt-out, if there is one.
    pub suppression: Option<Suppression>,
    /// What they said last when they were asked whether they may be texted.
    pub consent: Option<Answer>,
    /// How much of that the installation wants.
    pub wanted: ConsentLevel,
    /// A person should look whether they opted out, and has until then: what nobody wrote to them is frozen.
    pub in_doubt: Option<Timestamp>,
    /// The last text failed for the number's own sake: a landline, or no number at all.
    pub unusable: bool,
    /// The newest text from them.
    pub last_in: Option<Timestamp>,
    /// When texts that nobody wrote to them left, in the last [`CAP_WINDOW`].
    pub unasked: Vec<Timestamp>,
    /// Where they may be.
    pub zones: Zones,
    /// What the laws there leave of each day.
    pub lawful: Hours,
    /// Any number that is the same for all texts to a person: theirs keep their order, since they are all put
    /// off to the same moment.
    pub whose: u64,
}

/// Why the next text would not arrive either: the newest whose end is known failed for the number's own
/// sake, and nothing has come from it since. `messages` have the newest first.
pub fn condemned(messages: &[Message]) -> Option<SendFailure> {
    let telling = messages.iter().find_map(|message| match (message.direction, message.delivery) {
        (Direction::In, _) | (Direction::Out, Delivery::Delivered) => Some(None),
        (Direction::Out, Delivery::Failed | Delivery::Undelivered) => {
            let condemned =
                |failure: &SendFailure| failure.condemns_number() && *failure != SendFailure::OptedOut;
            message.failure.filter(condemned).map(Some)
        }
        _ => None,
    });
    telling.flatten()
}

/// Why a text may not leave, now or ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The number has opted out.
    #[error("the number has opted out of texts")]
    OptedOut,
    /// They did not agree to texts.
    #[error(transparent)]
    NoConsent(#[from] NoConsent),
    /// Nothing arrives there.
    #[error("the number cannot receive texts")]
    Unusable,
    /// They have had enough for now.
    #[error("the candidate has had as many automatic texts as the caps allow")]
    Capped,
    /// No moment of the week is open in every zone that the number allows.
    #[error("no hour is open in all time zones that the number allows")]
    NoHour,
    /// It confirms an opt-out that was taken back before it left.
    #[error("the opt-out that it confirms was taken back")]
    TakenBack,
    /// What it was written for does not hold any more.
    #[error("what it was for does not hold any more")]
    Lapsed,
}

impl Refusal {
    /// Whether a text for this purpose leaves all the same: they have just asked for it.
    pub fn spares(self, purpose: Purpose) -> bool {
        match self {
            Self::OptedOut => purpose == Purpose::OptOutConfirmation,
            Self::NoConsent(_) => matches!(purpose, Purpose::OptOutConfirmation | Purpose::Help),
            _ => false,
        }
    }
}

/// Whether a text for this purpose may be sent to them at all. What nobody wrote asks for consent first
/// (behaviour.md 3); to a person an opt-out says more than a consent that is missing.
///
/// # Errors
/// The first reason why not.
pub fn refusal(purpose: Purpose, standing: &Standing) -> Result<(), Refusal> {
    match purpose {
        Purpose::OptOutConfirmation if standing.suppression.is_none() => Err(Refusal::TakenBack),
        Purpose::OptOutConfirmation => Ok(()),
        _ if purpose.is_unasked() => {
            if standing.unusable {
                return Err(Refusal::Unusable);
            }
            standing.wanted.check(purpose, standing.consent)?;
            opt_out(standing)
        }
        _ => {
            opt_out(standing)?;
            Ok(standing.wanted.check(purpose, standing.consent)?)
        }
    }
}

fn opt_out(standing: &Standing) -> Result<(), Refusal> {
    if standing.suppression.is_some() { Err(Refusal::OptedOut) } else { Ok(()) }
}

/// How far back unasked texts count.
pub const CAP_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many texts that nobody wrote to them a person gets (behaviour.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// In 24 hours.
    pub a_day: usize,
    /// In [`CAP_WINDOW`].
    pub a_week: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { a_day: 2, a_week: 6 }
    }
}

impl Caps {
    fn allow(self, unasked: &[Timestamp], now: Timestamp) -> bool {
        let within =
            |window: SignedDuration| unasked.iter().filter(|at| now.duration_since(**at) < window).count();
        within(SignedDuration::from_hours(24)) < self.a_day && within(CAP_WINDOW) < self.a_week
    }
}

/// The clock's side of the guard, as an installation sets it.
#[derive(Clone, Copy, Debug)]
pub struct Clockwork<'a> {
    /// When texts may start.
    pub hours: &'a Hours,
    /// The zone of those whose number says nothing.
    pub fallback: &'a TimeZone,
    /// The caps.
    pub caps: Caps,
}

/// When a text may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Now.
    Now {
        /// When it must have arrived, or must not any more; none for what may arrive at any hour.
        closes: Option<Timestamp>,
    },
    /// Then, when it is decided anew: quiet hours.
    Later(Timestamp),
    /// Not while they may have opted out. Somebody decides about that until then, and it is decided anew.
    Frozen(Timestamp),
}

/// Why texts wait that nobody wrote, in words.
pub const FROZEN: &str = "the candidate may have opted out: nothing is sent by itself until somebody decides";

/// How soon it is asked again whether somebody opted out when that should be decided by now.
const SHORTLY: SignedDuration = SignedDuration::from_mins(1);

/// An answer to somebody who wrote so recently is part of a talk, and not a disturbance. One that was held up
/// for longer (the carrier was down) is none any more.
pub const TALK: SignedDuration = SignedDuration::from_mins(60);

/// The openings after a quiet time are spread over so many seconds, so that not everybody is texted in
/// the same second.
const SPREAD: u64 = 600;

/// A text that is to leave, as far as its time goes.
#[derive(Clone, Copy, Debug)]
pub struct Leaving {
    /// What it is for.
    pub purpose: Purpose,
    /// Since when it waits.
    pub written_at: Timestamp,
    /// A person who may has said, with a reason, that it cannot wait.
    pub overridden: bool,
}

impl Leaving {
    /// One that is just written, and can wait.
    pub fn now(purpose: Purpose, now: Timestamp) -> Self {
        Self { purpose, written_at: now, overridden: false }
    }
}

impl Clockwork<'_> {
    /// When a text may leave.
    ///
    /// # Errors
    /// [`Refusal::Capped`], [`Refusal::NoHour`].
    pub fn timing(self, text: Leaving, standing: &Standing, now: Timestamp) -> Result<Timing, Refusal> {
        let Self { hours, fallback, caps } = self;
        let Leaving { purpose, written_at, overridden } = text;
        if let Some(until) = standing.in_doubt.filter(|_| purpose.is_unasked()) {
            return Ok(Timing::Frozen(until.max(now.saturating_add(SHORTLY).unwrap_or(until))));
        }
        if purpose.is_unasked() && !caps.allow(&standing.unasked, now) {
            return Err(Refusal::Capped);
        }
        let in_a_talk = || {
            standing.last_in.is_some_and(|at| (SignedDuration::ZERO..=TALK).contains(&now.duration_since(at)))
        };
        // Either way: a clock is set right now and then.
        let is_fresh = || now.duration_since(written_at).abs() <= TALK;
        let at_once = match purpose {
            Purpose::Conversation => overridden || in_a_talk(),
            _ => purpose.is_an_answer() && is_fresh(),
        };
        if at_once {
            return Ok(Timing::Now { closes: None });
        }
        let hours = hours.within(standing.lawful);
        match hours.verdict(&standing.zones, fallback, now) {
            Verdict::Open => Ok(Timing::Now { closes: hours.closes(&standing.zones, fallback, now) }),
            Verdict::Closed { opens: None } => Err(Refusal::NoHour),
            Verdict::Closed { opens: Some(opens) } => {
                // Fibonacci hashing: neighbours are far apart.
                let share = standing.whose.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                let spread = SignedDuration::from_secs(i64::try_from(share % SPREAD).unwrap_or(0));
                let spread = opens.saturating_add(spread).unwrap_or(opens);
                // A short window may end before.
                let fits = hours.is_open(&standing.zones, fallback, spread);
                Ok(Timing::Later(if fits { spread } else { opens }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Body, ConversationId, MessageId, Number, OptOutSource, zones};

    const ALL: [Purpose; 6] = [
        Purpose::Conversation,
        Purpose::OptOutConfirmation,
        Purpose::Help,
        Purpose::Automatic,
        Purpose::Bulk,
        Purpose::Booking,
    ];

    fn standing(number: &str) -> Standing {
        Standing {
            suppression: None,
            consent: None,
            wanted: ConsentLevel::None,
            in_doubt: None,
            unusable: false,
            last_in: None,
            unasked: Vec::new(),
            zones: zones::of(Number::from_e164(number).unwrap()),
            lawful: Hours::always(),
            whose: 7,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn decide(
        purpose: Purpose,
        standing: &Standing,
        overridden: bool,
        now: Timestamp,
    ) -> Result<Timing, Refusal> {
        let (hours, fallback) = (Hours::default(), TimeZone::get("America/New_York").unwrap());
        let clockwork = Clockwork { hours: &hours, fallback: &fallback, caps: Caps::default() };
        clockwork.timing(Leaving { overridden, ..Leaving::now(purpose, now) }, standing, now)
    }

    fn is_now(timing: Timing) -> bool {
        matches!(timing, Timing::Now { .. })
    }

    #[test]
    fn only_what_keeps_the_hours_must_arrive_before_they_end() {
        // 19:54 in Washington.
        let evening = at("2025-03-05T00:54:00Z");
        let close = Some(at("2025-03-05T01:00:00Z"));
        let washington = standing("+12025550142");
        let talk = Standing { last_in: Some(at("2025-03-05T00:50:00Z")), ..washington.clone() };
        for purpose in ALL {
            let closes = |standing, overridden| decide(purpose, standing, overridden, evening);
            let (answer, person) = (purpose.is_an_answer(), purpose == Purpose::Conversation);
            let by = |at_any_hour: bool| Ok(Timing::Now { closes: close.filter(|_| !at_any_hour) });
            assert_eq!(closes(&washington, false), by(answer), "{purpose:?}");
            assert_eq!(closes(&talk, false), by(answer || person), "{purpose:?}");
            assert_eq!(closes(&washington, true), by(answer || person), "{purpose:?}");
        }
    }

    /// As it is when such a text is written: a confirmation is for somebody who has opted out.
    fn as_for(purpose: Purpose, standing: &Standing) -> Standing {
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Carrier };
        let stop = (purpose == Purpose::OptOutConfirmation).then_some(stop);
        Standing { suppression: standing.suppression.clone().or(stop), ..standing.clone() }
    }

    #[test]
    fn after_stop_only_the_confirmation_leaves() {
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Text("stop".into()) };
        let opted_out = Standing { suppression: Some(stop), ..standing("+12025550142") };
        for purpose in ALL {
            let expected =
                if purpose == Purpose::OptOutConfirmation { Ok(()) } else { Err(Refusal::OptedOut) };
            assert_eq!(refusal(purpose, &opted_out), expected, "{purpose:?}");
            assert_eq!(refusal(purpose, &as_for(purpose, &standing("+12025550142"))), Ok(()));
        }
    }

    #[test]
    fn what_confirms_an_opt_out_is_not_said_to_who_took_it_back() {
        let purpose = Purpose::OptOutConfirmation;
        assert_eq!(refusal(purpose, &standing("+12025550142")), Err(Refusal::TakenBack));
    }

    #[test]
    fn what_waits_is_called_off_unless_it_would_leave_all_the_same() {
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Carrier };
        let opted_out = Standing { suppression: Some(stop), ..standing("+12025550142") };
        let said_no = Standing { consent: Some(Answer::No), ..standing("+12025550142") };
        let landline = Standing { unusable: true, ..standing("+12025550142") };
        for purpose in ALL {
            let leaves = |standing| refusal(purpose, &as_for(purpose, standing)).is_ok();
            assert_eq!(Refusal::OptedOut.spares(purpose), leaves(&opted_out), "{purpose:?}");
            assert_eq!(Refusal::from(NoConsent::SaidNo).spares(purpose), leaves(&said_no), "{purpose:?}");
            assert!(leaves(&landline) || !Refusal::Unusable.spares(purpose), "{purpose:?}");
        }
    }

    #[test]
    fn consent_is_asked_for_before_a_doubt_and_by_people_after_an_opt_out() {
        let in_doubt = Some(at("2025-03-06T15:00:00Z"));
        let said_no = Standing { consent: Some(Answer::No), in_doubt, ..standing("+12025550142") };
        assert_eq!(refusal(Purpose::Automatic, &said_no), Err(NoConsent::SaidNo.into()));
        assert_eq!(refusal(Purpose::Conversation, &said_no), Err(NoConsent::SaidNo.into()));
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Carrier };
        let no_and_stop = Standing { suppression: Some(stop), ..said_no };
        for purpose in [Purpose::Automatic, Purpose::Bulk] {
            assert_eq!(refusal(purpose, &no_and_stop), Err(NoConsent::SaidNo.into()), "{purpose:?}");
        }
        assert_eq!(refusal(Purpose::Conversation, &no_and_stop), Err(Refusal::OptedOut));
        let strict = Standing { wanted: ConsentLevel::Strict, ..standing("+12025550142") };
        assert_eq!(refusal(Purpose::Conversation, &strict), Err(NoConsent::NoAnswer.into()));
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Carrier };
        let both = Standing { suppression: Some(stop), consent: Some(Answer::Yes), ..strict };
        assert_eq!(refusal(Purpose::Conversation, &both), Err(Refusal::OptedOut));
        assert_eq!(refusal(Purpose::Automatic, &both), Err(Refusal::OptedOut));
    }

    #[test]
    fn a_landline_stops_what_nobody_wrote_to_them() {
        let landline = Standing { unusable: true, ..standing("+12025550142") };
        for purpose in ALL {
            let refused = refusal(purpose, &as_for(purpose, &landline)).is_err();
            assert_eq!(refused, purpose.is_unasked(), "{purpose:?}");
        }
    }

    #[test]
    fn a_doubt_freezes_what_nobody_wrote_to_them_before_caps_and_hours_are_asked() {
        // A day after half past two in the afternoon in Washington.
        let until = at("2025-03-06T19:30:00Z");
        let unasked = vec![at("2025-03-05T19:00:00Z"); 2];
        let doubt = Standing { in_doubt: Some(until), unasked, ..standing("+12025550142") };
        for (now, then) in [
            ("2025-03-05T19:31:00Z", until),
            ("2025-03-06T03:00:00Z", until),
            // Nobody has looked yet, and it should be decided.
            ("2025-03-06T19:30:00Z", at("2025-03-06T19:31:00Z")),
        ] {
            for purpose in ALL {
                let may = refusal(purpose, &as_for(purpose, &doubt));
                assert_eq!(may, Ok(()), "{purpose:?}: it is not over with");
                let frozen = decide(purpose, &doubt, false, at(now)) == Ok(Timing::Frozen(then));
                assert_eq!(frozen, purpose.is_unasked(), "{purpose:?} at {now}");
            }
        }
    }

    #[test]
    fn at_night_a_text_waits_for_the_morning_unless_it_answers_or_cannot_wait() {
        // 21:14 in Washington.
        let night = at("2025-03-05T02:14:00Z");
        let washington = standing("+12025550142");
        let talk = Standing { last_in: Some(at("2025-03-05T01:14:00Z")), ..washington.clone() };
        let long_ago = Standing { last_in: Some(at("2025-03-05T01:13:59Z")), ..washington.clone() };
        let leaves = |purpose, standing: &Standing, overridden| {
            decide(purpose, standing, overridden, night).is_ok_and(is_now)
        };
        for purpose in ALL {
            let at_once = purpose.is_an_answer();
            let person = purpose == Purpose::Conversation;
            assert_eq!(leaves(purpose, &washington, false), at_once, "{purpose:?}");
            assert_eq!(leaves(purpose, &long_ago, false), at_once, "{purpose:?}");
            assert_eq!(leaves(purpose, &talk, false), at_once || person, "{purpose:?}");
            assert_eq!(leaves(purpose, &washington, true), at_once || person, "{purpose:?}");
        }
        let Ok(Timing::Later(then)) = decide(Purpose::Automatic, &washington, false, night) else { panic!() };
        assert!((at("2025-03-05T13:00:00Z")..at("2025-03-05T13:10:00Z")).contains(&then), "{then}");
    }

    #[test]
    fn in_the_morning_not_everybody_is_texted_in_the_same_second() {
        let (hours, fallback) = (Hours::default(), TimeZone::get("America/New_York").unwrap());
        let clockwork = Clockwork { hours: &hours, fallback: &fallback, caps: Caps::default() };
        let (night, standing) = (at("2025-03-05T02:14:00Z"), standing("+12025550142"));
        let then = |whose| {
            let standing = Standing { whose, ..standing.clone() };
            clockwork.timing(Leaving::now(Purpose::Automatic, night), &standing, night).unwrap()
        };
        let seconds: Vec<Timing> = (0..50).map(then).collect();
        let different = seconds.iter().enumerate().filter(|(n, one)| !seconds[..*n].contains(one)).count();
        assert!(different > 20, "{different}: {seconds:?}");
    }

    #[test]
    fn an_answer_that_was_held_up_keeps_the_hours_like_any_other_text() {
        let (hours, fallback) = (Hours::default(), TimeZone::UTC);
        let clockwork = Clockwork { hours: &hours, fallback: &fallback, caps: Caps::default() };
        // 19:50 in Washington, the carrier is back at three.
        let written = at("2025-03-05T00:50:00Z");
        for purpose in ALL.into_iter().filter(|purpose| purpose.is_an_answer()) {
            let text = Leaving::now(purpose, written);
            let decide = |now| clockwork.timing(text, &standing("+12025550142"), now);
            assert!(decide(at("2025-03-05T01:50:00Z")).is_ok_and(is_now), "{purpose:?}");
            let Ok(Timing::Later(then)) = decide(at("2025-03-05T08:00:00Z")) else { panic!("{purpose:?}") };
            assert!((at("2025-03-05T13:00:00Z")..at("2025-03-05T13:10:00Z")).contains(&then), "{then}");
            assert!(decide(then).is_ok_and(is_now), "{purpose:?}");
            assert!(decide(written - SignedDuration::from_secs(2)).is_ok_and(is_now), "the clock was set");
        }
    }

    #[test]
    fn the_caps_count_a_day_and_a_week() {
        let noon = at("2025-03-05T17:00:00Z");
        let ago = |hours: &[i64]| {
            let unasked = hours.iter().map(|hours| noon - SignedDuration::from_hours(*hours)).collect();
            Standing { unasked, ..standing("+12025550142") }
        };
        assert!(decide(Purpose::Automatic, &ago(&[1]), false, noon).is_ok_and(is_now));
        assert_eq!(decide(Purpose::Bulk, &ago(&[1, 23]), false, noon), Err(Refusal::Capped));
        assert!(decide(Purpose::Automatic, &ago(&[1, 24]), false, noon).is_ok_and(is_now));
        let week = ago(&[25, 50, 75, 100, 125, 150]);
        assert_eq!(decide(Purpose::Automatic, &week, false, noon), Err(Refusal::Capped));
        assert!(decide(Purpose::Conversation, &week, false, noon).is_ok_and(is_now));
    }

    fn message(direction: Direction, delivery: Delivery, failure: Option<SendFailure>) -> Message {
        let number = Number::from_e164("+12025550142").unwrap();
        let (at, thread) = (Timestamp::UNIX_EPOCH, ConversationId::new(1));
        let message = Message::incoming(MessageId::new(at, &[0; 10]), thread, at, Body::new("words"), number);
        Message { direction, delivery, failure, ..message }
    }

    #[test]
    fn a_landline_is_unusable_until_something_comes_from_it() {
        let landline = message(Direction::Out, Delivery::Undelivered, Some(SendFailure::Landline));
        let off = message(Direction::Out, Delivery::Undelivered, Some(SendFailure::Unreachable));
        let waiting = message(Direction::Out, Delivery::Queued, None);
        let answer = message(Direction::In, Delivery::Received, None);
        let arrived = message(Direction::Out, Delivery::Delivered, None);
        let reason = Some(SendFailure::Landline);
        assert_eq!(condemned(&[waiting.clone(), off.clone(), landline.clone()]), reason);
        assert_eq!(condemned(&[waiting, off]), None);
        assert_eq!(condemned(&[answer, landline.clone()]), None);
        assert_eq!(condemned(&[arrived, landline]), None);
        let stop = message(Direction::Out, Delivery::Failed, Some(SendFailure::OptedOut));
        assert_eq!(condemned(&[stop]), None, "what they said is known by the suppression");
    }

    proptest! {
        /// Over random numbers and moments, nights of clock change included: what may leave, may leave in
        /// all zones that the number allows, and what is put off may leave when it comes due.
        #[test]
        fn nothing_unasked_leaves_at_night_in_any_possible_zone(
            area in prop::sample::select(vec!["202", "812", "907", "928", "317", "415", "605", "850"]),
            second in 1_730_000_000..1_765_000_000i64,
            whose: u64,
        ) {
            let standing = Standing { whose, ..standing(&format!("+1{area}5550142")) };
            let now = Timestamp::from_second(second).unwrap();
            let (hours, fallback) = (Hours::default(), TimeZone::UTC);
            let clockwork = Clockwork { hours: &hours, fallback: &fallback, caps: Caps::default() };
            let decide =
                |now| clockwork.timing(Leaving::now(Purpose::Automatic, now), &standing, now).unwrap();
            match decide(now) {
                Timing::Now { closes } => {
                    let last = closes.unwrap() - SignedDuration::from_nanos(1);
                    for (moment, end) in [(now, 19 * 60 + 55), (last, 20 * 60)] {
                        for clock in standing.zones.clocks(moment) {
                            let minute = i32::from(clock.hour()) * 60 + i32::from(clock.minute());
                            prop_assert!((8 * 60..end).contains(&minute), "{clock}");
                        }
                    }
                },
                Timing::Later(then) => {
                    prop_assert!(then > now && then.duration_since(now) < SignedDuration::from_hours(24));
                    prop_assert!(is_now(decide(then)));
                }
                Timing::Frozen(_) => prop_assert!(false, "nobody may have opted out"),
            }
        }
    }
}

//! How much is handed to a carrier whose answers are being lost.
//!
//! A text whose answer is lost may have left, so it is looked for and never sent again by itself (carriers.md 1.9). In
//! an incident of the carrier's each text that is handed over meanwhile would end like that, unsent and for a person to
//! write again, while one that waits is only late. So after a few in a row one text at a time tries whether it is over,
//! at growing distances, and the others wait.

use jiff::{SignedDuration, Timestamp};

/// So many in a row are an incident: one is bad luck.
const IN_A_ROW: u32 = 3;
/// How long nothing is sent after that; each further loss doubles it.
const FIRST: SignedDuration = SignedDuration::from_secs(5);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// What may be handed over at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// As much as the pace allows.
    Open,
    /// One, and none while another's answer is awaited.
    One,
    /// Nothing until then.
    Closed(Timestamp),
}

/// What the last answers say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brake {
    in_a_row: u32,
    last: Option<Timestamp>,
}

impl Brake {
    /// An answer was lost.
    pub fn lost(&mut self, now: Timestamp) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = Some(now);
    }

    /// The carrier answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// Whether the last answer was lost, and none came since.
    #[must_use]
    pub fn is_losing(&self) -> bool {
        self.in_a_row > 0
    }

    /// What may leave now.
    #[must_use]
    pub fn gate(&self, now: Timestamp) -> Gate {
        let (Some(last), Some(over)) = (self.last, self.in_a_row.checked_sub(IN_A_ROW)) else {
            return Gate::Open;
        };
        let pause = LONGEST.min(FIRST * 2_i32.saturating_pow(over.min(16)));
        let until = last.saturating_add(pause).unwrap_or(last);
        // A clock that was set back is no reason to wait for it.
        if now < until && now.duration_since(last) >= SignedDuration::ZERO {
            Gate::Closed(until)
        } else {
            Gate::One
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_answer_that_is_lost_now_and_then_holds_nothing_up() {
        let mut brake = Brake::default();
        for second in 0..100 {
            brake.lost(at(second));
            assert_eq!(brake.gate(at(second)), Gate::Open);
            brake.lost(at(second));
            brake.answered();
        }
    }

    /// Forty texts of a minute and a half were handed over, one after the other, to a carrier that was down.
    #[test]
    fn in_an_incident_few_texts_are_spent() {
        let mut brake = Brake::default();
        let mut spent = 0;
        for second in 0..3600 {
            if !matches!(brake.gate(at(second)), Gate::Closed(_)) {
                brake.lost(at(second));
                spent += 1;
            }
        }
        assert!((15..25).contains(&spent), "{spent}");
        assert!(matches!(brake.gate(at(3600)), Gate::Closed(until) if until <= at(3900)));
        assert_eq!(brake.gate(at(4000)), Gate::One);
        brake.answered();
        assert_eq!(brake.gate(at(4000)), Gate::Open);
    }

    #[test]
    fn a_clock_that_is_set_back_closes_nothing() {
        let mut brake = Brake::default();
        (0..5).for_each(|_| brake.lost(at(100_000)));
        assert_eq!(brake.gate(at(0)), Gate::One);
    }
}

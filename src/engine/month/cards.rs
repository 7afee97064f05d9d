//! Somebody moves many candidates at once, which the flood guard holds on a card; a person looks at the cards, and
//! lets one go, calls it off, or says nothing.

use fulcrum_domain::automation::{CardState, Enrolment, Flood};
use jiff::SignedDuration;

use super::Month;
use super::people::hours;
use super::settings::STAGES;
use crate::engine::changes::{self, SwitchError};
use crate::store::tables::{CARDS, ENROLMENTS, ENROLMENTS_ON};
use crate::store::{Keys, Read};

/// So many at once.
const MANY: usize = 20;

impl Month {
    /// When that happens, over the whole month.
    pub(super) fn moves_ahead(&mut self) {
        let month = self.ends.duration_since(self.now);
        for _ in 0..=month.as_hours() / 72 {
            let when = self.between(hours(3), month * 6 / 10);
            self.after(when, Self::moves_many);
        }
    }

    fn moves_many(&mut self) {
        let is_new = |id: &_| self.lever.candidates[id].stage.to_string() == STAGES[0];
        let many: Vec<_> = self.lever.active().into_iter().filter(is_new).take(MANY).collect();
        for id in many {
            self.moves_to(&id, STAGES[1]);
        }
        let pause = self.between(SignedDuration::from_mins(6), SignedDuration::from_mins(40));
        self.after(pause, Self::looks_at_cards);
    }

    fn looks_at_cards(&mut self) {
        if !self.daemon.is_up() {
            return self.after(hours(1), Self::looks_at_cards);
        }
        let now = self.now;
        for (number, card) in self.read(|snapshot| snapshot.list(CARDS, &Keys::all(), usize::MAX)) {
            if card.state != CardState::Waiting || now.duration_since(card.opened_at) <= Flood::COLLECT {
                continue;
            }
            let on = self.read(|snapshot| {
                let mut on = Vec::new();
                for ((_, id), ()) in snapshot.list(ENROLMENTS_ON, &Keys::beginning(&number), usize::MAX)? {
                    on.extend(snapshot.get(ENROLMENTS, &id)?.filter(Enrolment::is_live));
                }
                Ok(on)
            });
            self.law_sees_card(number, on);
            let pause = self.between(SignedDuration::from_mins(1), hours(9));
            if self.chance(700) {
                let approve = self.chance(500);
                self.after(pause, move |month| month.decides(number, approve));
            }
        }
    }

    fn decides(&mut self, number: u64, approve: bool) {
        if !self.daemon.is_up() {
            return self.after(hours(1), move |month| month.decides(number, approve));
        }
        let decided = self.change(move |tx, rules, moment| {
            changes::decide_card(tx, number, approve, "omar".into(), rules, moment.now)
        });
        match decided {
            Ok(()) if approve => self.law_lets_card_go(number),
            Err(SwitchError::Store(error)) => self.broken(format_args!("{error}")),
            // It has expired; or it was called off.
            _ => {}
        }
    }
}

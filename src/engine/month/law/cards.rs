//! What waits on a card of the flood guard leaves once a person lets it, and not before.

use fulcrum_domain::automation::Enrolment;
use fulcrum_domain::{Message, OpportunityId};

use super::super::Month;
use super::written_by;

impl Month {
    /// A person sees who is on a card.
    pub(in crate::engine::month) fn law_sees_card(&mut self, card: u64, on: Vec<Enrolment>) {
        self.law.tally.cards += 1;
        for row in on {
            // Whoever has moved on since may rightly get the text for that.
            let Some(now) = self.lever.candidates.get(&row.opportunity) else { continue };
            if now.advanced_at <= row.happened_at {
                self.law.on_cards.insert((row.opportunity, row.automation), card);
            }
        }
    }

    pub(in crate::engine::month) fn law_lets_card_go(&mut self, card: u64) {
        self.law.on_cards.retain(|_, on| *on != card);
    }

    /// A candidate is moved: what follows from that is another matter.
    pub(in crate::engine::month) fn law_sees_move(&mut self, id: &OpportunityId) {
        self.law.on_cards.retain(|(about, _), _| about != id);
    }

    /// The last check has let a text of an automation go.
    pub(super) fn look_at_card(&mut self, text: &Message) {
        let (Some(about), Some(name)) = (text.opportunity.clone(), written_by(text)) else { return };
        if let Some(card) = self.law.on_cards.get(&(about.clone(), name.to_owned())) {
            self.broken(format_args!("{name:?} leaves for {about}, who is on card {card}"));
        }
    }
}

//! What people learn of candidates by other ways than a text: that they want none, that they agreed to them,
//! in which time zone they are. Each holds for all numbers of a person.

use fulcrum_domain::{Actor, Answer, Consent, ConsentSource, Number, OpportunityId};
use jiff::tz::TimeZone;

use super::Engine;
use super::changes::{self, LiftError, Wish};
use crate::store::{StoreError, Tx};

impl Engine {
    /// A person records what somebody wishes, for all of these numbers or for none.
    ///
    /// # Errors
    /// [`LiftError`]; then nothing changes.
    pub async fn decide_opt_out(&self, numbers: Vec<Number>, wish: Wish, by: Actor) -> Result<(), LiftError> {
        let (now, settings) = (self.clock.now(), self.settings.load_full());
        let each = move |tx: &mut Tx<'_>| {
            let rules = &settings.rules;
            numbers.iter().try_for_each(|number| changes::decide_opt_out(tx, *number, &wish, &by, rules, now))
        };
        self.change_once(each).await
    }

    /// A person records whether somebody agreed to texts, for all of these numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_consent(
        &self,
        numbers: Vec<Number>,
        answer: Answer,
        reason: String,
        by: Actor,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| {
            for number in numbers {
                let source = ConsentSource::Person(reason.clone());
                changes::record_consent(tx, number, answer, source, by.clone(), now)?;
            }
            Ok(())
        })
        .await
    }

    /// A person says in which time zone somebody is, for all of these numbers, or that it goes by the numbers
    /// again. `about` is whose numbers they are, where that is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_zone(
        &self,
        numbers: Vec<Number>,
        about: Option<OpportunityId>,
        zone: Option<TimeZone>,
        by: Actor,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| {
            for number in numbers {
                changes::set_zone(tx, number, about.as_ref(), zone.as_ref(), &by, now)?;
            }
            Ok(())
        })
        .await
    }

    /// What the owner of these numbers said about texts, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn consents(&self, numbers: Vec<Number>) -> Result<Vec<(Number, Consent)>, StoreError> {
        self.store
            .read(move |snapshot| {
                let mut all = Vec::new();
                for number in numbers {
                    let said = changes::consents_of(snapshot, number)?;
                    all.extend(said.into_iter().map(|consent| (number, consent)));
                }
                all.sort_by_key(|(_, consent)| std::cmp::Reverse(consent.at));
                Ok(all)
            })
            .await
    }

    /// Whether one of these numbers has opted out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_opted_out(&self, numbers: Vec<Number>) -> Result<bool, StoreError> {
        self.store
            .read(move |snapshot| {
                for number in numbers {
                    if changes::suppression_of(snapshot, number)?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }
}

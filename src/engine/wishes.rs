//! What people learn of a candidate's wishes by other ways than a text: that they want none, or that they
//! agreed to them. One wish holds for all numbers of a person.

use fulcrum_domain::{Actor, Answer, Consent, ConsentSource, Number};

use super::Engine;
use super::changes::{self, LiftError, Wish};
use crate::store::{StoreError, Tx};

impl Engine {
    /// A person records what somebody wishes, for all of these numbers or for none.
    ///
    /// # Errors
    /// [`LiftError`]; then nothing changes.
    pub async fn decide_opt_out(&self, numbers: Vec<Number>, wish: Wish, by: Actor) -> Result<(), LiftError> {
        let now = self.clock.now();
        let each = move |tx: &mut Tx<'_>| {
            numbers.iter().try_for_each(|number| changes::decide_opt_out(tx, *number, &wish, &by, now))
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

//! What one who looks may see: nothing confidential, unless they see all.
//!
//! Confidential is what Lever calls so now. Of an opportunity that Lever shows no more it is not
//! known, so that counts as confidential, too.

use std::cell::RefCell;
use std::collections::HashMap;

use fulcrum_domain::{Conversation, Message, OpportunityId, Sight};

use crate::store::tables::{CONVERSATIONS, OPPORTUNITIES};
use crate::store::{Read, StoreError};

/// Somebody looking at a snapshot. It keeps in mind what it has looked up.
pub(crate) struct Gaze<'r, R> {
    pub(super) read: &'r R,
    pub(super) sight: Sight,
    known: RefCell<HashMap<OpportunityId, bool>>,
}

impl<'r, R: Read> Gaze<'r, R> {
    pub(crate) fn new(read: &'r R, sight: Sight) -> Self {
        Self { read, sight, known: RefCell::default() }
    }

    /// Whether they see what is about this opportunity, or about nobody yet.
    pub(crate) fn reaches(&self, about: Option<&OpportunityId>) -> Result<bool, StoreError> {
        let Some(id) = about.filter(|_| self.sight == Sight::Open) else { return Ok(true) };
        if let Some(known) = self.known.borrow().get(id) {
            return Ok(*known);
        }
        let row = self.read.get(OPPORTUNITIES, id)?;
        let reaches = self.sight.reaches(row.is_none_or(|row| row.confidential));
        self.known.borrow_mut().insert(id.clone(), reaches);
        Ok(reaches)
    }

    /// The thread, if they see it.
    pub(crate) fn conversation(
        &self,
        id: fulcrum_domain::ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        match self.read.get(CONVERSATIONS, &id)? {
            Some(row) if self.reaches(row.opportunity.as_ref())? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    /// Those of a list of messages that they see.
    pub(crate) fn of_messages(&self, messages: Vec<Message>) -> Result<Vec<Message>, StoreError> {
        let mut seen = Vec::with_capacity(messages.len());
        for message in messages {
            if self.reaches(message.opportunity.as_ref())? {
                seen.push(message);
            }
        }
        Ok(seen)
    }
}

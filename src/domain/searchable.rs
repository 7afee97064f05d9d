//! What a search may find, as the queue of the index and the index itself name it.

use serde::{Deserialize, Serialize};

use crate::{ConversationId, MessageId, OpportunityId};

/// A thing that can be found by words or digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Searchable {
    /// A candidate, by name and numbers.
    Person(OpportunityId),
    /// A thread, by its number.
    Conversation(ConversationId),
    /// A text, by its words.
    Message(MessageId),
}

impl Searchable {
    /// The bytes that stand for it in the index.
    pub fn to_key(&self) -> Vec<u8> {
        match self {
            Self::Person(id) => [&[1], id.to_key().as_slice()].concat(),
            Self::Conversation(id) => [&[2], id.number().to_be_bytes().as_slice()].concat(),
            Self::Message(id) => [&[3], id.to_key().as_slice()].concat(),
        }
    }

    /// Reads what [`Self::to_key`] wrote; none for anything else.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let whole = |rest: &[u8]| rest.is_empty();
        match key.split_first()? {
            (1, id) => OpportunityId::from_key(id)
                .ok()
                .filter(|(_, rest)| whole(rest))
                .map(|(id, _)| Self::Person(id)),
            (2, id) => {
                let number = u64::from_be_bytes(id.try_into().ok()?);
                Some(Self::Conversation(ConversationId::new(number)))
            }
            (3, id) => {
                MessageId::from_key(id).ok().filter(|(_, rest)| whole(rest)).map(|(id, _)| Self::Message(id))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_back() {
        for what in [
            Searchable::Person("a-slug".parse().unwrap()),
            Searchable::Person("4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f".parse().unwrap()),
            Searchable::Conversation(ConversationId::new(7)),
            Searchable::Message(MessageId::new(Timestamp::UNIX_EPOCH, &[7; 10])),
        ] {
            assert_eq!(Searchable::from_key(&what.to_key()), Some(what));
        }
    }

    proptest! {
        #[test]
        fn no_key_of_a_stranger_panics(key in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Searchable::from_key(&key);
        }
    }
}

//! What a commit tells the rest of the program, once it is on disk.

use fulcrum_domain::{ConversationId, DeadlineKey, Delivery, Direction, Remote};
use jiff::Timestamp;

/// News for whoever waits for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A webhook of Lever's waits in the inbox.
    Inbox,
    /// An effect for this remote waits in the outbox.
    Outbox(Remote),
    /// A deadline was armed, or taken away (none).
    Deadline(DeadlineKey, Option<Timestamp>),
    /// A text is in a state that it was not in before.
    Text(Direction, Delivery),
    /// A conversation has changed.
    Conversation(ConversationId),
    /// Something waits to be indexed for the search.
    ToIndex,
    /// It is our turn in a talk about times.
    Talk,
    /// A turn in a bulk text comes earlier than it did.
    Turn,
    /// The audit log has grown.
    Audit,
}

/// Told after each commit, on the writer's thread: it must not block.
pub type OnCommit = Box<dyn Fn(&[Signal]) + Send>;

//! Filing: from the messages since the last note to the notes that are to be posted.
//!
//! `plan` decides which messages stand together; rendering them is `note`'s work. The rendered
//! parts are kept with the filing until they are posted, so that a retry posts the same text.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{Author, ContactId, ConversationId, Delivery, Direction, Message, NoteId, OpportunityId, UserId};

/// Why a person must decide about a filing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyHeld {
    /// Lever does not show its opportunity any more, though it may again: then it is posted after all.
    NotShown,
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for WhyHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotShown => "Lever does not show the opportunity any more",
            Self::Other(why) => why,
        })
    }
}

/// How far a filing has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilingState {
    /// Planned; its request has not left.
    Due,
    /// The request for the next part may have left.
    Posting,
    /// All parts stand in Lever.
    Filed,
    /// A person must decide.
    Held(WhyHeld),
}

/// A transcript on its way to Lever, or there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filing {
    /// The thread.
    pub conversation: ConversationId,
    /// Where the note goes.
    pub opportunity: OpportunityId,
    /// Whose opportunity that is: a note goes to no other person.
    pub contact: Option<ContactId>,
    /// Whether that is confidential: a note about such goes to no open opportunity.
    pub confidential: bool,
    /// How often the next part was posted again after its answer was lost.
    pub reposts: u32,
    /// The author in Lever, if any.
    pub perform_as: Option<UserId>,
    /// Whether only some may read the note.
    pub secret: bool,
    /// The texts of the parts, in order; emptied once filed, since Lever has them.
    pub parts: Vec<String>,
    /// The notes that stand, in order: as many as parts have been posted.
    pub notes: Vec<NoteId>,
    /// How many messages it has.
    pub messages: u32,
    /// How far it has come.
    pub state: FilingState,
    /// When it was due.
    #[serde(with = "millisecond::required")]
    pub due_at: Timestamp,
    /// When the last part was posted.
    #[serde(with = "millisecond::optional")]
    pub filed_at: Option<Timestamp>,
}

impl fmt::Debug for Filing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filing")
            .field("opportunity", &self.opportunity)
            .field("state", &self.state)
            .field("parts", &self.parts.len())
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl Filing {
    /// The part to post next, counted from 0.
    pub fn next_part(&self) -> Option<usize> {
        (self.notes.len() < self.parts.len()).then_some(self.notes.len())
    }
}

/// Whether a transcript is filed for a whole session or for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// One note for the messages of a session.
    Session,
    /// A note for each message.
    Instant,
}

/// Messages that become one transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where its note goes.
    pub opportunity: OpportunityId,
    /// Its messages, in order of the thread.
    pub messages: Vec<Message>,
}

/// Divides what is unfiled into transcripts: by target, in order of the thread. What has no target
/// or has not left yet stays unfiled.
pub fn plan(unfiled: Vec<Message>, grouping: Grouping) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for message in unfiled.into_iter().filter(has_left) {
        let Some(opportunity) = message.opportunity.clone() else { continue };
        let joins = |group: &&mut Group| grouping == Grouping::Session && group.opportunity == opportunity;
        match groups.iter_mut().find(joins) {
            Some(group) => group.messages.push(message),
            None => groups.push(Group { opportunity, messages: vec![message] }),
        }
    }
    groups
}

/// Whether a message has come to where it can be told of: it came in, or it left, or it never will.
fn has_left(message: &Message) -> bool {
    !matches!(message.delivery, Delivery::Scheduled | Delivery::Queued | Delivery::Submitting)
}

/// The Lever user who sent most of the outbound messages; of equals, the last to write.
pub fn main_author(messages: &[Message]) -> Option<UserId> {
    let mut counts: Vec<(&UserId, usize)> = Vec::new();
    for message in messages.iter().filter(|m| m.direction == Direction::Out) {
        let Author::Staff { user: Some(user), .. } = &message.author else { continue };
        let before = counts.iter().position(|(id, _)| *id == user).map_or(0, |i| counts.remove(i).1);
        counts.push((user, before + 1));
    }
    // The last of equal maxima wins, and the last to write stands last.
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(user, _)| user.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, MessageId, Number};

    fn message(n: u8, opportunity: Option<&str>, author: Author) -> Message {
        let at = Timestamp::from_second(n.into()).unwrap();
        let (id, thread) = (MessageId::new(at, &[n; 10]), ConversationId::new(1));
        let (words, ours) = (Body::new("hi"), Number::from_e164("+12025550100").unwrap());
        let message = match author {
            Author::Candidate => Message::incoming(id, thread, at, words, ours),
            author => {
                let sent = Message::outgoing(id, thread, at, author, words, ours);
                Message { delivery: Delivery::Delivered, ..sent }
            }
        };
        Message { opportunity: opportunity.map(|o| o.parse().unwrap()), ..message }
    }

    fn staff(id: &str) -> Author {
        Author::Staff { user: Some(id.parse().unwrap()), name: id.into() }
    }

    #[test]
    fn a_session_over_two_targets_becomes_two_transcripts_and_no_message_is_in_both() {
        let unfiled = vec![
            message(1, Some("a"), staff("u")),
            message(2, Some("a"), Author::Candidate),
            message(3, Some("b"), staff("u")),
            message(4, Some("a"), Author::Candidate),
            message(5, None, Author::Candidate),
        ];
        let groups = plan(unfiled, Grouping::Session);
        let shape: Vec<_> = groups.iter().map(|g| (g.opportunity.to_string(), g.messages.len())).collect();
        assert_eq!(shape, [("a".to_owned(), 3), ("b".to_owned(), 1)]);
    }

    #[test]
    fn a_text_that_has_not_left_waits_for_the_next_transcript() {
        let mut waiting = message(2, Some("a"), staff("u"));
        waiting.delivery = Delivery::Queued;
        let groups = plan(vec![message(1, Some("a"), Author::Candidate), waiting], Grouping::Session);
        assert_eq!(groups[0].messages.len(), 1);
    }

    #[test]
    fn instant_notes_hold_one_message_each() {
        let unfiled =
            vec![message(1, Some("a"), Author::Candidate), message(2, Some("a"), Author::Candidate)];
        assert_eq!(plan(unfiled, Grouping::Instant).len(), 2);
    }

    #[test]
    fn the_note_is_by_whoever_wrote_most_of_equals_the_last() {
        let texts = |authors: &[&str]| -> Vec<Message> {
            authors.iter().zip(1..).map(|(a, n)| message(n, Some("a"), staff(a))).collect()
        };
        assert_eq!(main_author(&texts(&["x", "y", "y"])), Some("y".parse().unwrap()));
        assert_eq!(main_author(&texts(&["x", "y"])), Some("y".parse().unwrap()));
        assert_eq!(main_author(&texts(&["y", "x", "y", "x"])), Some("x".parse().unwrap()));
        assert_eq!(main_author(&[]), None);
    }
}

//! The office's side of a conversation: who looks after it, what waits in it, and in which folders
//! of the inbox it stands.
//!
//! Everything here follows from the messages and from what people did, so that an index of the
//! folders can be kept beside them and compared with this at any time. A person's *Mine* is no
//! folder of a conversation but a [`Shelf`] of an account.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{Account, Conversation, Delivery, Direction, Message};

/// A folder of the inbox. Stored by number: new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Folder {
    /// Everybody's: all that is not archived.
    Team,
    /// The candidate wrote something that nobody has answered, and may be answered.
    Unanswered,
    /// A text to them did not arrive, or may not have.
    Failed,
    /// Texts wait for their time.
    Scheduled,
    /// A person should say whether the candidate wants to be left alone.
    PossibleOptOut,
    /// Nobody is known for the number.
    Unmatched,
    /// Put away.
    Archived,
}

impl Folder {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Team,
        Self::Unanswered,
        Self::Failed,
        Self::Scheduled,
        Self::PossibleOptOut,
        Self::Unmatched,
        Self::Archived,
    ];

    /// The word in addresses and in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Unanswered => "unanswered",
            Self::Failed => "failed",
            Self::Scheduled => "scheduled",
            Self::PossibleOptOut => "possible-opt-out",
            Self::Unmatched => "unmatched",
            Self::Archived => "archived",
        }
    }

    /// The folder of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.word() == word)
    }
}

/// A set of folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders(u8);

impl Folders {
    /// Whether it has this one.
    pub fn has(self, folder: Folder) -> bool {
        self.0 & (1 << folder as u8) != 0
    }

    /// Those in it, in their order.
    pub fn iter(self) -> impl Iterator<Item = Folder> {
        Folder::ALL.into_iter().filter(move |folder| self.has(*folder))
    }
}

impl FromIterator<Folder> for Folders {
    fn from_iter<I: IntoIterator<Item = Folder>>(folders: I) -> Self {
        Self(folders.into_iter().fold(0, |set, folder| set | 1 << folder as u8))
    }
}

/// What an inbox lists: a folder, or what an account looks after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Shelf {
    /// A folder that all share.
    Folder(Folder),
    /// What this account is assigned to or follows, unless it is archived.
    Mine(Account),
}

/// The office's side of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Who is to answer.
    pub assigned: Option<Account>,
    /// Who wants to see it besides.
    pub followers: Vec<Account>,
    /// Since when it is put away.
    #[serde(with = "millisecond::optional")]
    pub archived_at: Option<Timestamp>,
    /// What the messages come to.
    pub said: Said,
    /// Whether the number has opted out.
    pub opted_out: bool,
    /// Up to which failed text somebody has seen what failed.
    #[serde(with = "millisecond::optional")]
    pub failure_seen: Option<Timestamp>,
}

/// What the messages of a conversation come to, as far as its folders depend on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The last activity: the newest message, whatever became of it.
    #[serde(with = "millisecond::optional")]
    pub last_at: Option<Timestamp>,
    /// The newest text of the candidate's.
    #[serde(with = "millisecond::optional")]
    pub last_in_at: Option<Timestamp>,
    /// The newest text to them that left, or is about to, and that was meant for them: one of many, or one of
    /// an automation or a reminder, answers nothing, and neither does one that did not arrive.
    #[serde(with = "millisecond::optional")]
    pub answered_at: Option<Timestamp>,
    /// The newest text to them that did not arrive, or may not have.
    #[serde(with = "millisecond::optional")]
    pub failed_at: Option<Timestamp>,
    /// The newest text to them that was sent.
    #[serde(with = "millisecond::optional")]
    pub reached_at: Option<Timestamp>,
    /// Texts that wait for their time.
    pub scheduled: u32,
}

impl Said {
    /// What one message comes to.
    fn of(message: &Message) -> Self {
        use Delivery::{
            Accepted, Canceled, Delivered, Failed, Queued, Received, Scheduled, Sending, Sent, Submitting,
            Unconfirmed, Undelivered,
        };
        let at = Some(message.at);
        let said = Self { last_at: at, ..Self::default() };
        let answered_at = at.filter(|_| !message.purpose.is_unasked());
        match (message.direction, message.delivery) {
            (Direction::In, _) | (_, Received) => Self { last_in_at: at, ..said },
            (_, Scheduled) => Self { scheduled: 1, ..said },
            (_, Canceled) => said,
            (_, Failed | Undelivered) => Self { failed_at: at, ..said },
            (_, Unconfirmed) => Self { answered_at, failed_at: at, ..said },
            (_, Sent | Delivered) => Self { answered_at, reached_at: at, ..said },
            (_, Queued | Submitting | Accepted | Sending) => Self { answered_at, ..said },
        }
    }

    /// With one more message.
    #[must_use]
    pub fn with(self, message: &Message) -> Self {
        let one = Self::of(message);
        Self {
            last_at: self.last_at.max(one.last_at),
            last_in_at: self.last_in_at.max(one.last_in_at),
            answered_at: self.answered_at.max(one.answered_at),
            failed_at: self.failed_at.max(one.failed_at),
            reached_at: self.reached_at.max(one.reached_at),
            scheduled: self.scheduled + one.scheduled,
        }
    }

    /// After `before` became `after`, where this can be told without the other messages: not if the
    /// newest of a kind is of that kind no more.
    #[must_use]
    pub fn changed(self, before: Option<&Message>, after: &Message) -> Option<Self> {
        let Some(before) = before.map(Self::of) else { return Some(self.with(after)) };
        let now = Self::of(after);
        let lost = |whole: Option<Timestamp>, before: Option<Timestamp>, now: Option<Timestamp>| {
            before.is_some() && before == whole && now < before
        };
        let tells = !(lost(self.last_at, before.last_at, now.last_at)
            || lost(self.last_in_at, before.last_in_at, now.last_in_at)
            || lost(self.answered_at, before.answered_at, now.answered_at)
            || lost(self.failed_at, before.failed_at, now.failed_at)
            || lost(self.reached_at, before.reached_at, now.reached_at));
        let without = Self { scheduled: self.scheduled.saturating_sub(before.scheduled), ..self };
        tells.then(|| without.with(after))
    }
}

impl Desk {
    /// Since when a text has failed that nobody has looked at, and after which none arrived.
    pub fn failed_since(&self) -> Option<Timestamp> {
        let Said { failed_at, reached_at, .. } = self.said;
        failed_at.filter(|_| failed_at > reached_at && failed_at > self.failure_seen)
    }

    /// Whether the candidate wrote something since then; all that they ever wrote, without a time.
    pub fn is_unread(&self, read_up_to: Option<Timestamp>) -> bool {
        self.said.last_in_at > read_up_to
    }

    /// Puts it away. Whoever does that has seen what failed.
    pub fn archive(&mut self, at: Timestamp) {
        self.archived_at = self.archived_at.or(Some(at));
        self.failure_seen = self.said.failed_at;
    }

    /// This account takes part: it is to answer if nobody is, and sees what follows.
    pub fn take_part(&mut self, account: &Account) {
        if self.assigned.is_none() {
            self.assigned = Some(account.clone());
        }
        self.follow(account, true);
    }

    /// Lets this account see it, or no more.
    pub fn follow(&mut self, account: &Account, follows: bool) {
        self.followers.retain(|follower| follower != account);
        if follows {
            self.followers.push(account.clone());
        }
    }
}

/// In which folders a conversation stands. What was put away shows again only where somebody must
/// still act: texts that failed since or wait for their time, and a wish to be left alone.
pub fn folders(conversation: &Conversation, desk: &Desk) -> Folders {
    let is_open = desk.archived_at.is_none();
    let unanswered = desk.said.last_in_at.is_some() && desk.said.last_in_at > desk.said.answered_at;
    let stands = |folder: &Folder| match folder {
        Folder::Team => is_open,
        Folder::Unanswered => is_open && unanswered && !desk.opted_out,
        Folder::Failed => desk.failed_since().is_some(),
        Folder::Scheduled => desk.said.scheduled > 0,
        Folder::PossibleOptOut => conversation.possible_opt_out.is_some(),
        Folder::Unmatched => is_open && conversation.opportunity.is_none(),
        Folder::Archived => !is_open,
    };
    Folder::ALL.into_iter().filter(stands).collect()
}

/// On which shelves it lies.
pub fn shelves(conversation: &Conversation, desk: &Desk) -> Vec<Shelf> {
    let mut shelves: Vec<Shelf> = folders(conversation, desk).iter().map(Shelf::Folder).collect();
    if desk.archived_at.is_none() {
        let assigned = desk.assigned.iter().filter(|account| !desk.followers.contains(account));
        shelves.extend(assigned.chain(&desk.followers).cloned().map(Shelf::Mine));
    }
    shelves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, ConversationId, MessageId, Number, Purpose};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn conversation() -> Conversation {
        let number = Number::from_e164("+12025550111").unwrap();
        Conversation {
            opportunity: Some("opp-1".parse().unwrap()),
            ..Conversation::new(ConversationId::new(1), number)
        }
    }

    fn message(second: i64, delivery: Delivery) -> Message {
        let (id, at) = (MessageId::new(at(second), &[0; 10]), at(second));
        let ours = Number::from_e164("+12025550100").unwrap();
        let message = Message::incoming(id, ConversationId::new(1), at, Body::new("x"), ours);
        let is_in = delivery == Delivery::Received;
        Message { direction: if is_in { Direction::In } else { Direction::Out }, delivery, ..message }
    }

    fn desk(deliveries: &[Delivery]) -> Desk {
        let messages = (1..).zip(deliveries).map(|(second, delivery)| message(second, *delivery));
        let said = messages.fold(Said::default(), |said, message| said.with(&message));
        Desk { said, ..Desk::default() }
    }

    #[test]
    fn what_was_said_decides_the_folders() {
        use Delivery::{
            Canceled, Delivered, Failed, Queued, Received, Scheduled, Sent, Unconfirmed, Undelivered,
        };
        use Folder::{Failed as InFailed, Scheduled as InScheduled, Team, Unanswered};
        let cases: &[(&[Delivery], &[Folder])] = &[
            (&[], &[Team]),
            (&[Received], &[Team, Unanswered]),
            (&[Received, Queued], &[Team]),
            (&[Received, Canceled], &[Team, Unanswered]),
            (&[Received, Undelivered], &[Team, Unanswered, InFailed]),
            (&[Received, Unconfirmed], &[Team, InFailed]),
            (&[Received, Scheduled], &[Team, Unanswered, InScheduled]),
            (&[Delivered, Received], &[Team, Unanswered]),
            (&[Failed], &[Team, InFailed]),
            (&[Undelivered, Received], &[Team, Unanswered, InFailed]),
            (&[Unconfirmed, Queued], &[Team, InFailed]),
            (&[Failed, Delivered], &[Team]),
            (&[Failed, Sent, Failed], &[Team, InFailed]),
        ];
        for (deliveries, expected) in cases {
            let found: Vec<Folder> = folders(&conversation(), &desk(deliveries)).iter().collect();
            assert_eq!(found, *expected, "{deliveries:?}");
        }
    }

    #[test]
    fn only_what_was_meant_for_them_answers_them() {
        let unanswered = |purpose| {
            let asked = message(1, Delivery::Received);
            let sent = Message { purpose, ..message(2, Delivery::Delivered) };
            let said = Said::default().with(&asked).with(&sent);
            folders(&conversation(), &Desk { said, ..Desk::default() }).has(Folder::Unanswered)
        };
        assert!(unanswered(Purpose::Bulk) && unanswered(Purpose::Automatic));
        assert!(![Purpose::Conversation, Purpose::Booking, Purpose::Help].map(unanswered).contains(&true));
    }

    #[test]
    fn what_people_did_decides_them_too() {
        let all =
            |conversation: &Conversation, desk: &Desk| folders(conversation, desk).iter().collect::<Vec<_>>();
        let waiting = desk(&[Delivery::Failed, Delivery::Received]);
        let opted_out = Desk { opted_out: true, ..waiting.clone() };
        assert_eq!(all(&conversation(), &opted_out), [Folder::Team, Folder::Failed]);
        let seen = Desk { failure_seen: waiting.said.failed_at, ..waiting.clone() };
        assert_eq!(all(&conversation(), &seen), [Folder::Team, Folder::Unanswered]);
        let mut archived = waiting;
        archived.archive(at(50));
        let unknown = Conversation { opportunity: None, ..conversation() };
        assert_eq!(all(&unknown, &archived), [Folder::Archived]);
        let doubtful = Conversation { possible_opt_out: Some(at(1)), ..unknown };
        assert_eq!(all(&doubtful, &archived), [Folder::PossibleOptOut, Folder::Archived]);
        let unmatched = Conversation { opportunity: None, ..conversation() };
        assert_eq!(all(&unmatched, &desk(&[Delivery::Sent])), [Folder::Team, Folder::Unmatched]);
    }

    #[test]
    fn a_change_of_one_message_is_followed_or_asks_for_all() {
        let sent = desk(&[Delivery::Received, Delivery::Scheduled, Delivery::Queued]).said;
        let (before, after) = (message(2, Delivery::Scheduled), message(2, Delivery::Canceled));
        assert_eq!(sent.changed(Some(&before), &after).unwrap().scheduled, 0);
        let (before, after) = (message(3, Delivery::Queued), message(3, Delivery::Delivered));
        assert_eq!(sent.changed(Some(&before), &after).unwrap().reached_at, Some(at(3)));
        let after = message(3, Delivery::Canceled);
        assert_eq!(sent.changed(Some(&before), &after), None, "what is the newest now?");
    }

    #[test]
    fn who_takes_part_has_it_among_theirs_until_it_is_archived() {
        let (priya, omar): (Account, Account) =
            ("priya@acme.example".parse().unwrap(), "omar@acme.example".parse().unwrap());
        let mut desk = Desk::default();
        desk.take_part(&priya);
        desk.take_part(&omar);
        desk.take_part(&omar);
        assert_eq!((desk.assigned.as_ref(), desk.followers.len()), (Some(&priya), 2));
        let mine = |desk: &Desk| {
            shelves(&conversation(), desk).into_iter().filter(|s| matches!(s, Shelf::Mine(_))).count()
        };
        assert_eq!(mine(&desk), 2);
        desk.follow(&priya, false);
        assert_eq!(mine(&desk), 2, "she is to answer still");
        desk.archive(at(1));
        assert_eq!(mine(&desk), 0);
    }

    #[test]
    fn a_folder_is_known_by_its_word() {
        for folder in Folder::ALL {
            assert_eq!(Folder::from_word(folder.word()), Some(folder));
        }
        assert_eq!(Folder::from_word("mine"), None);
    }
}

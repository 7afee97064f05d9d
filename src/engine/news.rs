//! News of conversations and profiles for whoever watches them: live pages.
//!
//! Each piece has a number, and the last ones are kept, so that a watcher whose connection broke
//! says which it saw last and misses nothing. One that was away for longer, or that knew another
//! run of the daemon, is told to read everything anew. News says *that* something changed, never
//! what: who may see it is asked when it is read.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fulcrum_domain::{ConversationId, OpportunityId};
use tokio::sync::broadcast;

/// Pieces that are kept for those who come back, and that a slow watcher may be behind.
const KEPT: usize = 1024;

/// The place of a piece of news: the run of the daemon and its number there. It stands in events
/// as `RUN-NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewsId {
    run: u64,
    number: u64,
}

impl fmt::Display for NewsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.run, self.number)
    }
}

/// No place of a piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event")]
pub struct NotNews;

impl FromStr for NewsId {
    type Err = NotNews;

    fn from_str(text: &str) -> Result<Self, NotNews> {
        let (run, number) = text.split_once('-').ok_or(NotNews)?;
        let run = u64::from_str_radix(run, 16).map_err(|_| NotNews)?;
        Ok(Self { run, number: number.parse().map_err(|_| NotNews)? })
    }
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// This conversation changed.
    Conversation(ConversationId),
    /// This opportunity was read again from Lever.
    Opportunity(OpportunityId),
    /// Something was missed, or is not to be seen any more: read everything anew.
    Everything,
}

impl From<ConversationId> for News {
    fn from(id: ConversationId) -> Self {
        Self::Conversation(id)
    }
}

/// The sending side, shared by all.
pub(crate) struct Newsroom {
    run: u64,
    told: Mutex<Told>,
    sender: broadcast::Sender<(u64, News)>,
}

#[derive(Default)]
struct Told {
    last: u64,
    kept: VecDeque<(u64, News)>,
}

/// The receiving side of one watcher.
pub struct Watch {
    run: u64,
    missed: VecDeque<(NewsId, News)>,
    receiver: broadcast::Receiver<(u64, News)>,
    last: u64,
}

impl Newsroom {
    /// `run` tells this run of the daemon from others.
    pub(crate) fn new(run: u64) -> Self {
        Self { run, told: Mutex::default(), sender: broadcast::channel(KEPT).0 }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody.
    pub(crate) fn tell(&self, news: impl Into<News>) {
        let mut told = self.told();
        told.last += 1;
        let piece = (told.last, news.into());
        if told.kept.len() == KEPT {
            told.kept.pop_front();
        }
        told.kept.push_back(piece.clone());
        // In the lock, so that numbers arrive in order. Nobody may be listening.
        drop(self.sender.send(piece));
    }

    /// Watches from now on, or from after `seen`.
    pub(crate) fn watch(&self, seen: Option<NewsId>) -> Watch {
        let told = self.told();
        let id = |number| NewsId { run: self.run, number };
        let first_kept = told.kept.front().map_or(told.last + 1, |(number, _)| *number);
        let missed = match seen {
            None => VecDeque::new(),
            Some(seen)
                if seen.run == self.run && (first_kept..=told.last + 1).contains(&(seen.number + 1)) =>
            {
                told.kept
                    .iter()
                    .filter(|(number, _)| *number > seen.number)
                    .map(|(number, news)| (id(*number), news.clone()))
                    .collect()
            }
            Some(_) => VecDeque::from([(id(told.last), News::Everything)]),
        };
        Watch { run: self.run, missed, receiver: self.sender.subscribe(), last: told.last }
    }
}

impl Watch {
    /// Where the watch stands before anything new.
    pub fn place(&self) -> NewsId {
        NewsId { run: self.run, number: self.last }
    }

    /// The next piece; none once the daemon ends.
    pub async fn next(&mut self) -> Option<(NewsId, News)> {
        if let Some(missed) = self.missed.pop_front() {
            return Some(missed);
        }
        let id = |number| NewsId { run: self.run, number };
        match self.receiver.recv().await {
            Ok((number, news)) => {
                self.last = number;
                Some((id(number), news))
            }
            // Whoever breaks off here and comes back is told to read everything once more.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.receiver = self.receiver.resubscribe();
                Some((id(self.last), News::Everything))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(number: u64) -> ConversationId {
        ConversationId::new(number)
    }

    #[tokio::test]
    async fn who_comes_back_misses_nothing() {
        let room = Newsroom::new(7);
        let mut watch = room.watch(None);
        room.tell(conversation(1));
        let (seen, news) = watch.next().await.unwrap();
        assert_eq!(news, News::Conversation(conversation(1)));
        drop(watch);
        room.tell(conversation(2));
        room.tell(conversation(3));

        let again = seen.to_string().parse().unwrap();
        let mut watch = room.watch(Some(again));
        room.tell(conversation(4));
        for number in 2..=4 {
            assert_eq!(watch.next().await.unwrap().1, News::Conversation(conversation(number)));
        }
    }

    #[tokio::test]
    async fn who_was_away_too_long_or_knew_another_run_reads_anew() {
        let room = Newsroom::new(7);
        let stranger = "8-1".parse().unwrap();
        assert_eq!(room.watch(Some(stranger)).next().await.unwrap().1, News::Everything);
        let first = room.watch(None).place();
        for number in 0..=u64::try_from(KEPT).unwrap() {
            room.tell(conversation(number));
        }
        assert_eq!(room.watch(Some(first)).next().await.unwrap().1, News::Everything);
    }

    #[test]
    fn what_is_no_id_of_news_is_none() {
        for wrong in ["", "-", "1", "x-1", "1-x", "1-1-1", "1--1"] {
            assert_eq!(wrong.parse::<NewsId>(), Err(NotNews), "{wrong}");
        }
    }
}

//! What waits for the writer, in two lines: those outside who wait for an answer now, and our own work. Ours may be
//! long (a page of the backfill is a hundred candidates), and a stranger who came behind it would wait for all of it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::error::StoreError;
use super::writer::{Job, Loop};

/// Changes of each line in one commit; more would make the first wait for the last.
const GROUP: usize = 1024;

/// Work between two commits.
pub(super) type Work = Box<dyn FnOnce(&mut Loop) + Send>;

/// Who waits for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Somebody outside, whose request is answered after it.
    Stranger,
    /// The daemon itself.
    Us,
}

#[derive(Default)]
struct Waiting {
    strangers: VecDeque<(Job, OwnedSemaphorePermit)>,
    ours: VecDeque<(Job, OwnedSemaphorePermit)>,
    between: VecDeque<Work>,
    closing: bool,
    closed: bool,
}

/// The two lines, and the work between commits.
#[derive(Default)]
pub(super) struct Line {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

/// What the writer does next.
pub(super) enum Next {
    /// A commit: [`Line::group`] says of what.
    Changes,
    Between(Work),
    /// Nothing came for the time that was given.
    Quiet,
    Close,
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell<T>(&self, what: impl FnOnce(&mut Waiting) -> T) -> Result<T, StoreError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        let told = what(&mut waiting);
        drop(waiting);
        self.news.notify_one();
        Ok(told)
    }

    /// # Errors
    /// [`StoreError::Closed`], here and below: nobody takes what waits any more.
    pub(super) fn change(&self, who: Who, job: Job, room: OwnedSemaphorePermit) -> Result<(), StoreError> {
        self.tell(|waiting| match who {
            Who::Stranger => waiting.strangers.push_back((job, room)),
            Who::Us => waiting.ours.push_back((job, room)),
        })
    }

    pub(super) fn between(&self, work: Work) -> Result<(), StoreError> {
        self.tell(|waiting| waiting.between.push_back(work))
    }

    /// Lets what waits be done, and then no more.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        self.tell(|waiting| waiting.closing = true)
    }

    /// Whoever still waits is told that the store is closed, and so is whoever comes.
    fn closed(&self) {
        let mut waiting = self.waiting();
        let left = std::mem::take(&mut *waiting);
        waiting.closed = true;
        drop(waiting);
        drop(left);
    }

    /// Held by the writer's thread: when it ends, for whatever reason, nobody waits for ever.
    pub(super) fn held(&self) -> Held<'_> {
        Held(self)
    }

    /// Waits for what is to be done, for so long at most.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let nothing = |waiting: &mut Waiting| {
            waiting.strangers.is_empty()
                && waiting.ours.is_empty()
                && waiting.between.is_empty()
                && !waiting.closing
        };
        let waiting = self.waiting();
        let mut waiting = match patience {
            None => self.news.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.news.wait_timeout_while(waiting, patience, nothing);
                let (waiting, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() {
                    return Next::Quiet;
                }
                waiting
            }
        };
        if let Some(work) = waiting.between.pop_front() {
            return Next::Between(work);
        }
        match waiting.strangers.is_empty() && waiting.ours.is_empty() {
            true => Next::Close,
            false => Next::Changes,
        }
    }

    /// The changes of one commit.
    pub(super) fn group(&self) -> Group<'_> {
        Group { line: self, strangers: 0, ours: 0, hurry: false }
    }
}

/// As long as it lives somebody takes what waits.
pub(super) struct Held<'l>(&'l Line);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// The changes of one commit, each taken when the one before it is done. All strangers first, and then ours until
/// a stranger comes: that one still joins, and waits for no other of ours. One of ours is in each commit, so that
/// they go on in a rush, too.
pub(super) struct Group<'l> {
    line: &'l Line,
    strangers: usize,
    ours: usize,
    hurry: bool,
}

impl Iterator for Group<'_> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        let mut waiting = self.line.waiting();
        if self.strangers < GROUP
            && let Some((job, _room)) = waiting.strangers.pop_front()
        {
            self.strangers += 1;
            self.hurry = self.ours > 0;
            return Some(job);
        }
        if self.hurry || self.ours == GROUP {
            return None;
        }
        let (job, _room) = waiting.ours.pop_front()?;
        self.ours += 1;
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn comes(line: &Line, who: Who) {
        let job: Job = Box::new(|_| (Box::new(drop), Vec::new()));
        let room = Arc::new(Semaphore::new(1));
        line.change(who, job, room.try_acquire_owned().unwrap()).unwrap();
    }

    fn waiting(line: &Line) -> (usize, usize) {
        let waiting = line.waiting();
        (waiting.strangers.len(), waiting.ours.len())
    }

    #[test]
    fn a_stranger_waits_for_one_of_ours_at_most() {
        let line = Line::default();
        comes(&line, Who::Us);
        comes(&line, Who::Us);
        comes(&line, Who::Stranger);
        let mut group = line.group();
        assert!(group.next().is_some());
        assert_eq!(waiting(&line), (0, 2), "the stranger goes first, whoever came before");
        assert!(group.next().is_some());
        assert_eq!(waiting(&line), (0, 1));
        comes(&line, Who::Stranger);
        assert!(group.next().is_some());
        assert_eq!(waiting(&line), (0, 1), "joins");
        assert!(group.next().is_none(), "and does not wait for another of ours");
    }

    #[test]
    fn ours_go_on_in_a_rush() {
        let line = Line::default();
        comes(&line, Who::Us);
        for _ in 0..=GROUP {
            comes(&line, Who::Stranger);
        }
        assert_eq!(line.group().count(), GROUP + 1);
        assert_eq!(waiting(&line), (1, 0));
    }

    #[test]
    fn without_strangers_ours_share_a_commit() {
        let line = Line::default();
        for _ in 0..=GROUP {
            comes(&line, Who::Us);
        }
        assert_eq!(line.group().count(), GROUP);
        assert!(matches!(line.next(None), Next::Changes));
    }

    #[test]
    fn what_waits_is_done_before_the_end_and_nothing_is_taken_after_it() {
        let line = Line::default();
        comes(&line, Who::Us);
        line.close().unwrap();
        assert!(matches!(line.next(None), Next::Changes));
        assert_eq!(line.group().count(), 1);
        assert!(matches!(line.next(None), Next::Close));
        drop(line.held());
        assert!(line.close().is_err());
    }

    #[test]
    fn nothing_for_a_while_is_told() {
        assert!(matches!(Line::default().next(Some(Duration::ZERO)), Next::Quiet));
    }
}

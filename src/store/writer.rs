//! The one writer. It takes the changes that wait ([`super::line`] says in which order), runs them in one
//! transaction, syncs once, and only then tells each caller. The next group forms while the last one syncs, so there is
//! no timer: alone a change costs one sync, among hundreds a share of one (dependencies.md, redb).
//!
//! Two further habits, both measured there. After a quiet moment one empty commit leaves the file
//! so that the next open needs no repair. And a commit that fails is the end: the kernel may have
//! dropped the pages, so the store refuses everything from then on and the process must end.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::line::{Line, Next, Who};
use super::seal::SealKeys;
use super::signal::{OnCommit, Signal};
use super::tx::Tx;

/// Changes that may wait. When so many do, a stranger is told that the store is busy, and a part of
/// ours waits for room.
const QUEUE: usize = 4096;
/// How long the queue is empty before the file is left in good order.
const QUIET: Duration = Duration::from_millis(250);

/// What the group's fate does with one change's result.
type Reply = Box<dyn FnOnce(bool) + Send>;
pub(super) type Job = Box<dyn FnOnce(&mut Tx<'_>) -> (Reply, Vec<Signal>) + Send>;

/// Rows that have changed, by table and key.
pub(super) type Changed = BTreeSet<(usize, Vec<u8>)>;

/// The way to the writer's thread.
pub(super) struct Writer {
    line: Arc<Line>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    failed: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(
        database: Arc<ArcSwap<Database>>,
        keys: Arc<SealKeys>,
        on_commit: OnCommit,
        broken: CancellationToken,
    ) -> std::io::Result<Self> {
        let line = Arc::new(Line::default());
        let failed = Arc::new(AtomicBool::new(false));
        let state = Loop { database, keys, on_commit, failed: failed.clone(), broken, changed: None };
        let orders = line.clone();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || state.run(&orders))?;
        Ok(Self { line, room: Arc::new(Semaphore::new(QUEUE)), thread: Some(thread), failed })
    }

    /// Room for one more change. We wait for it, a stranger does not.
    async fn room(&self, who: Who) -> Result<OwnedSemaphorePermit, StoreError> {
        match who {
            Who::Us => self.room.clone().acquire_owned().await.map_err(|_| StoreError::Closed),
            Who::Stranger => self.room.clone().try_acquire_owned().map_err(|_| StoreError::Busy),
        }
    }

    /// Runs `change` and answers when it is on disk. Cancel-safe in that the change happens or
    /// does not happen whole; a caller that leaves does not stop it.
    pub(super) async fn change<T, E>(
        &self,
        who: Who,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let room = self.room(who).await?;
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Failed.into());
        }
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = match catch_unwind(AssertUnwindSafe(|| change(tx))) {
                Ok(result) => result,
                Err(_panic) => Err(StoreError::Panicked.into()),
            };
            let (result, signals) = match result {
                Ok(value) => (Ok(value), tx.keep()),
                Err(error) => match tx.take_back() {
                    Ok(()) => (Err(error), Vec::new()),
                    Err(broken) => (Err(broken.into()), Vec::new()),
                },
            };
            let reply: Reply = Box::new(move |committed| {
                let _ = sender.send(if committed { result } else { Err(StoreError::Failed.into()) });
            });
            (reply, signals)
        });
        self.line.change(who, job, room)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// The way to the thread for work between two commits.
    pub(super) fn between(&self) -> Between {
        Between(self.line.clone())
    }

    /// Lets what waits be written, and ends the thread.
    pub(super) fn close(&mut self) {
        let _ = self.line.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs work on the writer's thread between two commits, when no change is half done.
pub(super) struct Between(Arc<Line>);

impl Between {
    /// Waits on this thread until `work` is done.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Loop) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = channel();
        self.0.between(Box::new(move |state| drop(sender.send(work(state)))))?;
        answer.recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// What the writer's thread holds.
pub(super) struct Loop {
    pub(super) database: Arc<ArcSwap<Database>>,
    keys: Arc<SealKeys>,
    on_commit: OnCommit,
    failed: Arc<AtomicBool>,
    broken: CancellationToken,
    /// What has changed since somebody began to ask.
    pub(super) changed: Option<Changed>,
}

impl Loop {
    fn run(mut self, line: &Line) {
        let _held = line.held();
        let mut in_order = false;
        loop {
            let next = line.next((!in_order).then_some(QUIET));
            in_order = matches!(next, Next::Quiet);
            match next {
                Next::Changes => self.commit(line),
                Next::Between(work) => work(&mut self),
                Next::Quiet => self.leave_in_order(),
                Next::Close => break self.leave_in_order(),
            }
            if self.failed.load(Ordering::Acquire) {
                break;
            }
        }
    }

    fn commit(&mut self, line: &Line) {
        let mut replies = Vec::new();
        let mut signals = Vec::new();
        let mut changed = self.changed.as_ref().map(|_| Changed::new());
        let outcome = (|| {
            let mut transaction = self.database.load().begin_write().map_err(StoreError::redb)?;
            // Strangers choose bytes that are stored here: two phases close the attack by which
            // such bytes pass for a commit after a crash.
            transaction.set_two_phase_commit(true);
            {
                let mut tx = Tx::new(&transaction, changed.as_mut(), &self.keys);
                for job in line.group() {
                    let (reply, told) = job(&mut tx);
                    replies.push(reply);
                    signals.extend(told);
                }
            }
            transaction.commit().map_err(StoreError::redb)
        })();
        let committed = outcome.is_ok();
        if let Err(error) = &outcome {
            self.fail(error);
        }
        if let (Some(all), Some(these)) = (&mut self.changed, &mut changed) {
            all.append(these);
        }
        // Before the answers: who hears that a text is taken finds it counted.
        if committed && !signals.is_empty() {
            (self.on_commit)(&signals);
        }
        for reply in replies {
            reply(committed);
        }
    }

    /// The storage cannot be relied on any more.
    pub(super) fn fail(&self, error: &StoreError) {
        tracing::error!(error = %Chain(error), "the store has failed: ending, so that the next start repairs it");
        self.failed.store(true, Ordering::Release);
        self.broken.cancel();
    }

    /// An empty commit that leaves the allocator's state in the file: the next open is quick.
    fn leave_in_order(&self) {
        let outcome = (|| {
            let mut transaction = self.database.load().begin_write().map_err(StoreError::redb)?;
            transaction.set_quick_repair(true);
            transaction.commit().map_err(StoreError::redb)
        })();
        if let Err(error) = outcome {
            self.fail(&error);
        }
    }
}

/// An error with its causes, for the log.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

//! Who is woken by what a commit tells.

use fulcrum_domain::{DeadlineKey, Remote};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use super::metrics::Metrics;
use super::news::Newsroom;
use crate::store::{OnCommit, Signal};

/// A deadline that was armed at a time, or taken away.
pub(crate) type Armed = (DeadlineKey, Option<Timestamp>);

/// The waiting sides.
pub struct Wake {
    pub(crate) inbox: Notify,
    pub(crate) lever: Notify,
    pub(crate) carrier: Notify,
    pub(crate) records: Notify,
    pub(crate) renewal: Notify,
    pub(crate) copies: Notify,
    pub(crate) sync: Notify,
    pub(crate) backfill: Notify,
    pub(crate) news: Newsroom,
    pub(crate) search: Notify,
    pub(crate) bulk: Notify,
    pub(crate) talks: Notify,
    pub(crate) audit_file: Notify,
    pub(crate) audit_syslog: Notify,
    armed: mpsc::UnboundedSender<Armed>,
}

impl Wake {
    /// Told of what waits for a remote.
    pub(crate) fn of(&self, remote: Remote) -> &Notify {
        match remote {
            Remote::Lever => &self.lever,
            Remote::Carrier => &self.carrier,
            Remote::Records => &self.records,
        }
    }

    /// The waiting sides, and the deadlines to be put on the wheel. That channel has no bound of
    /// its own: its sender is the store's thread, whose queue has one.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Armed>) {
        let (armed, deadlines) = mpsc::unbounded_channel();
        let wake = Self {
            inbox: Notify::new(),
            lever: Notify::new(),
            carrier: Notify::new(),
            records: Notify::new(),
            renewal: Notify::new(),
            copies: Notify::new(),
            sync: Notify::new(),
            backfill: Notify::new(),
            news: Newsroom::new(rand::random()),
            search: Notify::new(),
            bulk: Notify::new(),
            talks: Notify::new(),
            audit_file: Notify::new(),
            audit_syslog: Notify::new(),
            armed,
        };
        (wake, deadlines)
    }

    /// What the store calls after each commit. What is counted is counted here, once it is true.
    pub(crate) fn on_commit(self: std::sync::Arc<Self>, metrics: Metrics) -> OnCommit {
        Box::new(move |signals| {
            for signal in signals {
                match *signal {
                    Signal::Inbox => self.inbox.notify_one(),
                    Signal::Outbox(remote) => self.of(remote).notify_one(),
                    Signal::Deadline(key, at) => drop(self.armed.send((key, at))),
                    Signal::Text(direction, delivery) => metrics.text_is(direction, delivery),
                    Signal::Conversation(id) => self.news.tell(id),
                    Signal::ToIndex => self.search.notify_one(),
                    Signal::Talk => self.talks.notify_one(),
                    Signal::Turn => self.bulk.notify_one(),
                    Signal::Audit => {
                        self.audit_file.notify_one();
                        self.audit_syslog.notify_one();
                    }
                }
            }
        })
    }
}

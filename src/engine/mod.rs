//! The moving parts: what takes signals in, what does effects, what waits, what syncs.
//!
//! Each part is a task with a name, kept running by [`Tasks`], which stops when told and shows its
//! state. They share one [`Engine`]: the file, the remotes, the clock, the rules. They meet in the
//! file alone: whoever changes it is told to nobody but through [`crate::store::Signal`], after the
//! commit, and whoever wakes looks at what is stored.

pub mod changes;
pub mod clock;

mod backfill;
mod convert;
mod deadlines;
mod dispatch;
mod health;
mod hydrate;
mod inbound;
mod intake;
mod metrics;
mod notes;
mod people;
mod reconcile;
mod reference;
mod refused;
mod renewal;
mod send;
mod settings;
mod start;
pub(crate) mod status;
mod tasks;
pub(crate) mod view;
mod wake;

pub use deadlines::wheel_of;
pub use health::{Component, Health, HealthStatus};
pub use intake::{HookOutcome, LeverHook};
pub use metrics::Metrics;
pub use people::{FetchError, SendRefusal, SendRequest};
pub use settings::{BackfillScope, Confidential, OnUnknown, Settings};
pub use start::{Remotes, StartError};
pub use status::{BackfillStatus, LeverStatus, PhaseStatus, Status, StoredStatus, TaskStatus};
pub use tasks::Tasks;
pub use view::{
    ConversationView, EffectView, FilingView, Found, MessageView, OpportunityView, PAGE_MAX, Page,
    direction_word, failure_words,
};
pub use wake::Wake;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::carrier::Carrier;
use crate::lever::LeverClient;
use crate::store::Store;
use clock::Clock;

/// What the parts share. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What the parts share; nothing of it is seen from outside the engine.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) lever: LeverClient,
    pub(crate) carrier: Carrier,
    pub(crate) clock: Clock,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    pub(crate) notices: health::Notices,
    pub(crate) pulse: health::Pulse,
    /// Until when nothing is handed to the carrier, in ms since the epoch.
    pub(crate) carrier_pause: std::sync::atomic::AtomicI64,
    pub(crate) refused: refused::Refused,
    /// Held while one look at what changed is made.
    pub(crate) looking: tokio::sync::Mutex<()>,
    pub(crate) started_at: jiff::Timestamp,
}

impl std::ops::Deref for Engine {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

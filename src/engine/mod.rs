//! The moving parts: what takes signals in, what does effects, what waits, what syncs.
//!
//! Each part is a task with a name, kept running by [`Tasks`], which stops when told and shows its
//! state. They share one [`Engine`]: the file, the remotes, the clock, the rules. They meet in the
//! file alone: whoever changes it is told to nobody but through [`crate::store::Signal`], after the
//! commit, and whoever wakes looks at what is stored.

pub mod accounts;
pub mod audit;
pub mod changes;
pub mod clock;

mod appointments;
mod arranging;
mod asked;
mod automations;
mod back_test;
mod backfill;
mod backups;
mod booking;
mod bulk;
mod convert;
mod copied;
mod deadlines;
mod delivered;
mod dispatch;
mod erasures;
mod export;
mod facts;
mod files;
mod forgetting;
mod health;
mod hydrate;
mod inbound;
mod inbox;
mod indexing;
mod intake;
mod lines;
mod lost;
mod metrics;
#[cfg(test)]
mod month;
mod muting;
mod names;
mod news;
mod notes;
mod people;
mod reconcile;
mod reference;
mod refresh;
mod refused;
mod renewal;
mod repeats;
mod retention;
mod sealing;
mod search;
mod send;
mod settings;
mod setup;
mod start;
pub(crate) mod status;
mod talks;
mod tasks;
mod templates;
mod turns;
mod undelivered;
pub(crate) mod view;
mod wake;
mod wishes;

pub use arranging::{InterviewRefusal, InterviewRequest};
pub use automations::{AutomationView, CardView, OnCard, Reason, TEST_DAYS_MAX, Tested};
pub(crate) use automations::{standing, tested, why, why_not};
pub use backups::{BackupPlan, CopyError, CopyPlan};
pub use booking::{BookingAct, BookingState, BookingView};
pub use bulk::{BulkCounts, BulkView, Listed, MakeError, NewBulk, Part, RecipientView, Who, read_list};
pub(crate) use changes::opportunities_of;
pub use copied::{Copied, note_copied};
pub use deadlines::wheel_of;
pub(crate) use erasures::certificate;
pub use export::{ExportError, export_all, export_all_files, export_files, export_person, export_talk};
pub use facts::{Candidate, Colleague, Consent, Facts, NextInterview, Other, Reader, ZoneEvidence};
pub use files::FileRules;
pub use health::{Component, Health, HealthStatus};
pub use intake::{HookOutcome, LeverHook};
pub use lines::Lines;
pub use metrics::Metrics;
pub use names::UnknownName;
pub(crate) use names::unknown_names;
pub use news::{News, NewsId, NotNews, Watch};
pub use people::{FetchError, SendRefusal, SendRequest};
pub use refresh::Freshness;
pub use repeats::{KeyReused, Once};
pub(crate) use retention::holds;
pub use search::{HITS_MAX, Hit, QUERY_CHARS_MAX, SearchError, SearchQuery, SnippetPart};
pub use settings::{BackfillScope, Confidential, OnUnknown, Settings};
pub use setup::{HookRecord, HookRefusal, KeyTrouble, Permission, Probed, lacked_by, permissions_wanted};
pub use start::{Remotes, StartError};
pub use status::{BackfillStatus, LeverStatus, PhaseStatus, Status, StoredStatus, TaskStatus};
pub use tasks::Tasks;
pub use templates::{Sender, TemplateError};
pub use view::{
    ActivityQuery, ActivityRow, COUNTED, ConversationView, EffectView, FilingView, Found, InboxCursor,
    InboxQuery, InboxRow, InterviewState, InterviewView, MessageView, OpportunityView, PAGE_MAX, Page,
    ShelfCount, Shelves, WhoDid,
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
pub struct Engine {
    shared: Arc<Shared>,
    /// The request for which something is done, if it carried a key; see [`Engine::under`].
    once: Option<Once>,
}

/// What the parts share; nothing of it is seen from outside the engine.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) lever: LeverClient,
    pub(crate) carrier: Carrier,
    pub(crate) calendars: booking::CalendarCache,
    pub(crate) clock: Clock,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    pub(crate) notices: health::Notices,
    pub(crate) pulse: health::Pulse,
    /// Until when nothing is handed to the carrier, in ms since the epoch.
    pub(crate) carrier_pause: std::sync::atomic::AtomicI64,
    /// What the last answers of the carrier say of the next text.
    pub(crate) brake: std::sync::Mutex<fulcrum_domain::Brake>,
    /// Which of our numbers have sent what the carrier takes in a day.
    pub(crate) capped: undelivered::Capped,
    /// Whether nothing leaves, as the file says; kept here for pages.
    pub(crate) muted: std::sync::atomic::AtomicBool,
    pub(crate) refused: refused::Refused,
    pub(crate) refreshing: turns::Turns<fulcrum_domain::OpportunityId>,
    pub(crate) outdated: refresh::Outdated,
    /// What the key may do, as it was found out last.
    pub(crate) probed: arc_swap::ArcSwapOption<Probed>,
    /// Held while that is found out.
    pub(crate) probing: tokio::sync::Mutex<()>,
    pub(crate) refused_hooks: intake::RefusedHooks,
    pub(crate) waiting: Arc<inbox::Waiting>,
    /// None beside a store that is no file.
    pub(crate) searching: Option<Arc<indexing::Searching>>,
    /// Held while one look at what changed is made.
    pub(crate) looking: tokio::sync::Mutex<()>,
    pub(crate) started_at: jiff::Timestamp,
}

impl std::ops::Deref for Engine {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

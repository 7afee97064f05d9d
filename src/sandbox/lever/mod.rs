//! The simulated Lever: one account over the real HTTP contract (lever-api.md), including the parts that
//! hurt.
//!
//! [`Tenant`] is the state, a generated past and overlays of what changed; the handlers stand
//! in files named after the resources; [`events`] is what people do inside Lever; `hooks` tells the world.
//! Each unknown of section 10 has the default that stands there.

mod api;
mod bucket;
mod error;
mod events;
mod generator;
mod hooks;
mod ids;
mod interviews;
mod list;
mod mover;
mod notes;
mod opportunities;
mod order;
mod people;
mod permissions;
mod query;
mod reference;
mod render;
mod schedule;
mod signature;
mod site;
mod tables;
mod tenant;
#[cfg(test)]
mod tests;
mod truth;
mod webhooks;
mod wire;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use bucket::Stats;
pub use events::{Event, EventError, Happened};
pub(crate) use hooks::EVENTS_KNOWN;
pub use hooks::{WEBHOOK_EVENTS, WebhookRetries};
pub use mover::Moves;
pub use permissions::{Permission, Permissions, UnknownPermission};
pub use truth::{Truth, TruthInterview, TruthNote};

use crate::clock::SimClock;
use crate::faults::Faults;
use crate::ledger::Ledger;
use bucket::Bucket;
use error::ApiError;
use generator::Plan;
use hooks::{Happening, Sender};
use mover::Mover;
use tenant::Tenant;

/// How the simulated Lever is set up.
#[derive(Clone)]
pub struct LeverOptions {
    /// The API key; `/` and `+` may occur in real ones.
    pub api_key: String,
    /// Opportunities at the start, up to a million.
    pub opportunities: u32,
    /// Share of them that is active.
    pub active_share: f64,
    /// Requests a second that refill the bucket; by tokio's time, whatever the simulated clock does.
    pub rate: f64,
    /// Size of the bucket.
    pub burst: u32,
    /// What the key may do.
    pub permissions: Permissions,
    /// Milliseconds that an answer takes.
    pub latency_ms: Range<u64>,
    /// How webhooks are retried.
    pub webhook_retries: WebhookRetries,
    /// Whether envelopes carry an `id`; the contract is not sure.
    pub webhook_ids: bool,
    /// The longest note that is taken, in characters; none is documented.
    pub note_chars_max: Option<usize>,
    /// What the key must be allowed beside the opportunities themselves where `expand` is asked for; whether
    /// that is anything, Lever says nowhere (lever-api.md 1.4).
    pub expand_needs: Option<Permission>,
    /// Whether an opportunity's `updatedAt` tells of its interviews; that is judged, not documented
    /// (lever-api.md 4.2).
    pub interviews_bump_updated: bool,
    /// What a confidential record answers that the key may not see; not stated (lever-api.md 1.5).
    pub hidden: Hidden,
    /// What a `perform_as` answers that is not taken: 400, 403 or 404; undocumented (lever-api.md 5.4).
    pub perform_as_refused: StatusCode,
    /// For how many milliseconds a list of notes does not show a new one; that it shows it at once, Lever says
    /// nowhere.
    pub notes_lag_ms: i64,
}

/// What a confidential record answers that the key may not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// 403, which says that there is something.
    #[default]
    Forbidden,
    /// 404, as if there were nothing.
    NotFound,
}

impl Default for LeverOptions {
    fn default() -> Self {
        Self {
            api_key: "sandbox/lever+api/key+0123456789abcdefghijklmnop".to_owned(),
            opportunities: 2000,
            active_share: 0.2,
            rate: 10.0,
            burst: 20,
            permissions: Permissions::default(),
            latency_ms: 0..0,
            webhook_retries: WebhookRetries::default(),
            webhook_ids: true,
            note_chars_max: None,
            expand_needs: None,
            interviews_bump_updated: true,
            hidden: Hidden::default(),
            perform_as_refused: StatusCode::BAD_REQUEST,
            notes_lag_ms: 0,
        }
    }
}

/// A running simulated Lever. Clones share it.
#[derive(Clone)]
pub(crate) struct Lever(Arc<Inner>);

struct Inner {
    options: LeverOptions,
    tenant: Mutex<Tenant>,
    permissions: Mutex<Permissions>,
    started: Instant,
    bucket: Mutex<Bucket>,
    mover: Mover,
    sender: Sender,
    clock: SimClock,
    ledger: Ledger,
}

impl Lever {
    /// Generates the tenant and starts the tasks that send webhooks and move candidates.
    pub(crate) fn start(
        options: LeverOptions,
        seed: u64,
        (clock, ledger, faults): (SimClock, Ledger, Faults),
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        let now_ms = clock.now_ms();
        let (opportunities, active_share) = (options.opportunities, options.active_share);
        let (sender, queue) =
            Sender::new(options.webhook_retries, options.webhook_ids, clock.clone(), ledger.clone(), faults)?;
        tasks.spawn(sender.clone().run(queue, tasks.clone(), stop.clone()));
        let mut tenant = Tenant::generate(Plan { seed, opportunities, active_share, now_ms });
        tenant.interviews_bump_updated = options.interviews_bump_updated;
        let lever = Self(Arc::new(Inner {
            tenant: Mutex::new(tenant),
            permissions: Mutex::new(options.permissions.clone()),
            started: Instant::now(),
            bucket: Mutex::new(Bucket::new(options.rate, options.burst)),
            mover: Mover::default(),
            options,
            sender,
            clock,
            ledger,
        }));
        tasks.spawn(stop.clone().run_until_cancelled_owned(lever.clone().keep_moving()));
        Ok(lever)
    }

    /// Name and e-mail of the user who never leaves.
    pub(crate) fn lasting_user(&self) -> (String, String) {
        let user = &self.tenant().reference.users[0];
        (user.name.clone(), user.email.clone())
    }

    pub(crate) fn stage(&self, name: &str) -> Option<String> {
        let tenant = self.tenant();
        let row = tenant.reference.stages.iter().find(|row| row.stage.text == name);
        row.map(|row| row.stage.id.clone())
    }

    pub(crate) fn options(&self) -> &LeverOptions {
        &self.0.options
    }

    /// What was asked so far.
    pub(crate) fn stats(&self) -> Stats {
        self.bucket().stats.clone()
    }

    /// Webhook events that are neither delivered nor given up.
    pub(crate) fn webhooks_waiting(&self) -> u64 {
        self.0.sender.waiting()
    }

    fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.0.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.0.clock.now_ms()
    }

    fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    fn record(&self, kind: &'static str, detail: Value) {
        self.0.ledger.record(self.now(), kind, detail);
    }

    fn emit<'a>(&self, happenings: impl IntoIterator<Item = &'a Happening>) {
        for happening in happenings {
            self.0.sender.emit(happening);
        }
    }

    /// Somebody ticks other boxes of the key.
    pub(crate) fn set_permissions(&self, permissions: Permissions) {
        *self.0.permissions.lock().unwrap_or_else(PoisonError::into_inner) = permissions;
    }

    fn grants(&self, permission: Permission) -> bool {
        self.0.permissions.lock().unwrap_or_else(PoisonError::into_inner).allow(permission)
    }

    /// 403 unless the key has this tick-box.
    fn require(&self, permission: Permission) -> Result<(), ApiError> {
        if self.grants(permission) {
            Ok(())
        } else {
            Err(ApiError::forbidden(format!("This API key lacks the permission \"{}\"", permission.label())))
        }
    }

    /// The opportunity, if it exists and the key may see it.
    fn visible(&self, tenant: &Tenant, id: &str) -> Result<u32, ApiError> {
        let index = tenant.find(id).ok_or_else(|| ApiError::not_found("opportunity"))?;
        if tenant.row(index).confidential && !self.grants(Permission::Confidential) {
            return Err(match self.options().hidden {
                Hidden::Forbidden => ApiError::forbidden("This opportunity is confidential"),
                Hidden::NotFound => ApiError::not_found("opportunity"),
            });
        }
        Ok(index)
    }
}

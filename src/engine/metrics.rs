//! The figures of interface.md, in a registry of their own. Labels are words from closed lists:
//! nothing that a stranger or a person wrote.

mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fulcrum_domain::{Delivery, Direction, EffectKind, EffectState, HookEvent};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::HookOutcome;
use super::status::Status;
use crate::lever::{Observer, Seen};

type Ratio = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    event: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    lane: &'static str,
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    effect: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Texts {
    direction: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    component: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Copies {
    outcome: &'static str,
}

/// Everything that is counted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    webhooks: Family<Webhook, Counter>,
    requests: Family<Request, Counter>,
    texts: Family<Texts, Counter>,
    texts_found_by_poll: Counter,
    notes: Counter,
    note_lag: Histogram,
    rate_used: Ratio,
    backfill_done: Gauge,
    backfill_known: Gauge,
    outbox: Family<Rows, Gauge>,
    oldest: Gauge,
    deadlines: Gauge,
    inbox: Gauge,
    found_by_poll: Gauge,
    store_bytes: Gauge,
    components: Family<Part, Gauge>,
    last_backup: Gauge,
    last_copy: Gauge,
    certificate: Gauge,
    rows_to_seal: Gauge,
    copies: Family<Copies, Counter>,
    limited: Family<Limited, Counter>,
}

const TO_SEAL: &str = "Rows that are not yet known to be sealed as the config wants it";
const LAST_BACKUP: &str = "When the daemon last made a backup by itself; 0 if never";
const LAST_COPY: &str = "When the newest backup was made that lies in the bucket; 0 if none does";

const CERTIFICATE: &str = "Until when the certificate of the public listener is valid; 0 if it has none";

/// Seconds from due to filed: a second is the goal, a day an outage of Lever.
const LAG: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0, 86400.0];

fn counted<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn measured<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str, unit: Unit) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

impl Metrics {
    pub(crate) fn new(started_at: Timestamp) -> Self {
        let mut whole = Registry::default();
        whole.register_collector(Box::new(process::Process { started_at: started_at.as_second() }));
        let registry = whole.sub_registry_with_prefix("fulcrum");
        let lag = Histogram::new(LAG);
        registry.register_with_unit("note_lag", "Filed minus due", Unit::Seconds, lag.clone());
        let r = registry;
        let metrics = Self {
            webhooks: counted(r, "webhooks", "Webhooks of Lever, by event and outcome"),
            requests: counted(r, "lever_requests", "Requests to Lever; status 0 when no answer came"),
            texts: counted(r, "messages", "Texts that came to a status, by direction"),
            texts_found_by_poll: counted(
                r,
                "messages_found_by_poll",
                "Texts that came without their webhook",
            ),
            notes: counted(r, "notes_filed", "Transcripts that stand in Lever"),
            note_lag: lag,
            rate_used: counted(r, "lever_rate_used_ratio", "Share of Lever's rate used while busy"),
            backfill_done: counted(r, "backfill_done", "Rows that the initial sync has read"),
            backfill_known: counted(r, "backfill_known", "Rows that it will read, as far as known"),
            outbox: counted(r, "outbox_rows", "Effects, by kind and state"),
            oldest: measured(r, "outbox_oldest", "Age of the oldest due effect", Unit::Seconds),
            deadlines: counted(r, "deadlines_pending", "Deadlines that wait"),
            inbox: counted(r, "inbox_rows", "Webhooks that wait to be processed"),
            found_by_poll: counted(r, "found_by_poll", "Changes that no webhook announced"),
            store_bytes: measured(r, "store", "Size of the file", Unit::Bytes),
            rows_to_seal: counted(r, "store_rows_to_seal", TO_SEAL),
            components: counted(r, "component_state", "Health of each part: 0 ok, 1 degraded, 2 failing"),
            last_backup: measured(r, "last_backup_timestamp", LAST_BACKUP, Unit::Seconds),
            last_copy: measured(r, "last_backup_copy_timestamp", LAST_COPY, Unit::Seconds),
            certificate: measured(r, "certificate_expiry_timestamp", CERTIFICATE, Unit::Seconds),
            copies: counted(r, "backup_copies", "Tries to copy a backup, by outcome"),
            limited: counted(r, "limited", "What a limit of the listener held back"),
            registry: Arc::default(),
        };
        metrics.begin_at_nought();
        Self { registry: Arc::new(whole), ..metrics }
    }

    /// What has not happened yet is counted as none: a rate over what is missing is missing, too.
    fn begin_at_nought(&self) {
        for outcome in ["copied", "failed"] {
            drop(self.copies.get_or_create(&Copies { outcome }));
        }
        for event in HookEvent::ALL.map(HookEvent::as_key) {
            // One that is first seen at 1 has not grown, to Prometheus: an alert would miss it.
            for outcome in HookOutcome::OF_AN_EVENT.map(HookOutcome::as_str) {
                drop(self.webhooks.get_or_create(&Webhook { event, outcome }));
            }
        }
        for (direction, status) in [
            (Direction::Out, ["queued", "sent", "delivered", "unconfirmed", "failed"].as_slice()),
            (Direction::In, &["received", "ignored"]),
        ] {
            for status in status {
                drop(self.texts.get_or_create(&Texts { direction: direction.word(), status }));
            }
        }
    }

    pub(crate) fn observer(&self) -> Observer {
        let requests = self.requests.clone();
        Arc::new(move |seen: Seen| {
            let labels = Request {
                lane: seen.lane.as_str(),
                endpoint: seen.endpoint.as_str(),
                status: seen.status.map_or(0, |status| status.as_u16()),
            };
            requests.get_or_create(&labels).inc();
        })
    }

    /// A webhook came.
    pub fn webhook(&self, event: &'static str, outcome: HookOutcome) {
        self.webhooks.get_or_create(&Webhook { event, outcome: outcome.as_str() }).inc();
    }

    /// There are these limits; none of them held anything back yet.
    pub(crate) fn limits(&self, limits: impl IntoIterator<Item = &'static str>) {
        limits.into_iter().for_each(|limit| drop(self.limited.get_or_create(&Limited { limit })));
    }

    /// A limit of the listener held something back.
    pub(crate) fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&Limited { limit }).inc();
    }

    /// Until when the certificate of the public listener is valid.
    pub(crate) fn certificate_ends(&self, at: Timestamp) {
        self.certificate.set(at.as_second());
    }

    /// A backup was copied to the bucket, or that failed.
    pub(crate) fn copied(&self, outcome: &'static str) {
        self.copies.get_or_create(&Copies { outcome }).inc();
    }

    /// A text is in a state that it was not in before.
    pub(crate) fn text_is(&self, direction: Direction, delivery: Delivery) {
        let labels = Texts { direction: direction.word(), status: delivery.word() };
        self.texts.get_or_create(&labels).inc();
    }

    /// A text came without its webhook.
    pub(crate) fn text_found_by_poll(&self) {
        self.texts_found_by_poll.inc();
    }

    /// A text was left alone, since it came from or to what is no telephone number.
    pub(crate) fn text_ignored(&self) {
        let labels = Texts { direction: Direction::In.word(), status: "ignored" };
        self.texts.get_or_create(&labels).inc();
    }

    pub(crate) fn filed(&self, lag_seconds: f64) {
        self.notes.inc();
        self.note_lag.observe(lag_seconds);
    }

    /// The Prometheus text, with the state of the moment.
    pub fn text(&self, status: &Status) -> String {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.rate_used.set(status.lever.rate_used);
        let stored = &status.stored;
        self.backfill_done.set(signed(stored.backfill.phases.iter().map(|phase| phase.done).sum()));
        let known = stored.backfill.phases.iter().map(|phase| phase.known.unwrap_or(phase.done)).sum();
        self.backfill_known.set(signed(known));
        for kind in EffectKind::ALL {
            for state in EffectState::ALL {
                let rows = stored.outbox.get(&(kind, state)).copied().unwrap_or(0);
                let labels = Rows { effect: kind.as_str(), state: state.as_str() };
                self.outbox.get_or_create(&labels).set(signed(rows));
            }
        }
        self.oldest.set(signed(stored.outbox_oldest_seconds));
        self.deadlines.set(signed(stored.deadlines));
        self.inbox.set(signed(stored.inbox));
        self.found_by_poll.set(signed(stored.found_by_poll));
        self.store_bytes.set(signed(status.store_bytes));
        for (component, part) in &status.health.components {
            self.components.get_or_create(&Part { component }).set(part.status as i64);
        }
        self.last_backup.set(stored.last_backup.map_or(0, Timestamp::as_second));
        self.rows_to_seal.set(signed(super::sealing::left(stored.sealing.as_ref())));
        self.last_copy.set(stored.last_copy.map_or(0, Timestamp::as_second));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

//! Whether the daemon and its parts work, for `/health`, `/health/live` and systemd's watchdog.
//!
//! The parts report what they meet as [`Notices`]; the engine puts these together with what the
//! file and the clock say. A file that cannot be read is what health is asked for most, so every part is
//! named without it, too. [`Pulse`] is about the process itself: one that stands still notices nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fulcrum_domain::polling::is_late;
use fulcrum_domain::{EffectKind, EffectState, HookEvent};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Engine;
use super::setup::HookRecord;
use super::status::StoredStatus;
use crate::store::{PhaseState, RefusedHook, StoreError};

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// It works.
    Ok,
    /// It works in part; an operator should look.
    Degraded,
    /// It does not work.
    Failing,
}

impl HealthStatus {
    /// The word of interface.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// A part of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// What is done for audits beside the store.
    Audit,
    Backfill,
    Backup,
    /// Those of the people who interview.
    Calendars,
    Carrier,
    Clock,
    /// The one on disk, where that is not the one in force.
    Config,
    Lever,
    /// The public one, the operator's own and the control socket.
    Listener,
    Outbox,
    Search,
    Store,
}

impl Part {
    const ALL: [Self; 12] = [
        Self::Audit,
        Self::Backfill,
        Self::Backup,
        Self::Calendars,
        Self::Carrier,
        Self::Clock,
        Self::Config,
        Self::Lever,
        Self::Listener,
        Self::Outbox,
        Self::Search,
        Self::Store,
    ];

    /// The name of its component.
    fn word(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Backfill => "backfill",
            Self::Backup => "backup",
            Self::Calendars => "calendars",
            Self::Carrier => "carrier",
            Self::Clock => "clock",
            Self::Config => "config",
            Self::Lever => "lever",
            Self::Listener => "listener",
            Self::Outbox => "outbox",
            Self::Search => "search",
            Self::Store => "store",
        }
    }
}

/// How a part is, as health shows it.
#[derive(Clone, Debug)]
pub struct Component {
    /// How it is.
    pub status: HealthStatus,
    /// Since when.
    pub since: Timestamp,
    /// In words, with what to do.
    pub detail: String,
}

/// The whole, and its parts by name.
#[derive(Clone, Debug)]
pub struct Health {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// The parts.
    pub components: BTreeMap<&'static str, Component>,
}

/// What the parts report about the remotes and themselves.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    inner: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// By part and by what of it: what works does not hide what does not.
    trouble: BTreeMap<(Part, String), Component>,
    healthy_since: BTreeMap<Part, Timestamp>,
    /// What was found when somebody last asked, and since when that is so: nothing reports it.
    found: BTreeMap<Part, (HealthStatus, Timestamp)>,
    hooks: BTreeMap<&'static str, HookRecord>,
    polled: Option<Timestamp>,
}

impl Notices {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `about` a part all is well, as far as could be seen just now.
    pub(crate) fn well(&self, part: Part, about: &str, now: Timestamp) {
        let mut noted = self.lock();
        let mended = noted.trouble.remove(&(part, about.to_owned())).is_some();
        if mended || !noted.healthy_since.contains_key(&part) {
            noted.healthy_since.insert(part, now);
        }
    }

    /// A part has trouble `about` something. The first moment of it stays, and whether that is news is told.
    pub(crate) fn trouble(
        &self,
        part: Part,
        about: &str,
        status: HealthStatus,
        detail: String,
        now: Timestamp,
    ) -> bool {
        let mut noted = self.lock();
        let key = (part, about.to_owned());
        let since = noted.trouble.get(&key).map_or(now, |component| component.since);
        noted.trouble.insert(key, Component { status, since, detail }).is_none()
    }

    pub(crate) fn hook_verified(&self, event: HookEvent, now: Timestamp) {
        self.lock().hooks.entry(event.as_key()).or_default().verified = Some(now);
    }

    pub(crate) fn hook_refused(&self, event: &'static str, refused: RefusedHook) {
        self.lock().hooks.entry(event).or_default().refused = Some(refused);
    }

    /// All that came in at the carrier was asked for.
    pub(crate) fn polled(&self, now: Timestamp) {
        self.lock().polled = Some(now);
    }

    /// When it last was.
    pub(crate) fn last_polled(&self) -> Option<Timestamp> {
        self.lock().polled
    }

    /// Takes up what a former run has stored.
    pub(crate) fn recall_hooks(&self, records: BTreeMap<&'static str, HookRecord>) {
        self.lock().hooks = records;
    }

    /// How the webhooks of each event do.
    pub(crate) fn hook_records(&self) -> BTreeMap<&'static str, HookRecord> {
        self.lock().hooks.clone()
    }

    /// The last verified webhook of each event.
    pub(crate) fn hooks_seen(&self) -> BTreeMap<&'static str, Timestamp> {
        let noted = self.lock();
        noted.hooks.iter().filter_map(|(event, record)| Some((*event, record.verified?))).collect()
    }

    /// A part is found to be worse than anything has reported. Since when it was found so.
    fn found(&self, part: Part, status: HealthStatus, now: Timestamp) -> Timestamp {
        let mut noted = self.lock();
        let since =
            noted.found.get(&part).filter(|(before, _)| *before == status).map_or(now, |(_, since)| *since);
        noted.found.insert(part, (status, since));
        since
    }

    /// It is not any more.
    fn found_no_more(&self, part: Part, now: Timestamp) {
        let mut noted = self.lock();
        if noted.found.remove(&part).is_some() {
            noted.healthy_since.insert(part, now);
        }
    }

    fn of(&self, part: Part, started: Timestamp) -> Component {
        let noted = self.lock();
        let of_part = noted.trouble.iter().filter(|((of, _), _)| *of == part).map(|(_, component)| component);
        of_part.max_by_key(|component| component.status).cloned().unwrap_or_else(|| Component {
            status: HealthStatus::Ok,
            since: noted.healthy_since.get(&part).copied().unwrap_or(started),
            detail: String::new(),
        })
    }
}

/// How often the pulse beats.
const BEAT: Duration = Duration::from_secs(1);

/// A process without a beat for so long stands still. A disk that is slow for a moment is no reason
/// to be restarted.
const STILL: Duration = Duration::from_secs(30);

/// The sign of life of the process.
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    /// The last beat, in ms since the start.
    last_ms: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    fn is_still(&self) -> bool {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last) > STILL
    }
}

/// How long the file may take before health goes without it.
const READ_TIME: Duration = Duration::from_secs(2);

/// What health says of a part that only the file knows about.
const NOT_KNOWN: &str = "not known while the store cannot be read";

/// What health says while nothing leaves.
pub(crate) const MUTED: &str = "muted: this is a restored copy, and neither texts nor notes leave it; \
                                when its original is stopped for good, `fulcrum unmute`";

impl Engine {
    /// Beats as long as tasks get their turn and the file answers.
    pub(crate) async fn run_pulse(self) -> Result<(), StoreError> {
        loop {
            self.store.read(|_| Ok::<_, StoreError>(())).await?;
            self.pulse.beat();
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Whether the process makes progress: the file has not failed, every background task is there, and
    /// the pulse beats. One that does not is best ended and started again.
    pub fn is_alive(&self) -> bool {
        let all_run = self.tasks.states().values().all(|task| task.running);
        all_run && !self.store.broken().is_cancelled() && !self.pulse.is_still()
    }

    /// Whether whoever connects must wait, since all places of a listener are taken.
    pub(crate) fn note_crowd(&self, is_full: bool) {
        let now = self.clock.now();
        if is_full {
            let detail = "all places are taken, whoever comes waits: fulcrum_limited_total says what is held \
                          back, and server.limits.connections how many there are";
            self.notices.trouble(Part::Listener, "", HealthStatus::Degraded, detail.into(), now);
        } else {
            self.notices.well(Part::Listener, "", now);
        }
    }

    /// Whether a config that was to be read again was refused, and why, without anything that stands in it:
    /// then the one before holds.
    pub fn note_config(&self, refused: Option<String>) {
        let now = self.clock.now();
        match refused {
            Some(detail) => {
                self.notices.trouble(Part::Config, "", HealthStatus::Degraded, detail, now);
            }
            None => self.notices.well(Part::Config, "", now),
        }
    }

    /// What whoever connects will refuse the certificate for, if anything.
    pub(crate) fn note_certificate(&self, flaw: Option<String>) {
        const ABOUT: &str = "certificate";
        let now = self.clock.now();
        let Some(flaw) = flaw else { return self.notices.well(Part::Listener, ABOUT, now) };
        if self.notices.trouble(Part::Listener, ABOUT, HealthStatus::Degraded, flaw.clone(), now) {
            tracing::warn!("{flaw}");
        }
    }

    /// How the parts are, also while the file cannot be read or does not answer.
    pub async fn health(&self) -> Health {
        let detail = match tokio::time::timeout(READ_TIME, self.status()).await {
            Ok(Ok(status)) => return status.health,
            Ok(Err(error)) => format!("it cannot be read: {error}"),
            Err(_) => "it does not answer".to_owned(),
        };
        self.health_of(Err(detail), self.clock.now())
    }

    /// How the parts are, by what the file says or why it says nothing.
    pub(super) fn health_of(&self, stored: Result<&StoredStatus, String>, now: Timestamp) -> Health {
        let reported = Part::ALL.map(|part| self.notices.of(part, self.started_at));
        let mut parts = Parts(reported.clone());
        if self.store.broken().is_cancelled() {
            let detail =
                "the storage failed under a write; the process ends so that the next start repairs it";
            parts.worsen(Part::Store, HealthStatus::Failing, detail.into());
        }
        for (name, task) in self.tasks.states() {
            if let Some(error) = task.last_error.as_ref().filter(|_| task.is_failing()) {
                let detail = format!("the task \u{201c}{name}\u{201d} fails again and again: {error}");
                parts.worsen(Part::Store, HealthStatus::Degraded, detail);
            }
        }
        if let Some(detail) = self.refused.in_words() {
            parts.worsen(Part::Lever, HealthStatus::Degraded, detail);
        }
        if let Some(detail) = self.capped_in_words(now) {
            parts.worsen(Part::Carrier, HealthStatus::Degraded, detail);
        }
        parts.worsen(Part::Audit, HealthStatus::Ok, self.audit_in_words());
        if let Some(every) = self.settings.load().poll_alone {
            let (status, detail) = self.polling_in_words(every, now);
            parts.worsen(Part::Carrier, status, detail);
        }
        match stored {
            Ok(stored) => self.add_stored(&mut parts, stored),
            Err(detail) => {
                parts.worsen(Part::Store, HealthStatus::Failing, detail);
                for part in [Part::Backfill, Part::Outbox, Part::Backup] {
                    parts.worsen(part, HealthStatus::Degraded, NOT_KNOWN.into());
                }
            }
        }
        if let Some(skew) = self.lever.skew(now)
            && skew.abs() > SignedDuration::from_secs(30)
        {
            let (by, way) = (SignedDuration::from_secs(skew.as_secs()).abs(), skew.is_negative());
            let way = if way { "ahead of" } else { "behind" };
            let detail = format!("this clock is {by:#} {way} Lever's: set up time synchronisation");
            parts.worsen(Part::Clock, HealthStatus::Degraded, detail);
        }
        parts.date(&reported, &self.notices, now);
        parts.into_health()
    }

    /// How it stands with texts that come in, where the carrier is asked for them every `every`.
    fn polling_in_words(&self, every: Duration, now: Timestamp) -> (HealthStatus, String) {
        let last = self.notices.last_polled();
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        let late = is_late(last.unwrap_or(self.started_at), every, now);
        let last = last.map_or_else(|| "never yet".into(), |at| format!("{at:.0}"));
        let detail = format!("asked every {every:#} for texts that came in; last: {last}");
        (if late { HealthStatus::Degraded } else { HealthStatus::Ok }, detail)
    }

    fn add_stored(&self, parts: &mut Parts, stored: &StoredStatus) {
        if stored.muted.is_some() {
            parts.worsen(Part::Outbox, HealthStatus::Degraded, MUTED.into());
        }
        if let Some(sealing) = &stored.sealing {
            parts.worsen(Part::Store, HealthStatus::Ok, super::sealing::in_words(sealing));
        }
        let backups = self.backup_in_words(stored.last_backup, stored.last_copy);
        parts.worsen(Part::Backup, HealthStatus::Ok, backups);
        let lost = stored.outbox.get(&(EffectKind::Send, EffectState::Unknown)).copied().unwrap_or(0);
        // Once an answer comes again these are being looked for, and nothing is wrong.
        if lost > 0 && self.brake().is_losing() {
            let detail = format!(
                "the carrier's answer to texts was lost: {lost} wait until it is known whether they left"
            );
            parts.worsen(Part::Carrier, HealthStatus::Degraded, detail);
        }
        let failed = stored.failed();
        if failed > 0 {
            let what = match failed {
                1 => "1 effect failed and waits".to_owned(),
                _ => format!("{failed} effects failed and wait"),
            };
            let detail = format!("{what} for a person: `fulcrum status` lists them");
            parts.worsen(Part::Outbox, HealthStatus::Degraded, detail);
        }
        if !stored.backfill.complete {
            let running = stored.backfill.phases.iter().find(|phase| phase.state == PhaseState::Running);
            let detail = running.map_or_else(
                || "not begun".to_owned(),
                |phase| format!("reading {}: {} done; anyone can be texted now", phase.name, phase.done),
            );
            parts.worsen(Part::Backfill, HealthStatus::Ok, detail);
        }
    }
}

/// How every part is, in the order of [`Part::ALL`].
struct Parts([Component; Part::ALL.len()]);

impl Parts {
    /// A part is at least so bad; of two details that of the worse stays.
    fn worsen(&mut self, part: Part, status: HealthStatus, detail: String) {
        let component = &mut self.0[part as usize];
        if component.status < status {
            *component = Component { status, since: component.since, detail };
        } else if component.detail.is_empty() {
            component.detail = detail;
        }
    }

    /// What nobody has reported is so since it was first found.
    fn date(&mut self, reported: &[Component], notices: &Notices, now: Timestamp) {
        for ((part, component), reported) in Part::ALL.into_iter().zip(&mut self.0).zip(reported) {
            if component.status > reported.status {
                component.since = notices.found(part, component.status, now);
            } else {
                notices.found_no_more(part, now);
            }
        }
    }

    fn into_health(self) -> Health {
        let status = self.0.iter().map(|component| component.status).max().unwrap_or(HealthStatus::Ok);
        Health { status, components: Part::ALL.map(Part::word).into_iter().zip(self.0).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An effect that had failed after four minutes was told as failed since the start.
    #[test]
    fn what_nobody_reports_is_so_since_it_was_found() {
        let (notices, start) = (Notices::default(), Timestamp::from_second(1_700_000_000).unwrap());
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let since = |now, status: HealthStatus| {
            let reported = Part::ALL.map(|part| notices.of(part, start));
            let mut parts = Parts(reported.clone());
            parts.worsen(Part::Outbox, status, "1 failed".into());
            parts.date(&reported, &notices, now);
            parts.into_health().components["outbox"].since
        };
        assert_eq!(since(after(10), HealthStatus::Ok), start);
        assert_eq!(since(after(240), HealthStatus::Degraded), after(240));
        assert_eq!(since(after(300), HealthStatus::Degraded), after(240));
        assert_eq!(since(after(400), HealthStatus::Failing), after(400));
        since(after(500), HealthStatus::Ok);
        assert_eq!(since(after(510), HealthStatus::Ok), after(500), "well since then");
        assert_eq!(since(after(600), HealthStatus::Degraded), after(600));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_minute_without_a_beat_is_standing_still() {
        let pulse = Pulse::new();
        tokio::time::sleep(Duration::from_secs(29)).await;
        pulse.beat();
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!pulse.is_still());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(pulse.is_still());
        pulse.beat();
        assert!(!pulse.is_still());
    }
}

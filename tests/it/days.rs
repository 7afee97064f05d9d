//! An initial sync that takes days, in simulated time: the real engine and the real sandbox over real
//! sockets, at a pace at which a small tenant takes as long as a large one takes at Lever's.
//!
//! tokio's time stands, and so do both wall clocks; when nobody has anything to do but to wait, all
//! three move on together by [`STEP`]. So hours pass in which candidates move, webhooks come or are
//! lost, people text and answer, Lever storms and is down, and the daemon is stopped and started.

use std::sync::Arc;
use std::time::Duration;

use fulcrum::carrier::ReceivedText;
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{BackfillScope, Engine, LeverHook, Settings};
use fulcrum::store;
use fulcrum_domain::{FilingTimes, HookEvent};
use fulcrum_sandbox::{
    Event, Fault, Happened, Options, Permission, Permissions, Remote, Rule, Sandbox, Stats, Truth,
};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use crate::sync::differences_between;
use crate::world::{id, remotes, request, settings, to};

/// From one request to the next, instead of Lever's tenth of a second: 1,500 opportunities are then
/// what 1.8 million are at Lever's pace, two days.
const PERIOD: Duration = Duration::from_secs(120);
const OPPORTUNITIES: u32 = 1500;

/// Time passes by so much at once.
const STEP: SignedDuration = SignedDuration::from_secs(60);
/// Something happens in Lever this often.
const BEAT: SignedDuration = SignedDuration::from_mins(30);
/// Looks at what changed.
const POLL: Duration = Duration::from_secs(4 * 3600);
/// A session is filed this long after its last message.
const DELAY: SignedDuration = SignedDuration::from_hours(1);

/// In these hours Lever refuses most requests, and in these it is down.
const STORM: std::ops::Range<i64> = 8..9;
const OUTAGE: std::ops::Range<i64> = 18..22;
/// In these hours somebody is texted, and answers after ten minutes.
const TEXTED: [i64; 4] = [2, 17, 19, 30];

/// The daemon's storage: in memory, and still there when the daemon is not.
#[derive(Clone, Debug)]
struct Memory(Arc<InMemoryBackend>);

impl StorageBackend for Memory {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

/// A text conversation, and when its last message was.
struct Thread {
    opportunity: String,
    last_at: Timestamp,
}

struct Days {
    sandbox: Sandbox,
    /// There, but for a restart.
    engine: Option<Engine>,
    settings: Settings,
    clock: Clock,
    began: Timestamp,
    memory: Memory,
    chance: SmallRng,
    /// What happened in Lever, and how much of it a webhook told.
    happened: u64,
    hooks: u64,
    threads: Vec<Thread>,
    /// While it is there tokio does not move its time by itself.
    _awake: std::sync::mpsc::Sender<()>,
}

async fn start(sandbox: &Sandbox, memory: &Memory, settings: &Settings, clock: &Clock) -> Engine {
    let file = store::Options::backend(memory.clone());
    let mut remotes = remotes(sandbox, file, settings.requests_per_second);
    // Time stands while a request is under way, but for a step that comes too early.
    (remotes.lever.connect_timeout, remotes.lever.deadline) = (PERIOD * 10, PERIOD * 10);
    Engine::start(remotes, settings.clone(), clock.clone()).await.unwrap()
}

impl Days {
    async fn begin(seed: u64) -> Self {
        let (awake, asleep) = std::sync::mpsc::channel::<()>();
        // tokio's paused time moves by itself whenever nobody runs, unless something blocks.
        tokio::task::spawn_blocking(move || asleep.recv());
        let began = Timestamp::from_second(Clock::System.now().as_second()).unwrap();
        let clock = Clock::manual(began);
        let mut options = Options { seed, start_ms: Some(began.as_millisecond()), ..Options::default() };
        options.lever.opportunities = OPPORTUNITIES;
        options.lever.rate = 1.0 / PERIOD.as_secs_f64();
        // A stop or a slow machine loses the answer to a note: where it can be looked for there is one.
        options.lever.permissions = Permissions::default().with(Permission::FindAllNotes);
        let sandbox = Sandbox::start(options).await.unwrap();
        sandbox.clock().set_speed(0.0);
        let mut settings = settings(&sandbox);
        settings.requests_per_second = 1.0 / PERIOD.as_secs_f64();
        settings.rules.times = FilingTimes { delay: DELAY, max_wait: None };
        (settings.poll_interval, settings.inbound_poll) = (POLL, POLL);
        settings.interviews = BackfillScope::All;
        let memory = Memory(Arc::new(InMemoryBackend::new()));
        let engine = Some(start(&sandbox, &memory, &settings, &clock).await);
        let chance = SmallRng::seed_from_u64(seed);
        let (happened, hooks, threads, _awake) = (0, 0, Vec::new(), awake);
        Self { sandbox, engine, settings, clock, began, memory, chance, happened, hooks, threads, _awake }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn passed(&self) -> SignedDuration {
        self.clock.now().duration_since(self.began)
    }

    fn seen(&self) -> (u64, [u64; 4], [usize; 4]) {
        let pace = self.engine().lever().pacer().status();
        (self.sandbox.stats().lever.requests, pace.turns, pace.waiting)
    }

    /// Lets everybody do what there is to be done, until all wait for time to pass.
    async fn settle(&self) {
        let (mut calm, mut seen) = (0, self.seen());
        while calm < 2 {
            // Once this is stored, so is what waited before it.
            self.engine().ready().await.unwrap();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let now = self.seen();
            let at_rest = now == seen && self.engine().lever().pacer().status().in_flight == 0;
            calm = if at_rest { calm + 1 } else { 0 };
            seen = now;
        }
    }

    async fn step(&self) {
        self.clock.set(self.clock.now() + STEP);
        self.sandbox.clock().advance(STEP.as_millis() as i64);
        tokio::time::advance(Duration::try_from(STEP).unwrap()).await;
    }

    async fn pass(&self, by: SignedDuration) {
        let end = self.clock.now() + by;
        while self.clock.now() < end {
            self.step().await;
            self.settle().await;
        }
    }

    /// Lets time pass while `work` waits for it.
    async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = async { self.settle().await; self.step().await } => {}
            }
        }
    }

    /// Stops the daemon, in order or leaving everything behind, and starts it again.
    async fn restart(&mut self, in_order: bool) {
        self.step().await; // Something is under way.
        tokio::task::yield_now().await;
        let old = self.engine.take().unwrap();
        {
            let mut stopping = std::pin::pin!(old.stop(if in_order { PERIOD } else { Duration::ZERO }));
            while futures_util::poll!(&mut stopping).is_pending() {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
        }
        drop(old);
        // What was left behind holds the storage until it ends.
        while Arc::strong_count(&self.memory.0) > 1 {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        self.engine = Some(start(&self.sandbox, &self.memory, &self.settings, &self.clock).await);
    }

    /// Candidates move, come and go; of the webhooks one in seven is lost.
    async fn something_happens(&mut self) {
        let nobody = None::<String>;
        let (event, hook) = match self.chance.random_range(0..10) {
            0 => (
                Event::Apply { name: None, phone: None, email: None, contact: None, posting: None },
                HookEvent::ApplicationCreated,
            ),
            1 => (Event::Archive { opportunity: nobody, reason: None }, HookEvent::CandidateArchiveChange),
            2 => (Event::Hire { opportunity: nobody }, HookEvent::CandidateHired),
            _ => (Event::Stage { opportunity: nobody, to: None, by: None }, HookEvent::CandidateStageChange),
        };
        let who = self.sandbox.happen(&event).unwrap();
        self.happened += 1;
        if self.chance.random_range(0..7) > 0 {
            self.hook(hook, &who).await;
        }
    }

    async fn hook(&mut self, event: HookEvent, who: &Happened) {
        let token = format!("{:032x}", self.chance.random::<u128>());
        let triggered_at = self.clock.now();
        let hook = LeverHook { event, token, triggered_at, opportunity: Some(id(who)), is_ping: false };
        self.engine().take_hook(hook).await.unwrap();
        self.hooks += 1;
    }

    /// Somebody is texted, whether the sync has come to them or not, and answers.
    async fn a_conversation(&mut self) {
        let who = loop {
            let who = self.sandbox.random_opportunity(true).unwrap();
            if self.threads.iter().all(|thread| thread.opportunity != who.opportunity) {
                break who;
            }
        };
        let asked = request(to(&who), "Are you free on Thursday?");
        // Nobody who is not known can be texted while Lever is down.
        if self.meanwhile(self.engine().send_text(asked)).await.is_err() {
            return;
        }
        self.pass(SignedDuration::from_mins(10)).await;
        let from = who.number.clone().unwrap();
        let sid = self.sandbox.inbound(&from, "Yes, after two").unwrap();
        let text = ReceivedText {
            sid: sid.parse().unwrap(),
            from,
            to: self.sandbox.numbers()[0].clone(),
            body: "Yes, after two".into(),
            media: Vec::new(),
            segments: 1,
            opt_out: None,
            at: None,
        };
        self.engine().take_text(text).await.unwrap();
        self.threads.push(Thread { opportunity: who.opportunity, last_at: self.clock.now() });
    }

    /// Each conversation stands in one note, one hour after its last message, or as soon as Lever
    /// was there again.
    fn check_notes(&self) {
        let entries = self.sandbox.ledger().entries();
        let notes: Vec<_> = entries.iter().filter(|entry| entry.kind == "note_created").collect();
        assert_eq!(notes.len(), self.threads.len());
        let up_again = self.began + SignedDuration::from_hours(OUTAGE.end);
        for thread in &self.threads {
            let mut theirs =
                notes.iter().filter(|note| note.detail["opportunity"].as_str() == Some(&thread.opportunity));
            let note = theirs.next().unwrap();
            assert!(theirs.next().is_none(), "filed twice");
            let due = thread.last_at + DELAY;
            let filed = Timestamp::from_millisecond(note.at_ms).unwrap();
            let was_down = (self.began + SignedDuration::from_hours(OUTAGE.start)..up_again).contains(&due);
            // Some requests wait before it; and it was last tried up to half an hour before.
            let latest = if was_down {
                up_again + SignedDuration::from_hours(1)
            } else {
                due + SignedDuration::from_mins(15)
            };
            assert!((due..latest).contains(&filed), "due {due}, filed {filed}");
        }
        let texts = entries.iter().filter(|entry| entry.kind == "message_created").count();
        assert_eq!(texts, self.threads.len());
    }

    /// Requests that Lever answered as asked, against those that are needed: each page, the interviews
    /// of everybody and, as nothing else tells whether they changed, of those again to whom something
    /// happened, and daily of those who have one to come; a read for each webhook, three lists for each
    /// look; for each conversation a read and a note.
    fn check_requests(&self, Stats { requests, violations, by_status, by_route, .. }: &Stats) {
        assert_eq!(*violations, 0, "never above the rate, whatever happens");
        let answered = by_status[&200] + by_status.get(&201).unwrap_or(&0);
        let looks = self.passed().as_secs() as u64 / POLL.as_secs() + 1;
        let people = self.sandbox.truth().filter(|truth| !truth.confidential).count() as u64;
        let pages = people.div_ceil(100) + 4;
        let now = self.clock.now().as_millisecond();
        let to_come = |truth: &Truth| {
            let mut dates = truth.interviews.iter().map(|interview| interview.date);
            !truth.confidential && truth.archived_at.is_none() && dates.any(|date| date > now)
        };
        let daily =
            self.sandbox.truth().filter(to_come).count() as u64 * (self.passed().as_hours() as u64 / 24);
        let least =
            daily + pages + people + self.happened + self.hooks + 3 * looks + 2 * self.threads.len() as u64;
        println!("{requests} requests, {answered} answered, {least} needed: {by_route:?} {by_status:?}");
        assert!(answered * 100 <= least * 101, "{answered} requests, {least} would have done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_of_days_through_stops_storms_and_an_outage_is_exact_and_files_in_time() {
    let seed = std::env::var("FULCRUM_DAYS_SEED")
        .ok()
        .map_or_else(|| rand::random::<u64>() >> 32, |seed| seed.parse().unwrap());
    println!("FULCRUM_DAYS_SEED={seed}");
    let mut days = Days::begin(seed).await;
    let (mut hour, mut next_stop, mut stops) = (0, 3, 0);
    loop {
        days.something_happens().await;
        days.pass(BEAT).await;
        if days.passed().as_hours() == hour {
            continue;
        }
        hour = days.passed().as_hours();
        let faults = days.sandbox.faults();
        faults.clear();
        if STORM.contains(&hour) {
            faults.add(Rule::new(Remote::Lever, Fault::Status { code: 429, body: None }).probability(0.7));
        } else if OUTAGE.contains(&hour) {
            faults.add(Rule::new(Remote::Lever, Fault::CutBefore));
        }
        if TEXTED.contains(&hour) {
            days.a_conversation().await;
        }
        if hour >= next_stop {
            days.restart(stops % 2 == 0).await;
            stops += 1;
            next_stop = hour + days.chance.random_range(2..6);
        }
        if days.engine().status().await.unwrap().stored.backfill.complete {
            break;
        }
        assert!(hour < 200, "it comes to no end");
    }
    assert!(hour > 40 && stops > 5, "{hour} hours, {stops} stops");
    days.check_requests(&days.sandbox.stats().lever);
    days.pass(SignedDuration::try_from(POLL).unwrap() * 2).await;
    days.check_notes();
    assert_eq!(differences_between(&days.sandbox, days.engine()).await, Vec::<String>::new());
    assert_eq!(days.sandbox.stats().lever.violations, 0);
}

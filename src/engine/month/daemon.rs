//! The daemon in miniature: it takes in what arrives, turns the wheel, takes effects that are due, and
//! looks for what no webhook told. It can be killed between any two of its transactions, and then all
//! that it has in memory is gone: the wheel, what is under way, and the answers on their way to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fulcrum_domain::{
    ArchiveReason, Body, CarrierSid, ConversationId, DeadlineKey, Delivery, Effect, ErasureCause, Lane,
    MessageId, Number, OpportunityId, Remote, Tick, User, Wheel,
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;

use super::Month;
use super::carrier::Received;
use super::settings::{INTERVIEWERS, REASONS, our_number, settings};
use crate::engine::Settings;
use crate::engine::changes::{self, Arrival, Incoming, Profile, Report, Rules};
use crate::engine::clock::Moment;
use crate::engine::deadlines::wheel_of;
use crate::store::tables::{ARCHIVE_REASONS, CONVERSATIONS, DELETED, SECRETS, TALKS_DUE};
use crate::store::{Keys, Options, Read, SealKeys, SecretKey, Signal, Store, StoreError, Tx};

/// Effects that are under way at Lever, and at the carrier, at a time.
const AT_A_TIME: usize = 8;
/// How often it looks for what no webhook told.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// What a webhook of Lever's announces.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hook {
    Candidate,
    Deleted,
    Interviews,
}

/// It.
pub(super) struct Daemon {
    runtime: tokio::runtime::Runtime,
    pub(super) store: Store,
    pub(super) settings: Arc<Settings>,
    pub(super) rules: Arc<Rules>,
    signals: Arc<Mutex<Vec<Signal>>>,
    /// Conversations that a commit has changed since the law looked.
    pub(super) touched: BTreeSet<ConversationId>,
    up: bool,
    epoch: u64,
    wheel: Wheel,
    at_lever: usize,
    pub(super) busy: BTreeSet<Number>,
    at_records: usize,
    wakes_at: Option<Timestamp>,
    looked_at_lever: Timestamp,
    looked_at_carrier: Timestamp,
}

/// What the store is sealed with.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

impl Daemon {
    pub(super) fn new(now: Timestamp) -> Self {
        let signals = Arc::new(Mutex::new(Vec::new()));
        let told = signals.clone();
        // Sealed, since everything else runs on plain stores: nobody above may see a difference.
        let keys = SealKeys::new([KEY], true).unwrap();
        let backend = Options::backend(redb::backends::InMemoryBackend::new()).keys(Arc::new(keys));
        let settings = Arc::new(settings());
        let on_commit = move |signals: &[Signal]| told.lock().unwrap().extend_from_slice(signals);
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            store: Store::open(backend, Box::new(on_commit)).unwrap(),
            rules: Arc::new(settings.rules.clone()),
            settings,
            signals,
            touched: BTreeSet::new(),
            up: false,
            epoch: 0,
            wheel: Wheel::new(Tick::of_clock(now)),
            at_lever: 0,
            busy: BTreeSet::new(),
            at_records: 0,
            wakes_at: None,
            looked_at_lever: now,
            looked_at_carrier: now,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it has not died since.
    pub(super) fn lives_in(&self, epoch: u64) -> bool {
        self.up && self.epoch == epoch
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// What a commit told reaches the wheel, as in the real one.
    fn hear(&mut self) {
        for signal in std::mem::take(&mut *self.signals.lock().unwrap()) {
            match signal {
                Signal::Deadline(key, Some(at)) => self.wheel.arm(key.to_u64(), Tick::of_deadline(at)),
                Signal::Deadline(key, None) => drop(self.wheel.disarm(key.to_u64())),
                Signal::Conversation(id) => drop(self.touched.insert(id)),
                _ => {}
            }
        }
    }

    pub(super) fn wheel(&self) -> &Wheel {
        &self.wheel
    }

    pub(super) fn lever_is_answered(&mut self) {
        self.at_lever -= 1;
    }

    pub(super) fn records_are_answered(&mut self) {
        self.at_records -= 1;
    }
}

impl Month {
    /// Changes our state, as the daemon does.
    pub(super) fn change<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &mut self,
        change: impl FnOnce(&mut Tx<'_>, &Rules, &mut Moment) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let mut moment = Moment::new(self.now, self.chance.random());
        let rules = self.daemon.rules.clone();
        let done =
            self.daemon.runtime.block_on(self.daemon.store.change(move |tx| change(tx, &rules, &mut moment)));
        self.daemon.hear();
        done
    }

    /// The same where nothing but the store can fail, which it never does here.
    pub(super) fn must<T: Send + 'static>(
        &mut self,
        change: impl FnOnce(&mut Tx<'_>, &Rules, &mut Moment) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        match self.change(change) {
            Ok(done) => done,
            Err(error) => self.broken(format_args!("a change failed: {error}")),
        }
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&crate::store::Snapshot) -> Result<T, StoreError>) -> T {
        self.daemon.store.read_here(read).unwrap()
    }

    /// Starts it, for the first time or after it was killed.
    pub(super) fn start_daemon(&mut self) {
        self.daemon.up = true;
        if self.daemon.epoch == 0 {
            self.must(|tx, rules, moment| {
                for (id, email) in INTERVIEWERS {
                    let user = User { name: id.to_owned(), email: email.to_owned(), active: true };
                    changes::put_user(tx, &id.parse().unwrap(), &user)?;
                }
                for reason in REASONS {
                    let row = ArchiveReason { text: reason.to_owned(), hired: reason == REASONS[1] };
                    tx.put(ARCHIVE_REASONS, &reason.parse().unwrap(), &row)?;
                }
                changes::align(tx, rules, moment.now)?;
                tx.put(SECRETS, &changes::HASH_KEY.to_owned(), &SecretKey([7; 32])).map(drop)
            });
        } else {
            self.must(|tx, _, moment| changes::recover(tx, moment.now));
        }
        let now = Tick::of_clock(self.now);
        self.daemon.wheel = self.read(|snapshot| wheel_of(snapshot, now));
        let epoch = self.daemon.epoch;
        self.after(SignedDuration::from_secs(1), move |month| month.look(epoch));
    }

    /// Kills it: what is on its way to it arrives at nobody.
    pub(super) fn kill_daemon(&mut self) {
        let daemon = &mut self.daemon;
        (daemon.up, daemon.epoch) = (false, daemon.epoch + 1);
        (daemon.at_lever, daemon.at_records, daemon.wakes_at) = (0, 0, None);
        daemon.busy.clear();
        self.law.kills += 1;
        let pause = self.between(SignedDuration::from_secs(1), SignedDuration::from_mins(20));
        self.trouble_until(self.now + pause);
        self.after(pause, Self::start_daemon);
    }

    /// A webhook of Lever's. While the daemon is down it is lost: Lever gives up after a few tries.
    pub(super) fn hook_arrives(&mut self, id: OpportunityId, hook: Hook) {
        if self.daemon.up {
            self.must(move |tx, _, moment| match hook {
                Hook::Candidate => changes::ask(tx, &Effect::Hydrate(id), Lane::Live, moment.now),
                Hook::Deleted => changes::ask_after_deletion(tx, &Effect::Hydrate(id), moment.now),
                Hook::Interviews => changes::ask(tx, &Effect::Interviews(id), Lane::Live, moment.now),
            });
        }
    }

    /// A webhook of the carrier's, which does not repeat it.
    pub(super) fn text_arrives(&mut self, text: &Received) {
        if self.daemon.up {
            self.take_text(text, false);
        }
    }

    fn take_text(&mut self, text: &Received, listed: bool) {
        let incoming = Incoming {
            sid: text.sid.clone(),
            from: text.from,
            to: our_number(),
            body: Body::new(text.body.clone()),
            attachments: vec![],
            at: listed.then_some(text.at),
            keyword: None,
        };
        let known = self.must(move |tx, rules, moment| changes::receive(tx, incoming, rules, moment));
        if known != changes::Received::Duplicate {
            self.law_hears(text);
        }
    }

    pub(super) fn receipt_arrives(&mut self, mid: MessageId, sid: CarrierSid, delivery: Delivery) {
        if self.daemon.up {
            let report = Report { delivery, failure: None, sid: Some(sid) };
            self.must(move |tx, rules, moment| changes::report(tx, mid, report, rules, moment));
        }
    }

    /// Looks for what no webhook told, at both remotes, and again in a while.
    fn look(&mut self, epoch: u64) {
        if !self.daemon.lives_in(epoch) {
            return;
        }
        if self.now >= self.lever.down_until {
            self.look_at_lever();
        }
        if self.now >= self.carrier.down_until {
            let since = self.daemon.looked_at_carrier - OVERLAP;
            self.daemon.looked_at_carrier = self.now;
            let missed: Vec<Received> =
                self.carrier.received.iter().rev().take_while(|text| text.at >= since).cloned().collect();
            for text in missed.iter().rev() {
                self.take_text(text, true);
            }
        }
        self.after(INTERVAL, move |month| month.look(epoch));
    }

    fn look_at_lever(&mut self) {
        let since = self.daemon.looked_at_lever - OVERLAP;
        self.daemon.looked_at_lever = self.now;
        for id in self.lever.changed_since(since) {
            let mut row = self.lever.candidates[&id].clone();
            row.as_of = self.now;
            let consent = self.consent_of(&row);
            self.must(move |tx, rules, moment| {
                let profile = Profile { row, consent, moved_by: None };
                let put = changes::put_profile(tx, &id, profile, Arrival::Poll, rules, moment.now)?;
                if put == changes::Put::Changed {
                    changes::retime(tx, &id, rules, moment)?;
                }
                Ok(())
            });
        }
        let deleted = self.lever.deleted.iter().filter(|(_, at)| **at >= since);
        for id in deleted.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.erase(id);
        }
    }

    /// It is sure that a candidate was deleted.
    pub(super) fn erase(&mut self, id: OpportunityId) {
        let gone = id.clone();
        let news = self.must(move |tx, _, moment| {
            let is_news = !tx.has(DELETED, &id)?;
            changes::erase_opportunity(tx, &id, ErasureCause::Deleted, moment.now)?;
            Ok(is_news)
        });
        if news {
            self.look_at_erasure(&gone);
        }
    }

    /// Everything that is to be done now: deadlines, our turns in talks, effects. Then it sleeps until
    /// the next of them is due.
    pub(super) fn turn(&mut self) {
        if !self.daemon.up {
            return;
        }
        let mut due = Vec::new();
        self.daemon.wheel.poll(Tick::of_clock(self.now), &mut due);
        for key in due {
            let key = DeadlineKey::from_u64(key).unwrap();
            self.must(move |tx, rules, moment| changes::fire(tx, key, rules, moment));
            if self.dies_here(700) {
                return;
            }
        }
        for (thread, ()) in self.read(|snapshot| snapshot.list(TALKS_DUE, &Keys::all(), 16)) {
            self.must(move |tx, rules, moment| {
                changes::take_turn_to_talk(tx, thread, &changes::Busy::new(), rules, moment)
            });
        }
        let Some(turns) = self.meet_turns() else { return };
        let mut next = [self.daemon.wheel.next().map(Tick::begins), turns].into_iter().flatten().min();
        for remote in [Remote::Lever, Remote::Carrier, Remote::Records] {
            let (effects, later) = self.read(|snapshot| changes::due(snapshot, remote, self.now, 64));
            next = [next, later].into_iter().flatten().min();
            for effect in effects {
                if self.has_room(remote, &effect) {
                    self.take_up(effect);
                    if self.dies_here(700) || !self.daemon.up {
                        return;
                    }
                }
            }
        }
        self.sleep_until(next);
    }

    /// Now and then, once in so many times, it is killed: between two of its transactions.
    pub(super) fn dies_here(&mut self, once_in: u32) -> bool {
        let dies = self.daemon.up && self.goes_on() && self.chance.random_range(0..once_in) == 0;
        if dies {
            self.kill_daemon();
        }
        dies
    }

    fn sleep_until(&mut self, next: Option<Timestamp>) {
        let Some(next) = next.map(|next| next.max(self.now + SignedDuration::from_millis(1))) else { return };
        if self.daemon.wakes_at.is_none_or(|at| next < at || at <= self.now) {
            self.daemon.wakes_at = Some(next);
            self.at(next, |_| {});
        }
    }

    /// Whether an effect can be taken up now: a number gets one text after the other.
    fn has_room(&self, remote: Remote, effect: &Effect) -> bool {
        match remote {
            Remote::Lever => self.daemon.at_lever < AT_A_TIME,
            Remote::Records => self.daemon.at_records < 2,
            Remote::Carrier => {
                self.daemon.busy.len() < AT_A_TIME
                    && self.number_of(effect).is_none_or(|number| !self.daemon.busy.contains(&number))
            }
        }
    }

    pub(super) fn number_of(&self, effect: &Effect) -> Option<Number> {
        let Effect::Send(id) = *effect else { return None };
        self.read(|snapshot| match changes::message(snapshot, id)? {
            Some(text) => Ok(snapshot.get(CONVERSATIONS, &text.conversation)?.map(|thread| thread.number)),
            None => Ok(None),
        })
    }

    fn take_up(&mut self, effect: Effect) {
        let number = self.number_of(&effect);
        let Some(taken) = self.must(move |tx, _, _| changes::take(tx, effect)) else { return };
        match taken.effect.remote() {
            Remote::Lever => {
                self.daemon.at_lever += 1;
                self.do_at_lever(taken);
            }
            Remote::Carrier => {
                self.daemon.busy.extend(number);
                self.do_at_carrier(&taken, number);
            }
            Remote::Records => {
                self.daemon.at_records += 1;
                self.do_at_records(taken);
            }
        }
    }
}

//! A disk in memory that loses what was not synced: the storage of fault tests.
//!
//! What was written stands in the view at once and on the platter after a sync. A power cut keeps
//! of what lies between the two what chance keeps: each write sector by sector, each change of
//! length or not, as a real disk may.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;

const SECTOR: usize = 512;

/// When the disk dies; none of its operations succeeds from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// At the n-th sync from now on, which fails.
    AtSync(u64),
    /// At the n-th operation from now on, which fails.
    AtOperation(u64),
}

#[derive(Debug, Default)]
struct State {
    view: Vec<u8>,
    platter: Vec<u8>,
    unsynced: Vec<Unsynced>,
    syncs: u64,
    operations: u64,
    death: Option<Death>,
    dead: bool,
    held: bool,
}

#[derive(Debug)]
enum Unsynced {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// The disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

impl Disk {
    /// One that holds `bytes`.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().platter.clone_from(&bytes);
        disk.state().view = bytes;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    pub(crate) fn die(&self, death: Death) {
        let mut state = self.state();
        state.death = Some(match death {
            Death::AtSync(n) => Death::AtSync(state.syncs + n),
            Death::AtOperation(n) => Death::AtOperation(state.operations + n),
        });
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Until it is let go, syncs wait.
    pub(crate) fn hold(&self, held: bool) {
        self.state().held = held;
        self.0.1.notify_all();
    }

    /// What is on the platter: all that a sync has promised, nothing else.
    pub(crate) fn platter(&self) -> Vec<u8> {
        self.state().platter.clone()
    }

    /// What a power cut at this moment leaves, by chance.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Vec<u8> {
        let state = self.state();
        let mut chance = SmallRng::seed_from_u64(seed);
        let mut bytes = state.platter.clone();
        for op in &state.unsynced {
            match op {
                Unsynced::Length(len) if chance.random_bool(0.5) => bytes.resize(*len as usize, 0),
                Unsynced::Length(_) => {}
                Unsynced::Write(offset, data) => {
                    for sector in sectors(*offset as usize, data.len()) {
                        if chance.random_bool(0.5) {
                            let end = sector.end.max(bytes.len());
                            bytes.resize(end, 0);
                            let from = sector.start - *offset as usize;
                            bytes[sector.clone()].copy_from_slice(&data[from..from + sector.len()]);
                        }
                    }
                }
            }
        }
        bytes
    }

    /// Counts an operation; an error when the disk is dead or dies of it.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.operations += 1;
        state.dead |= state.death == Some(Death::AtOperation(state.operations));
        if state.dead { Err(io::Error::other("the disk is dead")) } else { Ok(state) }
    }
}

/// The parts of `offset..offset + len` that lie in one sector each.
fn sectors(offset: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = offset + len;
    (offset / SECTOR..end.div_ceil(SECTOR))
        .map(move |n| (n * SECTOR).max(offset)..((n + 1) * SECTOR).min(end))
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operate()?.view.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.operate()?;
        let from = offset as usize;
        let bytes = state.view.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        state.view.resize(len as usize, 0);
        state.unsynced.push(Unsynced::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.1.wait_while(self.operate()?, |state| state.held).unwrap();
        state.syncs += 1;
        if state.death == Some(Death::AtSync(state.syncs)) {
            state.dead = true;
            return Err(io::Error::other("the sync failed"));
        }
        let view = state.view.clone();
        state.platter = view;
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.operate()?;
        let from = offset as usize;
        if state.view.len() < from + data.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        state.view[from..from + data.len()].copy_from_slice(data);
        state.unsynced.push(Unsynced::Write(offset, data.to_vec()));
        Ok(())
    }
}

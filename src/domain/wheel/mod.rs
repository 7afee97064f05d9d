//! Which of a million deadlines is next: a hierarchical timer wheel.
//!
//! It is the cache in memory of the table of deadlines. Every message moves a deadline by an
//! hour, so moving must cost next to nothing, and so must keeping it. A `BTreeMap` takes a
//! microsecond for it, tokio's `DelayQueue` half of one, and both two thirds more memory.
//!
//! A tick is read as eleven digits of six bits, which is all of a `u64`. A deadline hangs at the
//! level of the highest digit in which it differs from the present, in the slot of its own digit
//! there. When the present comes to a slot, its deadlines move down to lower levels, and from the
//! lowest they fire. So the first occupied slot of the lowest occupied level is the next of all.
//!
//! A deadline that moves later, as nearly all do, stays in its slot and is only written down; it
//! finds its new place when its old slot comes, which is once and not for each message.
//!
//! The slots are rings of nodes in one slab, each with its slot's own node as both ends, so that
//! a node leaves its ring without asking where it is. An index finds the node of a key; it holds
//! only the node's number, since the key is in the node.
//!
//! Nothing here knows a clock; see [`Tick`] for how time becomes ticks.

mod tick;

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

pub use tick::Tick;

/// Bits in a digit.
const BITS: u32 = 6;

/// Slots in a level, one for each value of a digit.
const WIDTH: usize = 1 << BITS;

/// Digits in a tick.
const LEVELS: usize = 64_u32.div_ceil(BITS) as usize;

/// The nodes at the start of the slab that are the ends of the rings.
const SLOTS: usize = LEVELS * WIDTH;

/// A deadline in the ring of its slot, or free.
#[derive(Clone, Copy)]
struct Node {
    key: u64,
    when: u64,
    prev: u32,
    next: u32,
}

/// Deadlines by key, each key once; at most 48 bytes for each.
pub struct Wheel {
    now: u64,
    nodes: Vec<Node>,
    /// The first free node; the others follow by `next`. 0, a slot's own node, ends them.
    free: u32,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// For each level, a bit for each slot that is not empty.
    occupied: [u64; LEVELS],
}

impl Wheel {
    /// An empty one. Whatever is due by `now` fires at the first poll.
    pub fn new(now: Tick) -> Self {
        Self::with_capacity(now, 0)
    }

    /// One that takes so many deadlines without growing.
    pub fn with_capacity(now: Tick, deadlines: usize) -> Self {
        let mut nodes = Vec::with_capacity(SLOTS + deadlines);
        nodes.extend((0..SLOTS as u32).map(|slot| Node { key: 0, when: 0, prev: slot, next: slot }));
        Self {
            now: now.number(),
            nodes,
            free: 0,
            index: HashTable::with_capacity(deadlines),
            hasher: DefaultHashBuilder::default(),
            occupied: [0; LEVELS],
        }
    }

    /// Sets the deadline of a key, instead of the one it may have.
    ///
    /// One that is in the past fires at the next poll.
    pub fn arm(&mut self, key: u64, when: Tick) {
        let when = when.number();
        let hash = self.hasher.hash_one(key);
        let id = match self.index.find(hash, |&id| self.nodes[id as usize].key == key) {
            Some(&id) => {
                let before = std::mem::replace(&mut self.nodes[id as usize].when, when);
                if before <= when {
                    return;
                }
                self.unlink(id);
                id
            }
            None => {
                let id = self.allocate(Node { key, when, prev: 0, next: 0 });
                let rehash = |&id: &u32| self.hasher.hash_one(self.nodes[id as usize].key);
                self.index.insert_unique(hash, id, rehash);
                id
            }
        };
        self.link(id);
    }

    /// Takes away the deadline of a key; whether it had one.
    pub fn disarm(&mut self, key: u64) -> bool {
        match self.forget(key) {
            Some(id) => {
                self.unlink(id);
                self.release(id);
                true
            }
            None => false,
        }
    }

    /// Moves the present to `now` and adds the keys that are due to `due`, in order of time and
    /// then of keys. They have no deadline any more.
    ///
    /// A clock that was set back is followed: what is not due by it any more waits. That moves
    /// every deadline, in a time that grows with their number.
    pub fn poll(&mut self, now: Tick, due: &mut Vec<u64>) {
        let now = now.number();
        if now < self.now {
            self.now = now;
            (0..SLOTS as u32).for_each(|slot| self.spread(slot));
        }
        while let Some((slot, starts)) = self.first().filter(|&(_, starts)| starts <= now) {
            self.now = starts;
            if (slot as usize) < WIDTH { self.fire(slot, due) } else { self.spread(slot) }
        }
        self.now = now;
    }

    /// A tick before which nothing is due, and none when nothing is armed.
    ///
    /// It may be too early. Whoever polls at it is given a later one, and is at the next deadline
    /// after a few such steps: one for each level, and again for deadlines that moved later.
    pub fn next(&self) -> Option<Tick> {
        self.first().map(|(_, starts)| Tick::new(starts))
    }

    /// How many deadlines there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The memory that it holds, used or not.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + self.index.allocation_size()
    }

    /// The first slot that is not empty, and the tick at which it starts.
    ///
    /// Lower levels come before higher ones, and no slot of a level is behind the present.
    fn first(&self) -> Option<(u32, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let digit = self.occupied[level].trailing_zeros();
        let shift = BITS * level as u32;
        let above = self.now >> shift & !(WIDTH as u64 - 1);
        Some((level as u32 * WIDTH as u32 + digit, (above | u64::from(digit)) << shift))
    }

    /// The slot of a deadline, as seen from the present.
    fn slot(&self, when: u64) -> u32 {
        let when = when.max(self.now);
        let level = (when ^ self.now).checked_ilog2().unwrap_or(0) / BITS;
        let digit = (when >> (BITS * level)) as u32 % WIDTH as u32;
        level * WIDTH as u32 + digit
    }

    /// Hangs a node at the end of the ring where it belongs.
    fn link(&mut self, id: u32) {
        let slot = self.slot(self.nodes[id as usize].when);
        let last = std::mem::replace(&mut self.nodes[slot as usize].prev, id);
        self.nodes[last as usize].next = id;
        let node = &mut self.nodes[id as usize];
        (node.prev, node.next) = (last, slot);
        self.occupied[slot as usize / WIDTH] |= 1 << (slot as usize % WIDTH);
    }

    /// Takes a node out of its ring.
    fn unlink(&mut self, id: u32) {
        let Node { prev, next, .. } = self.nodes[id as usize];
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        if prev == next {
            // Only the slot's own node is left.
            self.vacate(prev);
        }
    }

    fn vacate(&mut self, slot: u32) {
        self.occupied[slot as usize / WIDTH] &= !(1 << (slot as usize % WIDTH));
    }

    /// Empties a slot and hands out its nodes, first to last.
    fn take(&mut self, slot: u32, mut each: impl FnMut(&mut Self, u32)) {
        let mut id = std::mem::replace(&mut self.nodes[slot as usize].next, slot);
        self.nodes[slot as usize].prev = slot;
        self.vacate(slot);
        while id != slot {
            let next = self.nodes[id as usize].next;
            each(self, id);
            id = next;
        }
    }

    /// Takes out what is due in a slot of the lowest level, the one of the present.
    fn fire(&mut self, slot: u32, due: &mut Vec<u64>) {
        let already = due.len();
        self.take(slot, |wheel, id| {
            if wheel.nodes[id as usize].when <= wheel.now { due.push(u64::from(id)) } else { wheel.link(id) }
        });
        let due = &mut due[already..];
        due.sort_unstable_by_key(|&id| {
            let Node { when, key, .. } = self.nodes[id as usize];
            (when, key)
        });
        for id in due {
            let key = self.nodes[*id as usize].key;
            if let Some(id) = self.forget(key) {
                self.release(id);
            }
            *id = key;
        }
    }

    /// Hangs the nodes of a slot where they belong now.
    fn spread(&mut self, slot: u32) {
        self.take(slot, Self::link);
    }

    /// Takes a key out of the index.
    fn forget(&mut self, key: u64) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let entry = self.index.find_entry(hash, |&id| self.nodes[id as usize].key == key);
        entry.ok().map(|entry| entry.remove().0)
    }

    fn allocate(&mut self, node: Node) -> u32 {
        if self.free != 0 {
            let id = self.free;
            self.free = std::mem::replace(&mut self.nodes[id as usize], node).next;
            return id;
        }
        if self.nodes.len() == self.nodes.capacity() {
            // By a quarter: to double would leave up to half of the memory unused.
            self.nodes.reserve_exact(self.nodes.len() / 4);
        }
        let id = u32::try_from(self.nodes.len()).expect("four thousand million nodes are 100 GB");
        self.nodes.push(node);
        id
    }

    fn release(&mut self, id: u32) {
        self.nodes[id as usize].next = std::mem::replace(&mut self.free, id);
    }
}

#[cfg(test)]
mod tests;

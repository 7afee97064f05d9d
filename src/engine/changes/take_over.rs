//! A restored copy takes over what was promised to people since its backup: erasures by command and opt-outs,
//! as the store tells that stood in its place. What Lever wants gone, and what is too old, comes up by itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use fulcrum_domain::{Actor, ErasureCause, OpportunityId, Suppression};
use jiff::Timestamp;

use super::erase::Erasing;
use super::retention::is_held;
use super::suppress::{HASH_KEY, digest, suppress};
use crate::store::tables::{Digest, ERASURES, SECRETS, SUPPRESSIONS, THREADS};
use crate::store::{Keys, Read, SecretKey, StoreError, Tx};

/// What a store has promised since a moment.
pub struct Promised {
    /// Under which numbers stand there. Another key says nothing here.
    key: Option<SecretKey>,
    erasures: Vec<(Actor, Vec<OpportunityId>)>,
    opt_outs: BTreeMap<Digest, Suppression>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Erasures that were carried out once more.
    pub erasures: u64,
    /// Those that name nobody: of a number that leads to nobody in Lever. It is not known any more.
    pub nameless: u64,
    /// Opportunities that a legal hold of the copy keeps.
    pub held: u64,
    /// Opt-outs that the copy did not have.
    pub opt_outs: u64,
}

/// What a store knows of that a copy as of `since` does not.
///
/// # Errors
/// [`StoreError`].
pub fn promised(read: &impl Read, since: Timestamp) -> Result<Promised, StoreError> {
    let mut erasures = Vec::new();
    let mut keys = Keys::all();
    'pages: loop {
        let page = read.list_back(ERASURES, &keys, 100)?;
        let Some((last, _)) = page.last() else { break };
        keys = keys.before(last);
        for (_, erasure) in page {
            if erasure.at < since {
                break 'pages;
            }
            if erasure.cause == ErasureCause::Command {
                erasures.push((erasure.by, erasure.opportunities));
            }
        }
    }
    erasures.reverse();
    let mut opt_outs = BTreeMap::new();
    read.scan(SUPPRESSIONS, &Keys::all(), |number, stop| {
        opt_outs.insert(number, stop);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Promised { key: read.get(SECRETS, &HASH_KEY.to_owned())?, erasures, opt_outs })
}

/// Keeps to it in the copy. An opt-out that was lifted after the backup stays one: nobody is texted by mistake.
///
/// # Errors
/// [`StoreError`].
pub fn take_over(tx: &mut Tx<'_>, promised: Promised, now: Timestamp) -> Result<TakenOver, StoreError> {
    let Promised { key, erasures, opt_outs } = promised;
    let mut told = TakenOver::default();
    if key.is_some() && key == tx.get(SECRETS, &HASH_KEY.to_owned())? {
        told.opt_outs = take_over_opt_outs(tx, opt_outs, now)?;
    }
    for (by, opportunities) in erasures {
        if opportunities.is_empty() {
            told.nameless += 1;
            continue;
        }
        let mut erasing = Erasing::begin(tx, ErasureCause::Command, by, now)?;
        for id in &opportunities {
            if is_held(tx, id)? {
                told.held += 1;
            } else {
                erasing.opportunity(tx, id)?;
            }
        }
        erasing.end(tx)?;
        told.erasures += 1;
    }
    Ok(told)
}

fn take_over_opt_outs(
    tx: &mut Tx<'_>,
    mut opt_outs: BTreeMap<Digest, Suppression>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.scan(SUPPRESSIONS, &Keys::all(), |number, _| {
        opt_outs.remove(&number);
        Ok(ControlFlow::Continue(()))
    })?;
    let count = opt_outs.len() as u64;
    // Where there is a thread, people see it there, and what waits in it is called off.
    let mut threads = Vec::new();
    tx.scan(THREADS, &Keys::all(), |number, _| {
        threads.extend(opt_outs.contains_key(&digest(tx, number)?).then_some(number));
        Ok(ControlFlow::Continue(()))
    })?;
    for number in threads {
        if let Some(stop) = opt_outs.remove(&digest(tx, number)?) {
            suppress(tx, number, &stop, Actor::fulcrum(), now)?;
        }
    }
    for (number, stop) in opt_outs {
        tx.put(SUPPRESSIONS, &number, &stop)?;
    }
    Ok(count)
}

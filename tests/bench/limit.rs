//! What redb does by itself with the rows of a backfill: the limit of storing. And what the
//! disk does with a page of four kilobytes, to judge all others by.

use std::io::Write;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, Durability, TableDefinition};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The three tables that an opportunity stands in, the bytes of a key, and of a value.
const TABLES: [(Bytes, usize, usize); 3] = [
    (TableDefinition::new("opportunities"), 17, 280),
    (TableDefinition::new("by-contact"), 34, 1),
    (TableDefinition::new("by-number"), 25, 1),
];
/// Rows of a commit: the most that the daemon stores in one of a listing.
const TOGETHER: u32 = 800;

/// Opportunities a second that redb takes.
pub(crate) fn bare_inserts(count: u32) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let database: Database = redb::Builder::new()
        .set_cache_size(fulcrum::store::CACHE_BYTES)
        .create(folder.path().join("bare.redb"))?;
    let mut random = SmallRng::seed_from_u64(1);
    let began = Instant::now();
    for first in (0..count).step_by(TOGETHER as usize) {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        for (table, key, value) in TABLES {
            let mut table = transaction.open_table(table)?;
            for _ in 0..TOGETHER.min(count - first) {
                let mut bytes = [0; 320];
                random.fill(&mut bytes[..key]);
                table.insert(&bytes[..key], &bytes[..value])?;
            }
        }
        transaction.commit()?;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Milliseconds that it takes to have four kilobytes on the disk, so many times, sorted.
pub(crate) fn syncs(times: usize) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let mut file = std::fs::File::create(folder.path().join("syncs"))?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        taken.push(began.elapsed().as_secs_f64() * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    Ok(taken)
}

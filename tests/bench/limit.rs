//! What redb does by itself with the rows of a backfill: the limit of storing.

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
/// Rows of a page, which is a commit.
const PAGE: u32 = 100;

/// Opportunities a second that redb takes, a page a commit.
pub(crate) fn bare_inserts(count: u32) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let database: Database =
        redb::Builder::new().set_cache_size(32 << 20).create(folder.path().join("bare.redb"))?;
    let mut random = SmallRng::seed_from_u64(1);
    let began = Instant::now();
    for _ in 0..count / PAGE {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        for (table, key, value) in TABLES {
            let mut table = transaction.open_table(table)?;
            for _ in 0..PAGE {
                let mut bytes = [0; 320];
                random.fill(&mut bytes[..key]);
                table.insert(&bytes[..key], &bytes[..value])?;
            }
        }
        transaction.commit()?;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

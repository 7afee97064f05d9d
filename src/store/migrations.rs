//! The schema of the file, and what is done to an older one.
//!
//! A schema is a number: of the tables and their keys. A changed value is none: it carries a version of its own
//! (`codec`). Forward only: whoever wants an older one has the backup from before.

use fulcrum_domain::AppointmentId;
use jiff::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};

use super::error::StoreError;
use super::records::{Created, Engagement, Idempotent};
use super::seal::SealKeys;
use super::tables::{ALL, IDEMPOTENT, INTERVIEWS, MEETINGS, RETIRED, USERS, USERS_BY_EMAIL};
use super::tx::{Keys, Read, Tx, definition};

/// The schema that this program writes: the number of migrations it knows.
pub const SCHEMA: u64 = MIGRATIONS.len() as u64;

type Migration = fn(&WriteTransaction, &SealKeys) -> Result<(), StoreError>;

/// Each brings the schema from its place in the list to the next. Forward only; each runs in a
/// transaction of its own together with the new number.
const MIGRATIONS: &[Migration] = &[
    make_tables,
    make_tables,
    index_users,
    make_tables,
    index_interviews,
    gather_repeats,
    make_tables,
    make_tables,
];

/// Added to the number of the schema while values of the file are sealed: a program that knows nothing of that
/// takes it for a newer one, and says so.
pub(super) const SEALED_SCHEMA: u64 = 1 << 32;

/// Holds the schema.
pub(super) const META: redb::TableDefinition<'static, &'static str, u64> =
    redb::TableDefinition::new("meta-1");

/// Refuses the schema of a newer program.
pub(super) fn check(found: u64) -> Result<(), StoreError> {
    let found = found & !SEALED_SCHEMA;
    if found > SCHEMA { Err(StoreError::Newer { found, known: SCHEMA }) } else { Ok(()) }
}

/// The schema of a file, with [`SEALED_SCHEMA`] if its values are sealed; 0 while it has none.
pub(super) fn schema_of(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get("schema_version").map_err(StoreError::redb)?.map_or(0, |v| v.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(StoreError::redb(error)),
    }
}

/// Says which schema the rows have that were put into a new file.
pub(super) fn set_schema(database: &Database, schema: u64) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(StoreError::redb)?;
    {
        let mut meta = transaction.open_table(META).map_err(StoreError::redb)?;
        meta.insert("schema_version", schema).map_err(StoreError::redb)?;
    }
    transaction.commit().map_err(StoreError::redb)
}

/// Brings a database to the schema that this program writes, whatever it has.
pub(super) fn migrate(database: &Database, keys: &SealKeys) -> Result<(), StoreError> {
    let found = schema_of(&database.begin_read().map_err(StoreError::redb)?)?;
    check(found)?;
    let (found, sealed) = (found & !SEALED_SCHEMA, found & SEALED_SCHEMA);
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = database.begin_write().map_err(StoreError::redb)?;
        migration(&transaction, keys)?;
        {
            let mut meta = transaction.open_table(META).map_err(StoreError::redb)?;
            meta.insert("schema_version", (number as u64 + 1) | sealed).map_err(StoreError::redb)?;
        }
        transaction.commit().map_err(StoreError::redb)?;
        if found > 0 {
            tracing::info!(schema = number + 1, "the store was brought to a newer schema");
        }
    }
    Ok(())
}

/// Schema 3: users are found by their e-mail.
fn index_users(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let mut tx = Tx::new(transaction, None, keys);
    for (id, user) in tx.list(USERS, &Keys::all(), usize::MAX)? {
        if user.active {
            tx.put(USERS_BY_EMAIL, &user.email.to_ascii_lowercase(), &id)?;
        }
    }
    Ok(())
}

/// Schema 4: an interviewer's meetings are found by their start.
fn index_interviews(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let mut tx = Tx::new(transaction, None, keys);
    let mut last = None;
    loop {
        let keys = last.take().map_or_else(Keys::all, |key| Keys::all().after(&key));
        let page = tx.list(INTERVIEWS, &keys, 10_000)?;
        let Some((key, _)) = page.last() else { return Ok(()) };
        last = Some(key.clone());
        for ((opportunity, id), interview) in page {
            if interview.cancelled_at.is_none() {
                let engagement = Engagement { opportunity, minutes: interview.minutes };
                for user in interview.interviewers {
                    tx.put(MEETINGS, &(user, interview.starts_at, id.clone()), &engagement)?;
                }
            }
        }
    }
}

/// Schema 6: what requests with a key came to stands in one table, whatever it was.
fn gather_repeats(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let [interviews] = RETIRED;
    let interviews = definition(interviews);
    let mut found = Vec::new();
    for row in
        transaction.open_table(interviews).map_err(StoreError::redb)?.iter().map_err(StoreError::redb)?
    {
        let (key, value) = row.map_err(StoreError::redb)?;
        // None of these is sealed: the table is older than seals. A version byte, then when, what was asked, and the interview. One that cannot be read answers no
        // repeat; that is no reason not to start.
        let told = value.value().get(1..).unwrap_or_default();
        let told = postcard::from_bytes::<(i64, [u8; 16], AppointmentId)>(told).ok();
        if let (Ok(key), Some((at, request, one))) = (key.value().try_into(), told) {
            let at = Timestamp::from_millisecond(at).unwrap_or_default();
            found.push((key, Idempotent { at, request, created: Created::Appointment(one) }));
        }
    }
    let mut tx = Tx::new(transaction, None, keys);
    for (key, row) in found {
        tx.put(IDEMPOTENT, &key, &row)?;
    }
    drop(tx);
    transaction.delete_table(interviews).map_err(StoreError::redb).map(drop)
}

/// Every table there is, so that a snapshot finds each of them: those of schema 1, and in a file of
/// that schema those that later ones brought.
fn make_tables(transaction: &WriteTransaction, _: &SealKeys) -> Result<(), StoreError> {
    for name in ALL {
        transaction.open_table(definition(name)).map_err(StoreError::redb)?;
    }
    Ok(())
}

//! The tables, and the check that a file has them or may get them.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::Failure;

/// `PRAGMA application_id`: the letters "PRSH". It tells our files from those of other programs.
const APPLICATION: i64 = 0x5052_5348;

/// What stays of the log's file when the log was put into the database.
const LOG_BYTES: i64 = 4 << 20;

/// The n-th leads from `user_version` n to n + 1.
const STEPS: [&str; 4] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// `PRAGMA user_version` after all steps.
const VERSION: i64 = STEPS.len() as i64;

/// Makes the database a recording, or one of this version, if it may become that. Anything else is
/// left untouched: it is only read until it is known to be ours.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), Failure> {
    let found = version(connection)?;
    if found == 0 {
        // Before anything else is in the file: what is deleted can be given back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    if found < VERSION {
        upgrade(connection)?;
    }
    Ok(())
}

/// An error unless the database is a recording of this version.
pub(crate) fn check(connection: &Connection) -> Result<(), Failure> {
    match version(connection)? {
        VERSION => Ok(()),
        0 => Err(Failure::Empty),
        found => Err(Failure::Older { found, known: VERSION }),
    }
}

/// The version of a recording; 0 if the database is empty. An error if it is neither.
fn version(connection: &Connection) -> Result<i64, Failure> {
    let facts = "SELECT (SELECT count(*) FROM sqlite_schema), a.application_id, v.user_version
                 FROM pragma_application_id AS a, pragma_user_version AS v";
    let (objects, application, found): (i64, i64, i64) =
        connection.query_row(facts, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match (objects, application, found) {
        (0, 0, 0) => Ok(0),
        (_, APPLICATION, 1..=VERSION) => Ok(found),
        (_, APPLICATION, newer) if newer > VERSION => {
            Err(Failure::Newer { found: newer, known: VERSION })
        }
        _ => Err(Failure::Foreign),
    }
}

/// All steps or none.
fn upgrade(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    for step in &STEPS[version(&transaction)? as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

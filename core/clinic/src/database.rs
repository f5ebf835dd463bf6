//! The one place that opens the database and brings its schema up to date.

use crate::ClinicError;
use crate::key::{DataKey, Secret, random};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;
use zeroize::Zeroizing;

/// The database's file name in the data folder.
pub(crate) const DATABASE: &str = "clinic.db";
/// From an empty file to the present schema, one step each; a store of any earlier schema takes the steps that it lacks.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];
/// Memory for decrypted pages, KiB: holds what a search touches in a store of 50,000 patients.
const CACHE_KIB: i64 = 8_000;
/// Statements kept prepared: about the number of distinct ones in this crate.
const PREPARED: usize = 64;
/// How often and how long the first open waits for SQLCipher: 2 s at most; it needs some milliseconds.
const CIPHER_TRIES: usize = 400;
const CIPHER_PAUSE: Duration = Duration::from_millis(5);

/// Waits until SQLCipher is ready, whichever thread of the process opened the first database.
///
/// SQLite calls itself initialised before it calls SQLCipher's part (SQLITE_EXTRA_INIT); a second thread that opens in between is told that
/// its key is no key. Seen once in CI; core/clinic/tests/first_open.rs.
fn wait_for_cipher() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        for _ in 0..CIPHER_TRIES {
            if Connection::open_in_memory().and_then(|db| db.pragma_update(None, "key", "x")).is_ok() {
                return;
            }
            std::thread::sleep(CIPHER_PAUSE);
        }
        // Still not ready: the open that follows reports why.
    });
}

/// Opens (and makes) the database. Does I/O.
pub(crate) fn open(path: &Path, key: &DataKey) -> Result<Connection, ClinicError> {
    let db = connect(path)?;
    // A damaged file would otherwise print thousands of lines to stderr.
    db.execute_batch("PRAGMA cipher_log_level = NONE")?;
    db.pragma_update(None, "key", raw_key(key).as_str())?;
    ready(db)
}

/// The same without encryption, to compare times: for [`crate::BenchStore`], never for a clinic's records. Does I/O.
pub(crate) fn open_unencrypted(path: &Path, _: &DataKey) -> Result<Connection, ClinicError> {
    ready(connect(path)?)
}

fn connect(path: &Path) -> Result<Connection, ClinicError> {
    wait_for_cipher();
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.set_prepared_statement_cache_capacity(PREPARED);
    Ok(db)
}

fn ready(mut db: Connection) -> Result<Connection, ClinicError> {
    let readable = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    if matches!(&readable, Err(rusqlite::Error::SqliteFailure(e, _)) if e.code == rusqlite::ErrorCode::NotADatabase) {
        return Err(ClinicError::WrongKey);
    }
    readable?;
    // A commit is on the disk when it returns. EXTRA is FULL that also syncs the folder when a rollback journal is deleted, which is how
    // the change to WAL and a rekey commit: with FULL a power cut can bring such a journal back, and it undoes what came after.
    // Temporary tables would be plaintext on disk.
    db.execute_batch(
        "PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
    )?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    migrate(&mut db)?;
    Ok(db)
}

/// Encrypts the database under another key, in one transaction of its own. Does I/O.
///
/// In WAL mode on purpose: the commit is the WAL's own. Leaving WAL for it would delete a WAL without syncing the folder, and a power cut
/// could bring its pages back, which the new key does not open (core/clinic/tests/faults.rs).
pub(crate) fn rekey(db: &Connection, key: &DataKey) -> Result<(), ClinicError> {
    db.pragma_update(None, "rekey", raw_key(key).as_str())?;
    // The new key counts from here on; a checkpoint that fails is made up for by the next one.
    let _ = checkpoint(db);
    Ok(())
}

/// Everything is in the main file after this, so that it can be copied while the folder is locked. Does I/O.
pub(crate) fn checkpoint(db: &Connection) -> Result<(), ClinicError> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Whether SQLCipher and SQLite find nothing wrong with the file. Reads all of it.
pub(crate) fn check(db: &Connection) -> Result<bool, ClinicError> {
    // SQLCipher's check reads the main file alone, in which a power cut may leave torn pages that the WAL still holds whole.
    checkpoint(db)?;
    let sealed_right = db.prepare("PRAGMA cipher_integrity_check")?.query([])?.next()?.is_none();
    let answer: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let references_right = db.prepare("PRAGMA foreign_key_check")?.query([])?.next()?.is_none();
    Ok(sealed_right && answer == "ok" && references_right)
}

/// The keys of photos, oldest first; the first is made on first use. Does I/O.
pub(crate) fn photo_keys(db: &Connection) -> Result<BTreeMap<i64, Secret>, ClinicError> {
    let mut keys = BTreeMap::new();
    let mut statement = db.prepare("SELECT id, key FROM photo_key ORDER BY id")?;
    for row in statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?)))? {
        let (id, key) = row?;
        keys.insert(id, Zeroizing::new(key));
    }
    if keys.is_empty() {
        let (id, key) = add_photo_key(db)?;
        keys.insert(id, key);
    }
    Ok(keys)
}

/// A new key for the photos to come. Does I/O.
pub(crate) fn add_photo_key(db: &Connection) -> Result<(i64, Secret), ClinicError> {
    let key = random::<32>()?;
    db.execute("INSERT INTO photo_key (key) VALUES (?1)", params![key.as_slice()])?;
    Ok((db.last_insert_rowid(), key))
}

/// A raw key: no passphrase derivation, opens in under a millisecond.
fn raw_key(key: &DataKey) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex(key.derive("database").as_slice()));
    Zeroizing::new(format!("x'{}'", digits.as_str()))
}

/// All missing steps in one transaction: killed midway, the store is as it was.
fn migrate(db: &mut Connection) -> Result<(), ClinicError> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let steps = usize::try_from(version).ok().and_then(|done| MIGRATIONS.get(done..));
    let steps = steps.ok_or(ClinicError::NewerSchema(version))?;
    if steps.is_empty() {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(tx.commit()?)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

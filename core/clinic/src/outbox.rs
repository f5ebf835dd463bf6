//! What sync will send: one row per local change, written in the change's own transaction, in the order of the changes.
//!
//! Rows of one `unit` were one local transaction and go together; rows of one `root` (patient, or anonymous encounter) depend on
//! each other and keep their order; different roots are independent. No row leaves without consent: the view `may_leave` of the schema is
//! the rule, and [`pending`] asks it at the moment of sending. May not live here: sockets, FHIR.

use crate::kind::Kind;
use crate::{Clinic, ClinicError, Use};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

/// A change that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Order of writing.
    pub seq: i64,
    /// The local transaction it belongs to.
    pub unit: String,
    /// The patient it depends on, or the encounter when anonymous.
    pub root: String,
    /// The record's table.
    pub kind: String,
    /// The record's id.
    pub record: String,
    /// RFC 3339, UTC.
    pub made_at: String,
}

/// What became of a record's last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// `waiting`, `sent` or `quarantined`.
    pub state: String,
    /// Why the server refused it.
    pub reason: Option<String>,
}

/// Writes a row. Doctors are told with the records that name them.
pub(crate) fn push(
    tx: &Transaction<'_>,
    unit: &str,
    root: &str,
    kind: Kind,
    record: &str,
    made_at: &str,
) -> Result<(), ClinicError> {
    tx.prepare_cached(
        "INSERT INTO outbox (unit, root, kind, record, made_at, state) VALUES (?1, ?2, ?3, ?4, ?5, 'waiting')",
    )?
    .execute(params![unit, root, kind.table(), record, made_at])?;
    Ok(())
}

/// Moves what an anonymous encounter has waiting under its patient.
pub(crate) fn re_root(tx: &Transaction<'_>, from: &str, to: &str) -> Result<(), ClinicError> {
    tx.execute("UPDATE outbox SET root = ?2 WHERE root = ?1", [from, to])?;
    Ok(())
}

/// A change from the columns seq, unit, root, kind, record, made_at.
pub(crate) fn change(row: &rusqlite::Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        seq: row.get(0)?,
        unit: row.get(1)?,
        root: row.get(2)?,
        kind: row.get(3)?,
        record: row.get(4)?,
        made_at: row.get(5)?,
    })
}

fn pending(db: &Connection, purpose: Use, limit: u32) -> Result<Vec<Change>, ClinicError> {
    // `outbox_ready` finds them quickly; `may_leave` is asked again, at the moment of sending.
    let sql = "SELECT o.seq, o.unit, o.root, o.kind, o.record, o.made_at FROM outbox_ready r JOIN outbox o ON o.seq = r.seq
        WHERE r.use = ?1 AND EXISTS (SELECT 1 FROM may_leave m WHERE m.use = r.use AND m.seq = r.seq) ORDER BY r.seq LIMIT ?2";
    Ok(db.prepare_cached(sql)?.query_map(params![purpose.code(), limit], change)?.collect::<Result<_, _>>()?)
}

impl Clinic {
    /// Changes that wait and that the patient lets go for this use, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn pending_changes(&self, purpose: Use, limit: u32) -> Result<Vec<Change>, ClinicError> {
        pending(&self.db, purpose, limit)
    }

    /// How many changes wait for lack of consent for this use. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn held_back(&self, purpose: Use) -> Result<u64, ClinicError> {
        let sql = "SELECT (SELECT count(*) FROM outbox WHERE state = 'waiting') - (SELECT count(*) FROM outbox_ready WHERE use = ?1)";
        Ok(self.db.prepare_cached(sql)?.query_row([purpose.code()], |row| row.get(0))?)
    }

    /// Notes that the server has acknowledged these changes: all of them or none. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn mark_sent(&mut self, changes: &[i64]) -> Result<(), ClinicError> {
        let tx = self.db.transaction()?;
        for seq in changes {
            tx.prepare_cached("UPDATE outbox SET state = 'sent', reason = NULL WHERE seq = ?1")?.execute([seq])?;
        }
        Ok(tx.commit()?)
    }

    /// Sets a change aside that the server refuses, with its reason, so that the others go on. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn quarantine(&mut self, change: i64, reason: &str) -> Result<(), ClinicError> {
        self.db
            .execute("UPDATE outbox SET state = 'quarantined', reason = ?2 WHERE seq = ?1", params![change, reason])?;
        Ok(())
    }

    /// Lets all quarantined changes wait again. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn retry_quarantined(&mut self) -> Result<usize, ClinicError> {
        Ok(self.db.execute("UPDATE outbox SET state = 'waiting', reason = NULL WHERE state = 'quarantined'", [])?)
    }

    /// What became of a record's last change; `None` when it never had one. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delivery(&self, record: &str) -> Result<Option<Delivery>, ClinicError> {
        let sql = "SELECT state, reason FROM outbox WHERE record = ?1 ORDER BY seq DESC LIMIT 1";
        let delivery = |row: &rusqlite::Row<'_>| Ok(Delivery { state: row.get(0)?, reason: row.get(1)? });
        Ok(self.db.prepare_cached(sql)?.query_row([record], delivery).optional()?)
    }
}

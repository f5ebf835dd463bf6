//! The audit log: a hash chain over every change, with the digest of each record as it then was. An edit, a deletion or a
//! reordering of the log, and any change of a record that went past the log, is found by [`verify`].
//!
//! Who has the key can write a whole new chain; that is found by comparing the head with one that a backup or a server has seen.

use crate::ClinicError;
use crate::database::hex;
use crate::kind::Kind;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    Created,
    Changed,
    Merged,
    Parted,
    Purged,
    /// In a parcel, to this key.
    Exported(&'a str),
    /// From a parcel that this key has signed.
    Imported(&'a str),
}

impl Action<'_> {
    fn code(self) -> String {
        match self {
            Self::Created => "created".to_owned(),
            Self::Changed => "changed".to_owned(),
            Self::Merged => "merged".to_owned(),
            Self::Parted => "parted".to_owned(),
            Self::Purged => "purged".to_owned(),
            Self::Exported(to) => format!("exported to {to}"),
            Self::Imported(from) => format!("imported from {from}"),
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Position, from 1.
    pub seq: i64,
    /// RFC 3339, UTC.
    pub at: String,
    /// Doctor's id; `None` where nobody had signed in.
    pub author: Option<String>,
    /// `created`, `changed`, `merged`, `parted`, `purged`, `exported to KEY` or `imported from KEY`.
    pub action: String,
    /// The record's table.
    pub kind: String,
    /// The record's id.
    pub record: String,
    /// SHA-256 of the record as it then was, hex.
    pub digest: String,
}

/// What [`crate::Clinic::verify`] found of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Lines.
    pub entries: u64,
    /// Hash of the last line: note it elsewhere to prove later that nothing was cut off.
    pub head: String,
    /// First line whose hash does not follow from the one before.
    pub broken_at: Option<i64>,
    /// Records (`table/id`) that are not as the log last saw them, are gone, or were never logged.
    pub altered: Vec<String>,
}

impl AuditReport {
    /// Nothing was found.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.broken_at.is_none() && self.altered.is_empty()
    }
}

/// Adds a line, in the transaction of the change itself.
pub(crate) fn append(
    tx: &Transaction<'_>,
    at: &str,
    author: Option<&str>,
    action: Action<'_>,
    kind: Kind,
    record: &str,
) -> Result<(), ClinicError> {
    let head = tx
        .prepare_cached("SELECT seq, hash FROM audit_head WHERE one = 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let (seq, before) = head.unwrap_or((0, String::new()));
    let entry = AuditEntry {
        seq: seq + 1,
        at: at.to_owned(),
        author: author.map(str::to_owned),
        action: action.code(),
        kind: kind.table().to_owned(),
        record: record.to_owned(),
        digest: digest(tx, kind, record)?.ok_or(ClinicError::NotFound(kind))?,
    };
    let hash = chained(&before, &entry);
    tx.prepare_cached("INSERT INTO audit (seq, at, author, action, kind, record, digest, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![entry.seq, entry.at, entry.author, entry.action, entry.kind, entry.record, entry.digest, hash])?;
    tx.prepare_cached("INSERT INTO audit_head (one, seq, hash) VALUES (1, ?1, ?2) ON CONFLICT (one) DO UPDATE SET seq = ?1, hash = ?2")?
        .execute(params![entry.seq, hash])?;
    Ok(())
}

/// The lines about one record, oldest first.
pub(crate) fn history(db: &Connection, kind: Kind, record: &str) -> Result<Vec<AuditEntry>, ClinicError> {
    let sql = format!("{LINES} WHERE kind = ?1 AND record = ?2 ORDER BY seq");
    Ok(db
        .prepare_cached(&sql)?
        .query_map([kind.table(), record], |row| line(row).map(|(entry, _)| entry))?
        .collect::<Result<_, _>>()?)
}

/// Walks the whole chain and compares every record with its last line.
pub(crate) fn verify(db: &Connection) -> Result<AuditReport, ClinicError> {
    let mut report = AuditReport::default();
    let mut last_seen: HashMap<(String, String), String> = HashMap::new();
    let mut statement = db.prepare(&format!("{LINES} ORDER BY seq"))?;
    let mut before = String::new();
    let mut expected = 1;
    for row in statement.query_map([], line)? {
        let (entry, hash) = row?;
        if report.broken_at.is_none() && (entry.seq != expected || chained(&before, &entry) != hash) {
            report.broken_at = Some(entry.seq);
        }
        before = hash;
        expected = entry.seq + 1;
        report.entries += 1;
        last_seen.insert((entry.kind, entry.record), entry.digest);
    }
    let head = db
        .query_row("SELECT seq, hash FROM audit_head", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let (seq, hash) = head.unwrap_or((0, String::new()));
    if report.broken_at.is_none() && (seq + 1 != expected || hash != before) {
        report.broken_at = Some(expected);
    }
    report.head = hash;
    for kind in Kind::ALL {
        let mut rows = db.prepare(&format!("SELECT * FROM {} ORDER BY id", kind.table()))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let id: String = row.get("id")?;
            let now = digest_row(kind, row)?;
            match last_seen.remove(&(kind.table().to_owned(), id.clone())) {
                Some(then) if then == now => {}
                _ => report.altered.push(format!("{}/{id}", kind.table())),
            }
        }
    }
    // What is left was logged and is gone, or is of a kind that only a newer version knows.
    report.altered.extend(
        last_seen
            .into_keys()
            .filter(|(kind, _)| Kind::from_table(kind).is_some())
            .map(|(kind, id)| format!("{kind}/{id}")),
    );
    report.altered.sort();
    Ok(report)
}

const LINES: &str = "SELECT seq, at, author, action, kind, record, digest, hash FROM audit";

fn line(row: &rusqlite::Row<'_>) -> rusqlite::Result<(AuditEntry, String)> {
    let entry = AuditEntry {
        seq: row.get(0)?,
        at: row.get(1)?,
        author: row.get(2)?,
        action: row.get(3)?,
        kind: row.get(4)?,
        record: row.get(5)?,
        digest: row.get(6)?,
    };
    Ok((entry, row.get(7)?))
}

fn chained(before: &str, entry: &AuditEntry) -> String {
    let seq = entry.seq.to_string();
    let fields = [
        before,
        &seq,
        &entry.at,
        entry.author.as_deref().unwrap_or(""),
        &entry.action,
        &entry.kind,
        &entry.record,
        &entry.digest,
    ];
    let mut hasher = Sha256::new();
    for field in fields {
        update(&mut hasher, field.as_bytes());
    }
    hex(&hasher.finalize())
}

fn digest(db: &Connection, kind: Kind, id: &str) -> Result<Option<String>, ClinicError> {
    let mut statement = db.prepare_cached(&format!("SELECT * FROM {} WHERE id = ?1", kind.table()))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(|row| digest_row(kind, row)).transpose()
}

/// Over all columns that are not NULL, by name: a column that a migration adds leaves older digests right.
fn digest_row(kind: Kind, row: &rusqlite::Row<'_>) -> Result<String, ClinicError> {
    let mut hasher = Sha256::new();
    update(&mut hasher, kind.table().as_bytes());
    let statement = row.as_ref();
    for (i, name) in statement.column_names().enumerate() {
        let (kind, value): (u8, Vec<u8>) = match row.get_ref(i)? {
            ValueRef::Null => continue,
            ValueRef::Integer(value) => (1, value.to_be_bytes().to_vec()),
            ValueRef::Real(value) => (2, value.to_be_bytes().to_vec()),
            ValueRef::Text(value) => (3, value.to_vec()),
            ValueRef::Blob(value) => (4, value.to_vec()),
        };
        update(&mut hasher, name.as_bytes());
        hasher.update([kind]);
        update(&mut hasher, &value);
    }
    Ok(hex(&hasher.finalize()))
}

/// Length first, so that no two lists of fields read alike.
fn update(hasher: &mut Sha256, field: &[u8]) {
    hasher.update((field.len() as u64).to_be_bytes());
    hasher.update(field);
}

#[cfg(test)]
mod tests {
    use crate::{Clinic, FileVault, NewEncounter, NewPatient, Unlock};

    fn filled(dir: &std::path::Path) -> Clinic {
        let mut clinic =
            Clinic::open(&dir.join("data"), &FileVault::new(dir.join("key")), Unlock::Device).expect("opens");
        for i in 0..4 {
            let who =
                clinic.add_patient(&NewPatient { name: format!("王{i}"), ..NewPatient::default() }).expect("adds");
            let new = NewEncounter { patient_id: Some(who), findings: "x".to_owned(), ..NewEncounter::default() };
            let id = clinic.record(&new).expect("records");
            clinic.add_diagnosis(&id, Some("scabies"), "", "confirmed").expect("adds");
        }
        clinic
    }

    /// Row 20: every edit, deletion and reordering of the log, and every change of a record past the log, is found.
    #[test]
    fn tampering_with_the_log_or_past_it_is_found() {
        let dir = tempfile::tempdir().expect("dir");
        let mut clinic = filled(dir.path());
        clinic.db.pragma_update(None, "foreign_keys", false).expect("pragma");
        assert!(clinic.verify().expect("verifies").audit.ok());
        let mut tricks: Vec<String> = Vec::new();
        for seq in 1..=12 {
            for column in ["at", "action", "kind", "record", "digest", "hash"] {
                tricks.push(format!("UPDATE audit SET {column} = {column} || 'x' WHERE seq = {seq}"));
            }
            tricks.push(format!("UPDATE audit SET author = 'x' WHERE seq = {seq}"));
            tricks.push(format!("DELETE FROM audit WHERE seq = {seq}"));
            tricks.push(format!("DELETE FROM audit WHERE seq >= {seq}"));
        }
        for seq in 1..12 {
            tricks.push(format!(
                "UPDATE audit SET seq = -1 WHERE seq = {seq}; UPDATE audit SET seq = {seq} WHERE seq = {seq} + 1; UPDATE audit SET seq = {seq} + 1 WHERE seq = -1"
            ));
        }
        for row in 0..4 {
            let one = format!("(SELECT id FROM diagnosis ORDER BY id LIMIT 1 OFFSET {row})");
            tricks.push(format!("UPDATE diagnosis SET disease = 'eczema' WHERE id = {one}"));
            tricks.push(format!("UPDATE diagnosis SET standing = 'verified' WHERE id = {one}"));
            tricks.push(format!("DELETE FROM diagnosis WHERE id = {one}"));
            tricks.push(format!("INSERT INTO diagnosis SELECT id || 'x', encounter_id, made_at, author, disease, words, certainty, standing FROM diagnosis WHERE id = {one}"));
        }
        tricks.push("DELETE FROM audit; DELETE FROM audit_head".to_owned());
        for trick in tricks {
            let tx = clinic.db.transaction().expect("begins");
            tx.execute_batch(&trick).expect("tampers");
            assert!(!super::verify(&tx).expect("verifies").ok(), "{trick}");
            tx.rollback().expect("rolls back");
        }
        assert!(clinic.verify().expect("verifies").audit.ok());
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let clinic = filled(dir.path());
        clinic.db.pragma_update(None, "user_version", 999).expect("pragma");
        drop(clinic);
        let refused = Clinic::open(&dir.path().join("data"), &FileVault::new(dir.path().join("key")), Unlock::Device);
        assert!(matches!(refused, Err(crate::ClinicError::NewerSchema(999))));
    }
}

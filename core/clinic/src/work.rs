//! One unit of work: one transaction in which records, their audit lines and their outbox rows are written together.

use crate::audit::{self, Action};
use crate::kind::Kind;
use crate::{Clinic, ClinicError, outbox};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

/// An open unit of work; dropped without [`Work::commit`], nothing has happened.
pub(crate) struct Work<'c> {
    pub(crate) tx: Transaction<'c>,
    pub(crate) author: Option<&'c str>,
    pub(crate) now: String,
    unit: String,
}

impl Clinic {
    pub(crate) fn work(&mut self) -> Result<Work<'_>, ClinicError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Work { tx, author: self.author.as_deref(), now: Timestamp::now().to_string(), unit: new_id() })
    }
}

impl Work<'_> {
    /// Logs a change that is also sent.
    pub(crate) fn log(&self, action: Action, kind: Kind, record: &str, root: &str) -> Result<(), ClinicError> {
        self.log_here(action, kind, record)?;
        outbox::push(&self.tx, &self.unit, root, kind, record, &self.now)
    }

    /// Logs a change that concerns this phone only.
    pub(crate) fn log_here(&self, action: Action, kind: Kind, record: &str) -> Result<(), ClinicError> {
        audit::append(&self.tx, &self.now, self.author, action, kind, record)
    }

    /// The patient of an encounter, or the encounter itself when anonymous.
    pub(crate) fn root_of(&self, encounter: &str) -> Result<String, ClinicError> {
        let patient: Option<Option<String>> = self
            .tx
            .prepare_cached("SELECT patient_id FROM encounter WHERE id = ?1")?
            .query_row([encounter], |row| row.get(0))
            .optional()?;
        Ok(patient.ok_or(ClinicError::NotFound(Kind::Encounter))?.unwrap_or_else(|| encounter.to_owned()))
    }

    /// Refuses an id that is not there.
    pub(crate) fn require(&self, kind: Kind, id: &str) -> Result<(), ClinicError> {
        require(&self.tx, kind, id)
    }

    /// Makes it so; after this it survives a power cut.
    pub(crate) fn commit(self) -> Result<(), ClinicError> {
        Ok(self.tx.commit()?)
    }
}

/// Refuses an id that is not there.
pub(crate) fn require(db: &Connection, kind: Kind, id: &str) -> Result<(), ClinicError> {
    let sql = format!("SELECT 1 FROM {} WHERE id = ?1", kind.table());
    let found = db.prepare_cached(&sql)?.exists([id])?;
    if found { Ok(()) } else { Err(ClinicError::NotFound(kind)) }
}

/// A new UUIDv7, so ids sort by time.
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

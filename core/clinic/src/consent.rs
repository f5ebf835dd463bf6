//! Consent, asked per use. Every yes and no is kept; the last one counts. Without a yes nothing leaves the phone (see outbox.rs).

use crate::audit::Action;
use crate::duplicates::records_of;
use crate::error::Field;
use crate::kind::Kind;
use crate::work::{Work, new_id};
use crate::{Clinic, ClinicError, input};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// What records may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// The patient's own care, which includes sending records to the clinic's server or a specialist.
    Care,
    /// Teaching of health workers.
    Teaching,
    /// Training of models.
    ModelTraining,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Care, Self::Teaching, Self::ModelTraining];

    /// The stored code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Teaching => "teaching",
            Self::ModelTraining => "model_training",
        }
    }
}

/// One yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// UUIDv7.
    pub id: String,
    /// Patient id, or encounter id when anonymous.
    pub subject: String,
    /// The use's code; one of a newer version is kept.
    #[serde(rename = "use")]
    pub purpose: String,
    /// Yes or no.
    pub granted: bool,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor who asked.
    pub author: Option<String>,
}

pub(crate) fn record(work: &Work<'_>, subject: &str, purpose: &str, granted: bool) -> Result<(), ClinicError> {
    let id = new_id();
    work.tx
        .prepare_cached(
            "INSERT INTO consent (id, subject, use, granted, made_at, author) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![id, subject, purpose, granted, work.now, work.author])?;
    work.log(Action::Created, Kind::Consent, &id, subject)
}

impl Clinic {
    /// Records a patient's yes or no to one use; a no after a yes is a withdrawal. It counts for the records merged
    /// into this one too. `subject` is a patient's id, or an encounter's that has no patient. Does I/O.
    ///
    /// # Errors
    /// When there is no such patient or anonymous encounter, or the database refuses.
    pub fn set_consent(&mut self, subject: &str, purpose: Use, granted: bool) -> Result<(), ClinicError> {
        input::text(Field::Code, subject)?;
        let work = self.work()?;
        let anonymous = work
            .tx
            .prepare_cached("SELECT 1 FROM encounter WHERE id = ?1 AND patient_id IS NULL")?
            .exists([subject])?;
        if !anonymous {
            work.require(Kind::Patient, subject)?;
        }
        for record_id in records_of(&work.tx, subject)? {
            record(&work, &record_id, purpose.code(), granted)?;
        }
        work.commit()
    }

    /// Whether the last word about this use is yes; no word is no. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn has_consent(&self, subject: &str, purpose: Use) -> Result<bool, ClinicError> {
        let sql = "SELECT granted FROM consent WHERE subject = ?1 AND use = ?2 ORDER BY n DESC LIMIT 1";
        let granted = self.db.prepare_cached(sql)?.query_row([subject, purpose.code()], |row| row.get(0)).optional()?;
        Ok(granted.unwrap_or(false))
    }

    /// Everything a patient has said, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn consents(&self, subject: &str) -> Result<Vec<Consent>, ClinicError> {
        said(&self.db, subject)
    }
}

/// Everything a patient has said, oldest first.
pub(crate) fn said(db: &Connection, subject: &str) -> Result<Vec<Consent>, ClinicError> {
    let sql = "SELECT id, subject, use, granted, made_at, author FROM consent WHERE subject = ?1 ORDER BY n";
    let consent = |row: &rusqlite::Row<'_>| {
        Ok(Consent {
            id: row.get(0)?,
            subject: row.get(1)?,
            purpose: row.get(2)?,
            granted: row.get(3)?,
            made_at: row.get(4)?,
            author: row.get(5)?,
        })
    };
    Ok(db.prepare_cached(sql)?.query_map([subject], consent)?.collect::<Result<_, _>>()?)
}

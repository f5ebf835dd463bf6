//! Patients: who they are and how they are found. May not live here: who may be the same person (duplicates.rs).

use crate::audit::Action;
use crate::error::Field;
use crate::kind::Kind;
use crate::work::{Work, new_id};
use crate::{Clinic, ClinicError, input, names};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use std::collections::HashSet;

/// A patient as typed.
#[derive(Debug, Clone, Default)]
pub struct NewPatient {
    /// Name, kept as written; at most 200 characters.
    pub name: String,
    /// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`; not in the future.
    pub birth_date: Option<String>,
    /// Age in years, used when no birth date is known: the year of birth is reckoned from it and marked as estimated.
    pub age_years: Option<f64>,
    /// FHIR's administrative gender: `female`, `male`, `other`, `unknown`; another code is kept as it is.
    pub sex: Option<String>,
    /// Phone number, as written.
    pub phone: Option<String>,
    /// Village or address.
    pub village: Option<String>,
}

/// A stored patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patient {
    /// UUIDv7.
    pub id: String,
    /// As written.
    pub name: String,
    /// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    pub birth_date: Option<String>,
    /// The year was reckoned from an age.
    pub birth_estimated: bool,
    /// FHIR's administrative gender.
    pub sex: Option<String>,
    /// As written.
    pub phone: Option<String>,
    /// As written.
    pub village: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The same person's record that counts, when this one was merged into it.
    pub merged_into: Option<String>,
}

/// What is known of a patient, to be changed and given to [`Clinic::update_patient`].
impl From<Patient> for NewPatient {
    fn from(known: Patient) -> Self {
        Self {
            name: known.name,
            birth_date: known.birth_date,
            age_years: None,
            sex: known.sex,
            phone: known.phone,
            village: known.village,
        }
    }
}

impl Clinic {
    /// Adds a patient; duplicates are looked for by [`Clinic::possible_duplicates`], not refused. Does I/O.
    ///
    /// # Errors
    /// When a field cannot be stored as it is, or the database refuses; nothing is changed then.
    pub fn add_patient(&mut self, new: &NewPatient) -> Result<String, ClinicError> {
        let work = self.work()?;
        let id = insert(&work, new)?;
        work.commit()?;
        Ok(id)
    }

    /// Replaces what is known of a patient. A birth date that is given as it is stored stays estimated if it was. Does I/O.
    ///
    /// # Errors
    /// When there is none, a field cannot be stored as it is, or the database refuses; nothing is changed then.
    pub fn update_patient(&mut self, id: &str, new: &NewPatient) -> Result<(), ClinicError> {
        let work = self.work()?;
        rewrite(&work.tx, id, new)?;
        work.log(Action::Changed, Kind::Patient, id, id)?;
        work.commit()
    }

    /// One patient. Reads the database.
    ///
    /// # Errors
    /// When there is none.
    pub fn patient(&self, id: &str) -> Result<Patient, ClinicError> {
        let sql = format!("SELECT {COLUMNS} FROM patient p WHERE id = ?1");
        self.db.prepare_cached(&sql)?.query_row([id], patient).optional()?.ok_or(ClinicError::NotFound(Kind::Patient))
    }

    /// Patients, newest first, without those that were merged into another. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn patients(&self, limit: u32) -> Result<Vec<Patient>, ClinicError> {
        let sql = format!("SELECT {COLUMNS} FROM patient p WHERE merged_into IS NULL ORDER BY n DESC LIMIT ?1");
        Ok(self.db.prepare_cached(&sql)?.query_map([limit], patient)?.collect::<Result<_, _>>()?)
    }

    /// Patients by the beginnings of name, given name, pinyin, initials, phone (or its last digits) and village; several words must
    /// all fit. Whole matches come first. Who was merged into another record is found as that one. Reads the database.
    ///
    /// # Errors
    /// When the query is longer than a name may be, or the database refuses.
    pub fn find_patients(&self, query: &str, limit: u32) -> Result<Vec<Patient>, ClinicError> {
        input::text(Field::Name, query)?;
        let mut words = Vec::new();
        for word in names::query(query) {
            words.push((self.width(&word)?, word));
        }
        // The rarest word leads, the others filter.
        words.sort();
        let Some((lead, filters)) = words.split_first() else { return Ok(Vec::new()) };
        // The keys of a filter are read as one range, or looked up for each patient whom the lead leaves, whichever reads less. Of a
        // filter that very many fit, few lookups give enough patients.
        let filter = |(width, _): &(u32, String)| {
            if *width == BROAD || *width > lead.0 * LOOKUP {
                " AND EXISTS (SELECT 1 FROM patient_key f WHERE f.patient = k.patient AND f.key >= ? AND f.key < ?)"
            } else {
                " AND +k.patient IN (SELECT patient FROM patient_key WHERE key >= ? AND key < ?)"
            }
        };
        // The index gives keys in order, so the shortest continuation of the lead, the whole match, comes first. One patient may have
        // several keys that fit: take more rows than asked for and drop the repeats.
        let filters: String = filters.iter().map(filter).collect();
        let sql = format!(
            "SELECT k.patient FROM patient_key k WHERE k.key >= ? AND k.key < ?{filters} ORDER BY k.key LIMIT ?"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        for (i, (_, word)) in words.iter().enumerate() {
            statement.raw_bind_parameter(2 * i + 1, word)?;
            statement.raw_bind_parameter(2 * i + 2, after(word))?;
        }
        statement.raw_bind_parameter(2 * words.len() + 1, i64::from(limit) * 8)?;
        let mut by_n = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM patient p WHERE n = ?1"))?;
        let mut seen: HashSet<i64> = HashSet::new();
        let mut found: Vec<Patient> = Vec::new();
        let mut rows = statement.raw_query();
        while found.len() < limit as usize
            && let Some(row) = rows.next()?
        {
            let n = row.get(0)?;
            if !seen.insert(n) {
                continue;
            }
            let mut next = by_n.query_row([n], patient)?;
            if let Some(kept) = &next.merged_into {
                next = self.patient(kept)?;
            }
            if !found.iter().any(|patient| patient.id == next.id) {
                found.push(next);
            }
        }
        Ok(found)
    }

    /// How many keys a word begins, up to [`BROAD`].
    fn width(&self, word: &str) -> Result<u32, ClinicError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM patient_key WHERE key >= ?1 AND key < ?2 LIMIT ?3)";
        Ok(self.db.prepare_cached(sql)?.query_row(params![word, after(word), BROAD], |row| row.get(0))?)
    }
}

/// Keys from which on a word is not read whole: so many cost some milliseconds.
const BROAD: u32 = 5_000;
/// Keys of a range that are read in the time of one lookup.
const LOOKUP: u32 = 8;

/// Greater than every key that begins with the word.
fn after(word: &str) -> String {
    format!("{word}\u{10ffff}")
}

/// Replaces what is known of a patient, within a transaction that also logs it. A birth date that is given as it is stored stays
/// estimated if it was.
pub(crate) fn rewrite(tx: &Transaction<'_>, id: &str, new: &NewPatient) -> Result<(), ClinicError> {
    let (birth_date, estimated) = input::patient(new)?;
    let (n, estimated): (i64, bool) = tx
        .query_row(
            "SELECT n, ?2 OR (birth_estimated IS 1 AND birth_date IS ?3) FROM patient WHERE id = ?1",
            params![id, estimated, birth_date],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?
        .ok_or(ClinicError::NotFound(Kind::Patient))?;
    tx.execute(
        "UPDATE patient SET name = ?2, birth_date = ?3, birth_estimated = ?4, sex = ?5, phone = ?6, village = ?7 WHERE n = ?1",
        params![n, new.name, birth_date, estimated, new.sex, new.phone, new.village],
    )?;
    tx.execute("DELETE FROM patient_key WHERE patient = ?1", [n])?;
    write_keys(tx, n, new)
}

/// Writes a new patient within a unit of work; its id.
pub(crate) fn insert(work: &Work<'_>, new: &NewPatient) -> Result<String, ClinicError> {
    let (birth_date, estimated) = input::patient(new)?;
    let id = new_id();
    work.tx
        .prepare_cached(
            "INSERT INTO patient (id, name, birth_date, birth_estimated, sex, phone, village, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![id, new.name, birth_date, estimated, new.sex, new.phone, new.village, work.now])?;
    write_keys(&work.tx, work.tx.last_insert_rowid(), new)?;
    work.log(Action::Created, Kind::Patient, &id, &id)?;
    Ok(id)
}

pub(crate) const COLUMNS: &str =
    "p.id, p.name, p.birth_date, p.birth_estimated, p.sex, p.phone, p.village, p.created_at, p.merged_into";

pub(crate) fn patient(row: &Row<'_>) -> rusqlite::Result<Patient> {
    Ok(Patient {
        id: row.get(0)?,
        name: row.get(1)?,
        birth_date: row.get(2)?,
        birth_estimated: row.get::<_, Option<bool>>(3)?.unwrap_or(false),
        sex: row.get(4)?,
        phone: row.get(5)?,
        village: row.get(6)?,
        created_at: row.get(7)?,
        merged_into: row.get(8)?,
    })
}

fn write_keys(tx: &Transaction<'_>, n: i64, new: &NewPatient) -> Result<(), ClinicError> {
    let mut insert = tx.prepare_cached("INSERT INTO patient_key (key, patient) VALUES (?1, ?2)")?;
    for key in names::keys(&new.name, new.phone.as_deref(), new.village.as_deref()) {
        insert.execute(params![key, n])?;
    }
    Ok(())
}

//! Patients: who they are, how they are found, and who may be the same person.

use crate::audit::Action;
use crate::kind::Kind;
use crate::work::{Work, new_id};
use crate::{Clinic, ClinicError, input, names};
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use std::collections::BTreeMap;

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
}

/// Somebody who may be the same person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PossibleDuplicate {
    /// Who.
    pub patient: Patient,
    /// 0 to 1.
    pub score: f64,
    /// What agrees: `name`, `sound`, `phone`, `birth_date`, `birth_year`, `village`; what differs: `not_sex`, `not_birth_date`.
    pub because: Vec<&'static str>,
}

/// From this score on two records are shown as possibly one person.
const LIKELY: f64 = 0.5;

impl Clinic {
    /// Adds a patient; duplicates are looked for by [`Clinic::possible_duplicates`], not refused. Does I/O.
    ///
    /// # Errors
    /// When a field cannot be stored as it is, or the database refuses; nothing is changed then.
    pub fn add_patient(&mut self, new: &NewPatient) -> Result<String, ClinicError> {
        let (birth_date, estimated) = input::patient(new)?;
        let id = new_id();
        let work = self.work()?;
        work.tx
            .prepare_cached(
                "INSERT INTO patient (id, name, birth_date, birth_estimated, sex, phone, village, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![id, new.name, birth_date, estimated, new.sex, new.phone, new.village, work.now])?;
        write_keys(&work, work.tx.last_insert_rowid(), new)?;
        work.log(Action::Created, Kind::Patient, &id, &id)?;
        work.commit()?;
        Ok(id)
    }

    /// Replaces what is known of a patient. Does I/O.
    ///
    /// # Errors
    /// When there is none, a field cannot be stored as it is, or the database refuses; nothing is changed then.
    pub fn update_patient(&mut self, id: &str, new: &NewPatient) -> Result<(), ClinicError> {
        let (birth_date, estimated) = input::patient(new)?;
        let work = self.work()?;
        let n: i64 = work
            .tx
            .query_row("SELECT n FROM patient WHERE id = ?1", [id], |row| row.get(0))
            .optional()?
            .ok_or(ClinicError::NotFound(Kind::Patient))?;
        work.tx.execute(
            "UPDATE patient SET name = ?2, birth_date = ?3, birth_estimated = ?4, sex = ?5, phone = ?6, village = ?7 WHERE n = ?1",
            params![n, new.name, birth_date, estimated, new.sex, new.phone, new.village],
        )?;
        work.tx.execute("DELETE FROM patient_key WHERE patient = ?1", [n])?;
        write_keys(&work, n, new)?;
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

    /// Patients, newest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn patients(&self, limit: u32) -> Result<Vec<Patient>, ClinicError> {
        let sql = format!("SELECT {COLUMNS} FROM patient p ORDER BY n DESC LIMIT ?1");
        Ok(self.db.prepare_cached(&sql)?.query_map([limit], patient)?.collect::<Result<_, _>>()?)
    }

    /// Patients by the beginnings of name, given name, pinyin, initials, phone (or its last digits) and village; several words must
    /// all fit. Whole matches come first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_patients(&self, query: &str, limit: u32) -> Result<Vec<Patient>, ClinicError> {
        let mut words = names::query(query);
        // The longest word is the rarest: it leads, the others filter.
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        let Some((lead, filters)) = words.split_first() else { return Ok(Vec::new()) };
        let filter =
            "AND EXISTS (SELECT 1 FROM patient_key f WHERE f.patient = k.patient AND f.key >= ? AND f.key < ?)";
        // The index gives keys in order, so the shortest continuation of the lead, the whole match, comes first. One patient may have
        // several keys that fit: take more rows than asked for and drop the repeats.
        let sql = format!(
            "SELECT k.patient FROM patient_key k WHERE k.key >= ? AND k.key < ? {} ORDER BY k.key LIMIT ?",
            filter.repeat(filters.len())
        );
        let mut bounds: Vec<String> = Vec::with_capacity(2 * words.len() + 1);
        for word in std::iter::once(lead).chain(filters) {
            bounds.push(word.clone());
            bounds.push(format!("{word}\u{10ffff}"));
        }
        let mut statement = self.db.prepare_cached(&sql)?;
        for (i, bound) in bounds.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, bound)?;
        }
        statement.raw_bind_parameter(bounds.len() + 1, i64::from(limit) * 8)?;
        let mut found: Vec<i64> = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let n = row.get(0)?;
            if !found.contains(&n) {
                found.push(n);
            }
            if found.len() == limit as usize {
                break;
            }
        }
        drop(rows);
        let mut by_n = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM patient p WHERE n = ?1"))?;
        found.into_iter().map(|n| Ok(by_n.query_row([n], patient)?)).collect()
    }

    /// Stored patients who may be this person, likeliest first. Reads the database.
    ///
    /// The score is our own and untested on real registers: same name 0.5 (same sound 0.3), phone 0.4, birth date 0.3 (year 0.15),
    /// village 0.1; a different sex or birth year takes 0.3 off.
    ///
    /// # Errors
    /// When a field could not be stored, or the database refuses.
    pub fn possible_duplicates(&self, new: &NewPatient) -> Result<Vec<PossibleDuplicate>, ClinicError> {
        let (birth_date, _) = input::patient(new)?;
        let mut candidates = BTreeMap::new();
        let phone = new.phone.as_deref().map(names::fold).filter(|phone| !phone.is_empty());
        let keys = [Some(names::fold(&new.name)), Some(names::sound(&new.name)), phone.clone()];
        let sql = format!(
            "SELECT {COLUMNS} FROM patient_key k JOIN patient p ON p.n = k.patient WHERE k.key = ?1 LIMIT 1000"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        for key in keys.into_iter().flatten() {
            for found in statement.query_map([key], patient)? {
                let found = found?;
                candidates.insert(found.id.clone(), found);
            }
        }
        let mut matches: Vec<_> = candidates
            .into_values()
            .map(|old| score(new, birth_date.as_deref(), phone.as_deref(), old))
            .filter(|found| found.score >= LIKELY)
            .collect();
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(matches)
    }
}

const COLUMNS: &str = "p.id, p.name, p.birth_date, p.birth_estimated, p.sex, p.phone, p.village, p.created_at";

fn patient(row: &Row<'_>) -> rusqlite::Result<Patient> {
    Ok(Patient {
        id: row.get(0)?,
        name: row.get(1)?,
        birth_date: row.get(2)?,
        birth_estimated: row.get::<_, Option<bool>>(3)?.unwrap_or(false),
        sex: row.get(4)?,
        phone: row.get(5)?,
        village: row.get(6)?,
        created_at: row.get(7)?,
    })
}

fn write_keys(work: &Work<'_>, n: i64, new: &NewPatient) -> Result<(), ClinicError> {
    let mut insert = work.tx.prepare_cached("INSERT INTO patient_key (key, patient) VALUES (?1, ?2)")?;
    for key in names::keys(&new.name, new.phone.as_deref(), new.village.as_deref()) {
        insert.execute(params![key, n])?;
    }
    Ok(())
}

fn score(new: &NewPatient, birth_date: Option<&str>, phone: Option<&str>, old: Patient) -> PossibleDuplicate {
    let mut score: f64 = 0.0;
    let mut because = Vec::new();
    let mut add = |points: f64, what: &'static str| {
        score += points;
        because.push(what);
    };
    if names::fold(&new.name) == names::fold(&old.name) {
        add(0.5, "name");
    } else if names::sound(&new.name) == names::sound(&old.name) {
        add(0.3, "sound");
    }
    if phone.is_some() && phone.map(str::to_owned) == old.phone.as_deref().map(names::fold) {
        add(0.4, "phone");
    }
    if let (Some(new), Some(old_date)) = (birth_date, old.birth_date.as_deref()) {
        let years: Vec<i32> = [new, old_date].iter().filter_map(|date| date.get(..4)?.parse().ok()).collect();
        let apart = years.first().zip(years.last()).map_or(0, |(a, b)| (a - b).abs());
        if new.len() == 10 && new == old_date {
            add(0.3, "birth_date");
        } else if apart <= 1 {
            // An age in years leaves one year open.
            add(0.15, "birth_year");
        } else {
            add(-0.3, "not_birth_date");
        }
    }
    if let (Some(new), Some(old)) = (&new.sex, &old.sex)
        && new != old
    {
        add(-0.3, "not_sex");
    }
    if let (Some(new), Some(old)) = (&new.village, &old.village)
        && names::fold(new) == names::fold(old)
    {
        add(0.1, "village");
    }
    PossibleDuplicate { patient: old, score: score.clamp(0.0, 1.0), because }
}

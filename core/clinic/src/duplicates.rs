//! Two records of one person: how they are found, merged, and parted again.
//!
//! A merge is a link (FHIR's Patient.link): every record stays where it was written, so that nothing is lost and a wrong merge is undone.

use crate::audit::Action;
use crate::kind::Kind;
use crate::patient::{COLUMNS, patient};
use crate::{Clinic, ClinicError, NewPatient, Patient, consent, input, names};
use rusqlite::Connection;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
            "SELECT {COLUMNS} FROM patient_key k JOIN patient p ON p.n = k.patient WHERE k.key = ?1 AND p.merged_into IS NULL LIMIT 1000"
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

    /// Stored patients who may be the same person as this one, likeliest first; see [`Clinic::possible_duplicates`]. Reads the database.
    ///
    /// # Errors
    /// When there is no such patient, or the database refuses.
    pub fn duplicates_of(&self, id: &str) -> Result<Vec<PossibleDuplicate>, ClinicError> {
        let mut found = self.possible_duplicates(&self.patient(id)?.into())?;
        found.retain(|duplicate| duplicate.patient.id != id);
        Ok(found)
    }

    /// Says that two records are one person and which one counts from now on. The other's encounters, lesions and consents stay with
    /// it and are shown with the one that counts. Where the two have said yes and no to one use, the no counts for both until somebody
    /// asks again; gives back the codes of those uses. [`Clinic::part_patients`] undoes the link. Does I/O.
    ///
    /// # Errors
    /// When there is no such patient, one of them was merged before, or the database refuses; nothing is changed then.
    pub fn merge_patients(&mut self, other: &str, counts: &str) -> Result<Vec<String>, ClinicError> {
        if other == counts || self.patient(other)?.merged_into.is_some() || self.patient(counts)?.merged_into.is_some()
        {
            return Err(ClinicError::Merged);
        }
        let followers: Vec<String> = records_of(&self.db, other)?;
        let work = self.work()?;
        for id in &followers {
            work.tx.execute("UPDATE patient SET merged_into = ?2 WHERE id = ?1", [id.as_str(), counts])?;
            work.log(Action::Merged, Kind::Patient, id, id)?;
        }
        let mut last: BTreeMap<(String, String), bool> = BTreeMap::new();
        let all = records_of(&work.tx, counts)?;
        for id in &all {
            for said in consent::said(&work.tx, id)? {
                last.insert((said.purpose, id.clone()), said.granted);
            }
        }
        let refused: BTreeSet<String> =
            last.iter().filter(|(_, granted)| !**granted).map(|((purpose, _), _)| purpose.clone()).collect();
        let mut ask_again = BTreeSet::new();
        for ((purpose, id), granted) in &last {
            if *granted && refused.contains(purpose) {
                consent::record(&work, id, purpose, false)?;
                ask_again.insert(purpose.clone());
            }
        }
        work.commit()?;
        Ok(ask_again.into_iter().collect())
    }

    /// Undoes a merge: the record counts for itself again. What consent the merge took back stays so. Does I/O.
    ///
    /// # Errors
    /// When there is no such patient, it was not merged, or the database refuses.
    pub fn part_patients(&mut self, id: &str) -> Result<(), ClinicError> {
        if self.patient(id)?.merged_into.is_none() {
            return Err(ClinicError::NotMerged);
        }
        let work = self.work()?;
        work.tx.execute("UPDATE patient SET merged_into = NULL WHERE id = ?1", [id])?;
        work.log(Action::Parted, Kind::Patient, id, id)?;
        work.commit()
    }
}

/// The record itself and those that were merged into it: for a condition `IN (...)` on patient ids, with the record as `?1`.
pub(crate) const RECORDS_OF: &str = "SELECT ?1 UNION ALL SELECT id FROM patient WHERE merged_into = ?1";

/// The record itself and those that were merged into it.
pub(crate) fn records_of(db: &Connection, id: &str) -> Result<Vec<String>, ClinicError> {
    Ok(db.prepare_cached(RECORDS_OF)?.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
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

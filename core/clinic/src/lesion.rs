//! Lesions: places on a patient's skin that are watched over time, each with its time line of photos.

use crate::audit::Action;
use crate::duplicates::RECORDS_OF;
use crate::encounter::{PHOTO, photo};
use crate::error::Field;
use crate::kind::Kind;
use crate::work::{new_id, require};
use crate::{Clinic, ClinicError, Photo, input};
use rusqlite::params;
use serde::Serialize;

/// A place on a patient's skin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lesion {
    /// UUIDv7.
    pub id: String,
    /// Whose.
    pub patient_id: String,
    /// Body site in words.
    pub site: String,
    /// What the doctor calls it, to tell it from its neighbours.
    pub label: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl Clinic {
    /// Adds a lesion to a patient. Does I/O.
    ///
    /// # Errors
    /// When there is no such patient, a text cannot be stored as it is, or the database refuses.
    pub fn add_lesion(&mut self, patient: &str, site: &str, label: &str) -> Result<String, ClinicError> {
        input::filled(Field::Site, site)?;
        input::text(Field::Words, label)?;
        let id = new_id();
        let work = self.work()?;
        work.require(Kind::Patient, patient)?;
        work.tx.execute(
            "INSERT INTO lesion (id, patient_id, site, label, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, patient, site, label, work.now],
        )?;
        work.log(Action::Created, Kind::Lesion, &id, patient)?;
        work.commit()?;
        Ok(id)
    }

    /// Puts a photo on a lesion's time line; both must be of one patient. Does I/O.
    ///
    /// # Errors
    /// When there is no such lesion, no such photo of the same patient, or the database refuses.
    pub fn place_photo(&mut self, photo: &str, lesion: &str) -> Result<(), ClinicError> {
        let work = self.work()?;
        work.require(Kind::Lesion, lesion)?;
        let patient: String =
            work.tx.query_row("SELECT patient_id FROM lesion WHERE id = ?1", [lesion], |row| row.get(0))?;
        let placed = work.tx.execute(
            "UPDATE photo SET lesion_id = ?2 WHERE id = ?1 AND (SELECT patient_id FROM encounter WHERE id = encounter_id)
                IN (SELECT id FROM patient WHERE COALESCE(merged_into, id) = (SELECT COALESCE(merged_into, id) FROM patient WHERE id = ?3))",
            [photo, lesion, &patient],
        )?;
        if placed == 0 {
            return Err(ClinicError::NotFound(Kind::Photo));
        }
        work.log(Action::Changed, Kind::Photo, photo, &patient)?;
        work.commit()
    }

    /// A patient's lesions, those of records merged into this one too, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn lesions(&self, patient: &str) -> Result<Vec<Lesion>, ClinicError> {
        let lesion = |row: &rusqlite::Row<'_>| {
            Ok(Lesion {
                id: row.get(0)?,
                patient_id: row.get(1)?,
                site: row.get(2)?,
                label: row.get(3)?,
                created_at: row.get(4)?,
            })
        };
        let sql = format!(
            "SELECT id, patient_id, site, label, created_at FROM lesion WHERE patient_id IN ({RECORDS_OF}) ORDER BY id"
        );
        Ok(self.db.prepare_cached(&sql)?.query_map([patient], lesion)?.collect::<Result<_, _>>()?)
    }

    /// A lesion's photos, oldest first. Reads the database.
    ///
    /// # Errors
    /// When there is no such lesion, or the database refuses.
    pub fn time_line(&self, lesion: &str) -> Result<Vec<Photo>, ClinicError> {
        require(&self.db, Kind::Lesion, lesion)?;
        let sql = format!("SELECT {PHOTO} FROM photo WHERE lesion_id = ?1 ORDER BY taken_at, position");
        Ok(self.db.prepare_cached(&sql)?.query_map([lesion], photo)?.collect::<Result<_, _>>()?)
    }
}

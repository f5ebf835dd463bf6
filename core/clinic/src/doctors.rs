//! Who gets in: doctors with their PINs, the recovery phrase, and the rotation of the data key.

use crate::audit::Action;
use crate::error::Field;
use crate::key::{DataKey, KeyVault};
use crate::keyring::{PhraseLanguage, WayIn};
use crate::kind::Kind;
use crate::store::keep_kek;
use crate::work::new_id;
use crate::{Clinic, ClinicError, database, input};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use zeroize::Zeroizing;

/// What must be said when records, a PIN or a phrase are set up: Chinese, English.
pub const FORGOTTEN_BOTH: (&str, &str) = (
    "请把恢复短语抄在纸上，和手机分开保存。PIN码（或本机密钥）和恢复短语都丢失时，谁也打不开这些记录，我们也不能。",
    "Write the recovery phrase on paper and keep it apart from this device. If both the PIN (or the device's key) and the phrase are lost, nobody can open these records again, and neither can we.",
);

/// A doctor of this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doctor {
    /// UUIDv7.
    pub id: String,
    /// As written.
    pub name: String,
    /// Can sign in on this device.
    pub can_sign_in: bool,
}

impl Clinic {
    /// Adds a doctor with a PIN. From the first one on the device alone no longer opens the store. Takes about 0.1 s by design. Does I/O.
    ///
    /// # Errors
    /// When the name or PIN is refused, or the disk or the database refuses.
    pub fn add_doctor(&mut self, vault: &dyn KeyVault, name: &str, pin: &str) -> Result<String, ClinicError> {
        input::filled(Field::Name, name)?;
        input::pin(pin)?;
        let id = new_id();
        let work = self.work()?;
        work.tx
            .execute("INSERT INTO doctor (id, name, created_at) VALUES (?1, ?2, ?3)", params![id, name, work.now])?;
        work.log_here(Action::Created, Kind::Doctor, &id)?;
        work.commit()?;
        self.set_pin(vault, &id, pin)?;
        Ok(id)
    }

    /// Gives a doctor a new PIN. Does I/O.
    ///
    /// # Errors
    /// When there is no such doctor, the PIN is refused, or the disk or the database refuses.
    pub fn set_pin(&mut self, vault: &dyn KeyVault, doctor: &str, pin: &str) -> Result<(), ClinicError> {
        input::pin(pin)?;
        let name: String = self
            .db
            .query_row("SELECT name FROM doctor WHERE id = ?1", [doctor], |row| row.get(0))
            .optional()?
            .ok_or(ClinicError::NotFound(Kind::Doctor))?;
        let (wrap, kek) = self.ring.add_doctor(vault, doctor, &name, pin, &self.key)?;
        self.ring.remove(WayIn::Device, "device");
        // The database first: a way in whose key is not kept there could not be rotated.
        keep_kek(&self.db, &wrap, kek.as_slice())?;
        self.ring.save()
    }

    /// Takes a doctor's PIN away and rotates the data key, so that an old copy of the key ring opens nothing new. What the doctor
    /// wrote stays. After the last one the device alone opens the store again. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses.
    pub fn remove_doctor(&mut self, vault: &dyn KeyVault, doctor: &str) -> Result<(), ClinicError> {
        self.ring.remove(WayIn::Doctor, doctor);
        if !self.ring.has(WayIn::Doctor) && !self.ring.has(WayIn::Device) {
            let (wrap, kek) = self.ring.add_device(vault, &self.key)?;
            keep_kek(&self.db, &wrap, kek.as_slice())?;
        }
        self.ring.save()?;
        self.db.execute("DELETE FROM wrap_key WHERE wrap_id = ?1", [doctor])?;
        self.rotate_key()
    }

    /// The doctors, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn doctors(&self) -> Result<Vec<Doctor>, ClinicError> {
        let can = self.ring.wrap_ids();
        let doctor = |row: &rusqlite::Row<'_>| {
            let id: String = row.get(0)?;
            Ok(Doctor { can_sign_in: can.contains(&id), id, name: row.get(1)? })
        };
        Ok(self
            .db
            .prepare_cached("SELECT id, name FROM doctor ORDER BY id")?
            .query_map([], doctor)?
            .collect::<Result<_, _>>()?)
    }

    /// Makes a recovery phrase of twelve words, in place of an earlier one, and gives it back once: it is stored nowhere. Show
    /// [`FORGOTTEN_BOTH`] with it. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses.
    pub fn new_recovery_phrase(&mut self, language: PhraseLanguage) -> Result<Zeroizing<String>, ClinicError> {
        let (phrase, wrap, kek) = self.ring.add_phrase(language, &self.key)?;
        keep_kek(&self.db, &wrap, kek.as_slice())?;
        self.ring.save()?;
        Ok(phrase)
    }

    /// Whether a recovery phrase was set up.
    #[must_use]
    pub fn has_recovery_phrase(&self) -> bool {
        self.ring.has(WayIn::Recovery)
    }

    /// Encrypts the database under a new data key and gives the photos to come a new key. Killed at any moment, the store opens with the
    /// old or the new key. Does I/O; rewrites the database.
    ///
    /// # Errors
    /// When the disk or the database refuses; the old key then still counts.
    pub fn rotate_key(&mut self) -> Result<(), ClinicError> {
        let next = DataKey::random()?;
        let keks = self
            .db
            .prepare("SELECT wrap_id, key FROM wrap_key")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        self.ring.begin_rotation(&next, |id| {
            keks.iter().find(|(wrap, _)| wrap == id).map(|(_, kek)| Zeroizing::new(*kek))
        })?;
        let (id, photo_key) = database::add_photo_key(&self.db)?;
        database::rekey(&self.db, &next)?;
        self.photos.add_key(id, photo_key);
        self.key = next;
        self.ring.end_rotation(true)
    }
}

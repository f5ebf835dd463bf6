//! The open store: its folder, its lock, its key, and reading everything back to compare.

use crate::audit::{self, AuditEntry, AuditReport};
use crate::database::{self, DATABASE};
use crate::key::{DataKey, lock_file, sync_folder};
use crate::keyring::{Entered, KeyRing, WayIn};
use crate::kind::Kind;
use crate::photo::{Part, PhotoFolder, hashes};
use crate::{ClinicError, DoctorAtDoor, KeyVault, Unlock};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long a second process waits for the folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// An open store. One process at a time; waiting for the folder is part of opening it.
pub struct Clinic {
    pub(crate) folder: PathBuf,
    pub(crate) db: Connection,
    pub(crate) photos: PhotoFolder,
    pub(crate) ring: KeyRing,
    pub(crate) key: DataKey,
    /// The doctor who signed in.
    pub(crate) author: Option<String>,
    pub(crate) lock: File,
}

impl std::fmt::Debug for Clinic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clinic(..)")
    }
}

/// What [`Clinic::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Patients in the store.
    pub patients: u64,
    /// Encounters in the store.
    pub encounters: u64,
    /// Photos in the store, purged ones too.
    pub photos: u64,
    /// Ids of photos whose file is missing or not the one that was stored.
    pub damaged_photos: Vec<String>,
    /// SQLite's and SQLCipher's own checks found nothing.
    pub database_ok: bool,
    /// The audit log.
    pub audit: AuditReport,
}

impl Verification {
    /// Nothing was found.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.damaged_photos.is_empty() && self.database_ok && self.audit.ok()
    }
}

/// What the door of a data folder asks for, before anything is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SignIn {
    /// Records were set up here; if not, the first [`Clinic::open`] does it, and what is then to be said is
    /// [`crate::FORGOTTEN_BOTH`].
    pub set_up: bool,
    /// A PIN is needed.
    pub pin_needed: bool,
    /// Who may sign in.
    pub doctors: Vec<DoctorAtDoor>,
    /// A recovery phrase was set up.
    pub has_phrase: bool,
}

/// What the door of a data folder asks for. Does I/O; changes nothing.
///
/// # Errors
/// When the key ring or the vault cannot be read.
pub fn sign_in(folder: &Path, vault: &dyn KeyVault) -> Result<SignIn, ClinicError> {
    let Some(ring) = KeyRing::load(folder)? else { return Ok(SignIn::default()) };
    Ok(SignIn {
        set_up: true,
        pin_needed: !ring.has(WayIn::Device),
        doctors: ring.doctors(vault)?,
        has_phrase: ring.has(WayIn::Recovery),
    })
}

impl Clinic {
    /// Opens the data folder, making it on first use. Waits up to 10 s for another process. Does I/O.
    ///
    /// # Errors
    /// When the folder is in use, unwritable, of a newer version, or the way in is refused; no record is changed then.
    pub fn open(folder: &Path, vault: &dyn KeyVault, how: Unlock<'_>) -> Result<Self, ClinicError> {
        Self::open_by(folder, vault, how, database::open)
    }

    pub(crate) fn open_by(
        folder: &Path,
        vault: &dyn KeyVault,
        how: Unlock<'_>,
        connect: Connect,
    ) -> Result<Self, ClinicError> {
        make_private_folder(folder)?;
        let lock = lock_file(folder, "lock")?;
        wait_for(&lock, LOCK_PATIENCE)?;
        let mut ring = match KeyRing::load(folder)? {
            Some(ring) => ring,
            None if folder.join(DATABASE).exists() => return Err(ClinicError::KeyRingMissing),
            None => KeyRing::create(folder, vault)?,
        };
        let entered = ring.unlock(vault, how)?;
        let (db, key) = open_with_what_fits(folder, &mut ring, &entered, connect)?;
        keep_kek(&db, &entered.wrap_id, entered.kek.as_slice())?;
        if let Some((wrap, kek)) = ring.device_kek(vault)? {
            keep_kek(&db, &wrap, kek.as_slice())?;
        }
        let photos = PhotoFolder::open(folder.join("photos"), database::photo_keys(&db)?)?;
        photos.recover(|photo| Ok(db.prepare_cached("SELECT 1 FROM photo WHERE id = ?1")?.exists([photo])?))?;
        sync_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), db, photos, ring, key, author: entered.doctor, lock })
    }

    /// A stored photo as JPEG. Reads its file.
    ///
    /// # Errors
    /// When there is none, it was purged, or it is damaged.
    pub fn photo(&self, id: &str) -> Result<Vec<u8>, ClinicError> {
        let row = self.photo_row(id)?;
        if row.purged {
            return Err(ClinicError::PhotoPurged);
        }
        let jpeg = self.photos.read(Part::Original, row.key, id, &row.encounter)?;
        if hashes(&jpeg).0 == row.sha256 { Ok(jpeg) } else { Err(ClinicError::PhotoDamaged) }
    }

    /// How long a stored photo is as JPEG, also when it was purged. Reads the database.
    ///
    /// # Errors
    /// When there is none.
    pub fn photo_bytes(&self, id: &str) -> Result<u64, ClinicError> {
        let bytes = self.db.prepare_cached("SELECT bytes FROM photo WHERE id = ?1")?.query_row([id], |row| row.get(0));
        bytes.optional()?.ok_or(ClinicError::NotFound(Kind::Photo))
    }

    /// Reads everything back and compares. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn verify(&self) -> Result<Verification, ClinicError> {
        let count =
            |kind: Kind| self.db.query_row(&format!("SELECT count(*) FROM {}", kind.table()), [], |row| row.get(0));
        let ids = self
            .db
            .prepare("SELECT id FROM photo ORDER BY id")?
            .query_map([], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let whole = |id: &String| match self.photo(id) {
            Err(ClinicError::PhotoPurged) => self.thumbnail(id).is_ok(),
            other => other.is_ok(),
        };
        Ok(Verification {
            patients: count(Kind::Patient)?,
            encounters: count(Kind::Encounter)?,
            photos: count(Kind::Photo)?,
            damaged_photos: ids.into_iter().filter(|id| !whole(id)).collect(),
            database_ok: database::check(&self.db)?,
            audit: audit::verify(&self.db)?,
        })
    }

    /// What happened to a record, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn history(&self, kind: Kind, id: &str) -> Result<Vec<AuditEntry>, ClinicError> {
        audit::history(&self.db, kind, id)
    }

    /// Last hash of the audit log, empty for an empty one: note it elsewhere to prove later that nothing was cut off. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit_head(&self) -> Result<String, ClinicError> {
        Ok(self
            .db
            .prepare_cached("SELECT hash FROM audit_head")?
            .query_row([], |row| row.get(0))
            .optional()?
            .unwrap_or_default())
    }

    /// Whether a hash that was noted earlier is still in the audit log. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn knows_audit_hash(&self, hash: &str) -> Result<bool, ClinicError> {
        Ok(self.db.prepare_cached("SELECT 1 FROM audit WHERE hash = ?1")?.exists([hash])?)
    }

    /// The doctor who signed in; `None` where the device alone opened the store.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    pub(crate) fn photo_row(&self, id: &str) -> Result<PhotoRow, ClinicError> {
        self.db
            .prepare_cached("SELECT encounter_id, sha256, photo_key, purged_at IS NOT NULL FROM photo WHERE id = ?1")?
            .query_row([id], |row| {
                Ok(PhotoRow { encounter: row.get(0)?, sha256: row.get(1)?, key: row.get(2)?, purged: row.get(3)? })
            })
            .optional()?
            .ok_or(ClinicError::NotFound(Kind::Photo))
    }
}

/// How the database is opened.
type Connect = fn(&Path, &DataKey) -> Result<Connection, ClinicError>;

/// What reading a photo's file needs to know.
pub(crate) struct PhotoRow {
    pub(crate) encounter: String,
    pub(crate) sha256: String,
    pub(crate) key: i64,
    pub(crate) purged: bool,
}

/// A copy of a way in's key inside the database, for rotation. Writes only when it is not there yet.
pub(crate) fn keep_kek(db: &Connection, wrap_id: &str, kek: &[u8]) -> Result<(), ClinicError> {
    let known =
        db.prepare_cached("SELECT 1 FROM wrap_key WHERE wrap_id = ?1 AND key = ?2")?.exists(params![wrap_id, kek])?;
    if !known {
        db.execute(
            "INSERT INTO wrap_key (wrap_id, key) VALUES (?1, ?2) ON CONFLICT (wrap_id) DO UPDATE SET key = ?2",
            params![wrap_id, kek],
        )?;
    }
    Ok(())
}

/// Opens with the current key, or with the next one when a rotation was broken off after its transaction; then ends the rotation.
fn open_with_what_fits(
    folder: &Path,
    ring: &mut KeyRing,
    entered: &Entered,
    connect: Connect,
) -> Result<(Connection, DataKey), ClinicError> {
    let path = folder.join(DATABASE);
    let mut refusal = ClinicError::WrongKey;
    for (turn, key) in entered.keys.iter().enumerate() {
        match connect(&path, key) {
            Ok(db) => {
                ring.end_rotation(turn > 0)?;
                return Ok((db, key.clone()));
            }
            Err(ClinicError::WrongKey) => {}
            Err(other) => refusal = other,
        }
    }
    Err(refusal)
}

pub(crate) fn make_private_folder(folder: &Path) -> Result<(), ClinicError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    Ok(())
}

pub(crate) fn wait_for(lock: &File, patience: Duration) -> Result<(), ClinicError> {
    let start = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => return Err(ClinicError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

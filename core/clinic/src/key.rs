//! Keys: the data key with one derived key per purpose (HKDF-SHA-256, RFC 5869), and the vault in which a device keeps its own
//! secret. Key material is wiped when dropped. May not live here: who may use which key (keyring.rs).

use crate::ClinicError;
use crate::database::{hex, unhex};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// 32 bytes that wipe themselves.
pub type Secret = Zeroizing<[u8; 32]>;

/// Where a device keeps its own secret: the keystore of a phone, a file elsewhere. The secret alone opens the store while no doctor
/// has a PIN, and is half of what opens it afterwards.
pub trait KeyVault {
    /// The secret; `None` when the vault has none (a new phone, a wiped keystore).
    ///
    /// # Errors
    /// When the vault cannot be read; that is not the same as having none.
    fn load(&self) -> Result<Option<Secret>, ClinicError>;

    /// Keeps a new secret; called only after [`KeyVault::load`] gave `None`.
    ///
    /// # Errors
    /// When it cannot be kept, or one is there.
    fn save(&self, secret: &Secret) -> Result<(), ClinicError>;
}

/// A vault that is a file of 64 hexadecimal digits with mode 0600.
#[derive(Debug, Clone)]
pub struct FileVault {
    file: PathBuf,
}

impl FileVault {
    /// A vault at this path; it is made on first use.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }
}

impl KeyVault for FileVault {
    fn load(&self) -> Result<Option<Secret>, ClinicError> {
        match fs::read_to_string(&self.file) {
            Ok(text) => secret_from_hex(&Zeroizing::new(text)).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn save(&self, secret: &Secret) -> Result<(), ClinicError> {
        let parent = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        // Whole or not at all: a killed process must not leave half a key. Never over one that another process made meanwhile.
        let mut draft = tempfile::NamedTempFile::new_in(parent)?;
        draft.write_all(Zeroizing::new(hex(secret.as_slice())).as_bytes())?;
        draft.as_file().sync_all()?;
        draft.persist_noclobber(&self.file).map_err(|error| error.error)?;
        sync_folder(parent)
    }
}

fn secret_from_hex(text: &str) -> Result<Secret, ClinicError> {
    let bytes = Zeroizing::new(unhex(text.trim()).ok_or(ClinicError::KeyFile)?);
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| ClinicError::KeyFile)?))
}

/// Random bytes of the one source.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, ClinicError> {
    let mut bytes = Zeroizing::new([0u8; N]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// The key of one purpose from a secret and a salt.
pub(crate) fn derive(salt: &[u8], secret: &[u8], purpose: &str) -> Secret {
    let mut out = Zeroizing::new([0u8; 32]);
    if Hkdf::<Sha256>::new(Some(salt), secret).expand(purpose.as_bytes(), out.as_mut_slice()).is_err() {
        // 32 bytes are far under HKDF's limit of 255 * 32.
        out.zeroize();
        unreachable!("HKDF gives up to 8160 bytes");
    }
    out
}

/// The key from which those of the database and of backups are derived.
#[derive(Clone)]
pub(crate) struct DataKey(Secret);

impl DataKey {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    pub(crate) fn random() -> Result<Self, ClinicError> {
        Ok(Self(random()?))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }

    /// The key of one purpose; purposes are fixed names in this crate.
    pub(crate) fn derive(&self, purpose: &'static str) -> Secret {
        derive(b"barefoot clinic v1", self.0.as_slice(), purpose)
    }
}

/// Makes a new directory entry durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ClinicError> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Opens (and makes) a file for its lock: `lock` says that the folder is in use.
pub(crate) fn lock_file(folder: &Path, name: &str) -> Result<File, ClinicError> {
    Ok(OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(name))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_file_is_made_once_private_and_read_back() {
        let dir = tempfile::tempdir().expect("dir");
        let vault = FileVault::new(dir.path().join("keys/key"));
        assert!(vault.load().expect("none").is_none());
        let secret = random().expect("random");
        vault.save(&secret).expect("saved");
        assert_eq!(vault.load().expect("read").expect("there").as_slice(), secret.as_slice());
        assert!(vault.save(&random().expect("random")).is_err(), "never replaced");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&vault.file).expect("metadata").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_file_that_is_none_is_refused_and_kept() {
        let dir = tempfile::tempdir().expect("dir");
        let vault = FileVault::new(dir.path().join("key"));
        for text in ["", "abc", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            fs::write(&vault.file, text).expect("write");
            assert!(matches!(vault.load(), Err(ClinicError::KeyFile)), "{text:?}");
            assert_eq!(fs::read_to_string(&vault.file).expect("read"), text);
        }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let key = DataKey::random().expect("random");
        assert_eq!(key.derive("a").as_slice(), key.derive("a").as_slice());
        assert_ne!(key.derive("a").as_slice(), key.derive("b").as_slice());
    }
}

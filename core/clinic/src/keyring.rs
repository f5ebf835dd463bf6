//! The key ring: the file `keys.json` with the data key wrapped once per way in. A way in is the device alone, one doctor's PIN with
//! the device, or the recovery phrase. The file holds nothing that opens the store without the vault's secret or the phrase.
//!
//! Each way in has a key of its own (KEK) that wraps the data key; a copy of each KEK lies inside the encrypted database, so that the
//! data key can be rotated without asking every doctor for a PIN. May not live here: the database.

use crate::ClinicError;
use crate::database::{hex, unhex};
use crate::key::{DataKey, KeyVault, Secret, derive, random, sync_folder};
use crate::seal;
use argon2::{Algorithm, Argon2, Params, Version};
use bip39::{Language, Mnemonic};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The key ring's file name in the data folder.
pub(crate) const KEY_RING: &str = "keys.json";
const VERSION: u32 = 1;
/// Argon2id, 19 MiB, 2 passes, 1 lane: OWASP Password Storage Cheat Sheet, the first choice that a 2 GB phone can afford.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Wrong PINs before the first wait.
const FREE_TRIES: u32 = 5;
/// The first wait, doubled with each further wrong PIN, seconds.
const FIRST_WAIT: u64 = 30;
/// The longest wait, seconds.
const LONGEST_WAIT: u64 = 3600;
/// What the vault's secret seals, to tell whether it is still the same one.
const VAULT_CHECK: &[u8] = b"barefoot";

/// How somebody asks to be let in.
#[derive(Debug, Clone, Copy)]
pub enum Unlock<'a> {
    /// With the device alone; possible until the first doctor has a PIN.
    Device,
    /// A doctor with a PIN on this device.
    Pin {
        /// The doctor's id, as [`crate::sign_in`] gives it.
        doctor: &'a str,
        /// The PIN.
        pin: &'a str,
    },
    /// The twelve words; works on a new device too.
    Recovery {
        /// Separated by spaces; Chinese characters may stand together.
        phrase: &'a str,
    },
}

/// The language of a recovery phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhraseLanguage {
    /// Simplified Chinese characters.
    Chinese,
    /// English words.
    English,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WayIn {
    Device,
    Doctor,
    Recovery,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrap {
    id: String,
    way_in: WayIn,
    /// A doctor's name under the vault's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    salt: String,
    kek: String,
    data_key: String,
    /// The data key after a rotation that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(default)]
    failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ring {
    version: u32,
    vault_check: String,
    wraps: Vec<Wrap>,
}

/// The key ring of a data folder.
pub(crate) struct KeyRing {
    file: PathBuf,
    ring: Ring,
}

/// Who has come in, with the keys that may fit: two while a rotation is under way.
pub(crate) struct Entered {
    pub(crate) wrap_id: String,
    pub(crate) kek: Secret,
    pub(crate) doctor: Option<String>,
    pub(crate) keys: Vec<DataKey>,
}

/// A doctor at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorAtDoor {
    /// UUIDv7.
    pub id: String,
    /// Empty when the device's secret is lost.
    pub name: String,
    /// Seconds until the next try.
    pub wait_seconds: u64,
}

impl KeyRing {
    /// Reads the ring; `None` when there is none. Does I/O.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, ClinicError> {
        let file = folder.join(KEY_RING);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(Self { file, ring: parse(&bytes)? })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A ring for a new folder, with the device as its only way in. Does I/O.
    pub(crate) fn create(folder: &Path, vault: &dyn KeyVault) -> Result<Self, ClinicError> {
        let secret = vault_secret(vault)?;
        let mut made = Self {
            file: folder.join(KEY_RING),
            ring: Ring { version: VERSION, vault_check: String::new(), wraps: Vec::new() },
        };
        made.ring.vault_check = hex(&seal::seal(&check_key(&secret), VAULT_CHECK, VAULT_CHECK)?);
        made.add(WayIn::Device, "device", None, &secret, &DataKey::random()?)?;
        made.save()?;
        Ok(made)
    }

    /// The ring out of a backup, not yet saved anywhere.
    pub(crate) fn from_bytes(folder: &Path, bytes: &[u8]) -> Result<Self, ClinicError> {
        Ok(Self { file: folder.join(KEY_RING), ring: parse(bytes)? })
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, ClinicError> {
        Ok(serde_json::to_vec_pretty(&self.ring)?)
    }

    /// Whole or not at all. Does I/O.
    pub(crate) fn save(&self) -> Result<(), ClinicError> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(&self.to_bytes()?)?;
        draft.as_file().sync_all()?;
        draft.persist(&self.file).map_err(|error| error.error)?;
        sync_folder(folder)
    }

    pub(crate) fn has(&self, way_in: WayIn) -> bool {
        self.ring.wraps.iter().any(|wrap| wrap.way_in == way_in)
    }

    pub(crate) fn wrap_ids(&self) -> Vec<String> {
        self.ring.wraps.iter().map(|wrap| wrap.id.clone()).collect()
    }

    /// The doctors with a PIN, for the lock screen. Reads the vault.
    pub(crate) fn doctors(&self, vault: &dyn KeyVault) -> Result<Vec<DoctorAtDoor>, ClinicError> {
        let secret = vault.load()?;
        let now = Timestamp::now();
        let name = |wrap: &Wrap| {
            let sealed = unhex(wrap.label.as_deref()?)?;
            let plain = seal::open(&label_key(secret.as_ref()?), wrap.id.as_bytes(), &sealed)?;
            String::from_utf8(plain.to_vec()).ok()
        };
        let doctors = self.ring.wraps.iter().filter(|wrap| wrap.way_in == WayIn::Doctor);
        Ok(doctors
            .map(|wrap| DoctorAtDoor {
                id: wrap.id.clone(),
                name: name(wrap).unwrap_or_default(),
                wait_seconds: wrap.wait(now),
            })
            .collect())
    }

    /// Lets somebody in. A wrong PIN is counted on the disk before it is tried, so that killing the program does not help. Does I/O.
    pub(crate) fn unlock(&mut self, vault: &dyn KeyVault, how: Unlock<'_>) -> Result<Entered, ClinicError> {
        match how {
            Unlock::Device => {
                let at = self.position(|wrap| wrap.way_in == WayIn::Device).ok_or(ClinicError::PinNeeded)?;
                let secret = vault.load()?.ok_or(ClinicError::KeyMissing)?;
                self.ring.wraps[at].enter(&secret[..]).ok_or(ClinicError::WrongKey)
            }
            Unlock::Pin { doctor, pin } => {
                let at = self
                    .position(|wrap| wrap.way_in == WayIn::Doctor && wrap.id == doctor)
                    .ok_or(ClinicError::NotFound(crate::Kind::Doctor))?;
                let now = Timestamp::now();
                let seconds = self.ring.wraps[at].wait(now);
                if seconds > 0 {
                    return Err(ClinicError::PinWait { seconds });
                }
                let secret = vault.load()?.ok_or(ClinicError::KeyMissing)?;
                if !self.vault_fits(&secret) {
                    return Err(ClinicError::WrongKey);
                }
                let wrap = &mut self.ring.wraps[at];
                wrap.failures = wrap.failures.saturating_add(1);
                wrap.failed_at = Some(now);
                self.save()?;
                let wrap = &mut self.ring.wraps[at];
                let entered = wrap.enter(&pin_secret(pin, &wrap.salt, &secret)?[..]).ok_or(ClinicError::WrongPin)?;
                wrap.failures = 0;
                wrap.failed_at = None;
                self.save()?;
                Ok(entered)
            }
            Unlock::Recovery { phrase } => {
                let at = self.position(|wrap| wrap.way_in == WayIn::Recovery).ok_or(ClinicError::NoPhrase)?;
                let wrap = &self.ring.wraps[at];
                let entered = wrap.enter(&phrase_secret(phrase, &wrap.salt)?[..]).ok_or(ClinicError::WrongPhrase)?;
                self.adopt_device(vault, &entered)?;
                Ok(entered)
            }
        }
    }

    /// After a recovery on a new device, or with a wiped keystore: the old device's ways in are dead, this device becomes one.
    fn adopt_device(&mut self, vault: &dyn KeyVault, entered: &Entered) -> Result<(), ClinicError> {
        let secret = vault_secret(vault)?;
        if self.vault_fits(&secret) {
            return Ok(());
        }
        let Some(key) = entered.keys.first() else { return Ok(()) };
        self.ring.wraps.retain(|wrap| wrap.way_in == WayIn::Recovery);
        self.ring.vault_check = hex(&seal::seal(&check_key(&secret), VAULT_CHECK, VAULT_CHECK)?);
        self.add(WayIn::Device, "device", None, &secret, key)?;
        // A rotation that was under way is finished at opening, and needs both keys behind the new way in too.
        let next = entered.keys.get(1).cloned();
        if let (Some(next), Some(wrap)) = (next, self.ring.wraps.last_mut()) {
            let kek = wrap.kek(&secret[..]).ok_or(ClinicError::KeyRing)?;
            wrap.next = Some(hex(&seal::seal(&kek, &wrap.binding("data key"), next.secret().as_slice())?));
        }
        self.save()
    }

    /// The key of the device's own way in, so that a rotation can reach it whoever came in.
    pub(crate) fn device_kek(&self, vault: &dyn KeyVault) -> Result<Option<(String, Secret)>, ClinicError> {
        let Some(at) = self.position(|wrap| wrap.way_in == WayIn::Device) else { return Ok(None) };
        let wrap = &self.ring.wraps[at];
        Ok(vault.load()?.and_then(|secret| wrap.kek(&secret[..])).map(|kek| (wrap.id.clone(), kek)))
    }

    fn vault_fits(&self, secret: &Secret) -> bool {
        unhex(&self.ring.vault_check)
            .is_some_and(|sealed| seal::open(&check_key(secret), VAULT_CHECK, &sealed).is_some())
    }

    /// Adds the device alone as a way in; not yet saved.
    pub(crate) fn add_device(&mut self, vault: &dyn KeyVault, key: &DataKey) -> Result<(String, Secret), ClinicError> {
        let secret = vault.load()?.ok_or(ClinicError::KeyMissing)?;
        self.add(WayIn::Device, "device", None, &secret, key)
    }

    /// Adds a doctor's PIN as a way in, in place of an earlier one; not yet saved.
    pub(crate) fn add_doctor(
        &mut self,
        vault: &dyn KeyVault,
        doctor: &str,
        name: &str,
        pin: &str,
        key: &DataKey,
    ) -> Result<(String, Secret), ClinicError> {
        let secret = vault.load()?.ok_or(ClinicError::KeyMissing)?;
        let label = hex(&seal::seal(&label_key(&secret), doctor.as_bytes(), name.as_bytes())?);
        let salt = hex(random::<16>()?.as_slice());
        self.remove(WayIn::Doctor, doctor);
        let way_secret = pin_secret(pin, &salt, &secret)?;
        self.add_salted(WayIn::Doctor, doctor, Some(label), salt, &way_secret[..], key)
    }

    /// Adds a new recovery phrase as a way in, in place of an earlier one; not yet saved.
    pub(crate) fn add_phrase(
        &mut self,
        language: PhraseLanguage,
        key: &DataKey,
    ) -> Result<(Zeroizing<String>, String, Secret), ClinicError> {
        let language = match language {
            PhraseLanguage::Chinese => Language::SimplifiedChinese,
            PhraseLanguage::English => Language::English,
        };
        let entropy = random::<16>()?;
        let mnemonic = Mnemonic::from_entropy_in(language, entropy.as_slice()).map_err(|_| ClinicError::WrongPhrase)?;
        let phrase = Zeroizing::new(mnemonic.words().collect::<Vec<_>>().join(" "));
        let salt = hex(random::<16>()?.as_slice());
        self.remove(WayIn::Recovery, "recovery");
        let way_secret = phrase_secret(&phrase, &salt)?;
        let (id, kek) = self.add_salted(WayIn::Recovery, "recovery", None, salt, &way_secret[..], key)?;
        Ok((phrase, id, kek))
    }

    pub(crate) fn remove(&mut self, way_in: WayIn, id: &str) {
        self.ring.wraps.retain(|wrap| !(wrap.way_in == way_in && wrap.id == id));
    }

    /// Puts the next data key behind every way in and saves.
    pub(crate) fn begin_rotation(
        &mut self,
        next: &DataKey,
        keks: impl Fn(&str) -> Option<Secret>,
    ) -> Result<(), ClinicError> {
        for wrap in &mut self.ring.wraps {
            let kek = keks(&wrap.id).ok_or(ClinicError::KeyRing)?;
            wrap.next = Some(hex(&seal::seal(&kek, &wrap.binding("data key"), next.secret().as_slice())?));
        }
        self.save()
    }

    /// Ends a rotation, whole or broken off: keeps the key that fits. Does I/O only when one was under way.
    pub(crate) fn end_rotation(&mut self, to_next: bool) -> Result<(), ClinicError> {
        if self.ring.wraps.iter().all(|wrap| wrap.next.is_none()) {
            return Ok(());
        }
        for wrap in &mut self.ring.wraps {
            if let (Some(next), true) = (wrap.next.take(), to_next) {
                wrap.data_key = next;
            }
        }
        self.save()
    }

    /// Reads the ring anew; false when the data key was rotated since, or is being rotated. Does I/O.
    pub(crate) fn reload(&mut self) -> Result<bool, ClinicError> {
        let ring = parse(&fs::read(&self.file)?)?;
        let known = |wrap: &Wrap| self.ring.wraps.iter().any(|w| w.id == wrap.id && w.data_key == wrap.data_key);
        let same_key = ring.wraps.iter().any(|wrap| wrap.next.is_none() && known(wrap));
        self.ring = ring;
        Ok(same_key)
    }

    fn position(&self, fits: impl Fn(&Wrap) -> bool) -> Option<usize> {
        self.ring.wraps.iter().position(fits)
    }

    fn add(
        &mut self,
        way_in: WayIn,
        id: &str,
        label: Option<String>,
        secret: &Secret,
        key: &DataKey,
    ) -> Result<(String, Secret), ClinicError> {
        let salt = hex(random::<16>()?.as_slice());
        self.add_salted(way_in, id, label, salt, &secret[..], key)
    }

    fn add_salted(
        &mut self,
        way_in: WayIn,
        id: &str,
        label: Option<String>,
        salt: String,
        secret: &[u8],
        key: &DataKey,
    ) -> Result<(String, Secret), ClinicError> {
        let kek = random::<32>()?;
        let mut wrap = Wrap {
            id: id.to_owned(),
            way_in,
            label,
            salt,
            kek: String::new(),
            data_key: String::new(),
            next: None,
            failures: 0,
            failed_at: None,
        };
        wrap.kek = hex(&seal::seal(&wrap.outer_key(secret), &wrap.binding("kek"), kek.as_slice())?);
        wrap.data_key = hex(&seal::seal(&kek, &wrap.binding("data key"), key.secret().as_slice())?);
        self.ring.wraps.push(wrap);
        Ok((id.to_owned(), kek))
    }
}

impl Wrap {
    fn outer_key(&self, secret: &[u8]) -> Secret {
        derive(self.salt.as_bytes(), secret, "barefoot way in v1")
    }

    fn binding(&self, what: &str) -> Vec<u8> {
        format!("{:?}/{}/{what}", self.way_in, self.id).into_bytes()
    }

    fn kek(&self, secret: &[u8]) -> Option<Secret> {
        open_secret(&self.outer_key(secret), &self.binding("kek"), &self.kek)
    }

    fn enter(&self, secret: &[u8]) -> Option<Entered> {
        let kek = self.kek(secret)?;
        let sealed = std::iter::once(&self.data_key).chain(&self.next);
        let keys = sealed
            .map(|sealed| open_secret(&kek, &self.binding("data key"), sealed).map(DataKey::new))
            .collect::<Option<Vec<_>>>()?;
        let doctor = (self.way_in == WayIn::Doctor).then(|| self.id.clone());
        Some(Entered { wrap_id: self.id.clone(), kek, doctor, keys })
    }

    /// Seconds until the next try. A clock that was set back makes the wait start again, never end.
    fn wait(&self, now: Timestamp) -> u64 {
        let Some(failed_at) = self.failed_at.filter(|_| self.failures >= FREE_TRIES) else { return 0 };
        let doublings = (self.failures - FREE_TRIES).min(16);
        let whole = (FIRST_WAIT << doublings).min(LONGEST_WAIT);
        let passed = u64::try_from(now.as_second() - failed_at.as_second()).unwrap_or(0);
        whole.saturating_sub(passed)
    }
}

fn parse(bytes: &[u8]) -> Result<Ring, ClinicError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let versioned: Versioned = serde_json::from_slice(bytes).map_err(|_| ClinicError::KeyRing)?;
    if versioned.version > VERSION {
        return Err(ClinicError::NewerSchema(i64::from(versioned.version)));
    }
    serde_json::from_slice(bytes).map_err(|_| ClinicError::KeyRing)
}

/// The vault's secret, made when there is none.
fn vault_secret(vault: &dyn KeyVault) -> Result<Secret, ClinicError> {
    if let Some(secret) = vault.load()? {
        return Ok(secret);
    }
    let secret = random()?;
    vault.save(&secret)?;
    Ok(secret)
}

fn open_secret(key: &Secret, binding: &[u8], sealed: &str) -> Option<Secret> {
    let plain = seal::open(key, binding, &unhex(sealed)?)?;
    Some(Zeroizing::new(plain.as_slice().try_into().ok()?))
}

fn check_key(vault: &Secret) -> Secret {
    derive(b"barefoot vault v1", &vault[..], "check")
}

fn label_key(vault: &Secret) -> Secret {
    derive(b"barefoot vault v1", &vault[..], "names of doctors")
}

fn stretched(text: &[u8], salt: &str) -> Result<Secret, ClinicError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| ClinicError::KeyRing)?;
    let mut out = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text, salt.as_bytes(), out.as_mut_slice())
        .map_err(|_| ClinicError::KeyRing)?;
    Ok(out)
}

/// The stretched PIN with the vault's secret: neither is enough without the other.
fn pin_secret(pin: &str, salt: &str, vault: &Secret) -> Result<Zeroizing<Vec<u8>>, ClinicError> {
    Ok(Zeroizing::new([stretched(pin.as_bytes(), salt)?.as_slice(), vault.as_slice()].concat()))
}

fn phrase_secret(phrase: &str, salt: &str) -> Result<Secret, ClinicError> {
    let han = phrase.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let spaced: Zeroizing<String> = Zeroizing::new(if han {
        phrase.chars().filter(|c| !c.is_whitespace()).flat_map(|c| [c, ' ']).collect::<String>().trim_end().to_owned()
    } else {
        phrase.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
    });
    let language = if han { Language::SimplifiedChinese } else { Language::English };
    let mnemonic = Mnemonic::parse_in(language, spaced.as_str()).map_err(|_| ClinicError::WrongPhrase)?;
    stretched(&Zeroizing::new(mnemonic.to_entropy()), salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(failures: u32, failed_at: Timestamp) -> Wrap {
        Wrap {
            id: "d".to_owned(),
            way_in: WayIn::Doctor,
            label: None,
            salt: String::new(),
            kek: String::new(),
            data_key: String::new(),
            next: None,
            failures,
            failed_at: Some(failed_at),
        }
    }

    #[test]
    fn waits_grow_to_an_hour_and_a_clock_set_back_does_not_shorten_them() {
        let now = Timestamp::now();
        assert_eq!(wrap(4, now).wait(now), 0);
        assert_eq!(wrap(5, now).wait(now), 30);
        assert_eq!(wrap(6, now).wait(now), 60);
        assert_eq!(wrap(60, now).wait(now), 3600);
        let past = Timestamp::from_second(now.as_second() - 29).expect("time");
        assert_eq!(wrap(5, past).wait(now), 1);
        let future = Timestamp::from_second(now.as_second() + 86_400).expect("time");
        assert_eq!(wrap(5, future).wait(now), 30);
    }

    #[test]
    fn a_chinese_phrase_may_be_typed_without_spaces_and_an_english_one_in_capitals() {
        let zh = Mnemonic::from_entropy_in(Language::SimplifiedChinese, &[7; 16]).expect("phrase").to_string();
        let en = Mnemonic::from_entropy_in(Language::English, &[7; 16]).expect("phrase").to_string();
        let salt = "00112233445566778899aabbccddeeff";
        let expected = phrase_secret(&en, salt).expect("secret");
        for typed in [zh.clone(), zh.replace(' ', ""), en.to_uppercase(), en.replace(' ', "\n  ")] {
            assert_eq!(phrase_secret(&typed, salt).expect("secret").as_slice(), expected.as_slice());
        }
        assert!(matches!(phrase_secret("one two three", salt), Err(ClinicError::WrongPhrase)));
    }
}

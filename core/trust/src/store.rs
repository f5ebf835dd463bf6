//! What one device trusts and has had: `trust.json` and `packs/` in the data folder. Holds nothing of patients.
//!
//! `trust.json` is replaced whole, under a lock; that one rename is what installs a pack, accepts a root or takes a credential, so a
//! killed process leaves the state before or after it. Packs lie in folders of their own that nothing else uses until then. Whoever may
//! write in the data folder may also remove `trust.json`; it protects against what comes from outside, not against the device's owner.

use crate::key::read_limited;
use crate::pack::{Pack, PackError, Statement, Version};
use crate::rules::{GRACE_DAYS, Standing, Verdict};
use crate::{Claims, Credential, PublicKey, Revocations, Root, TrustError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const STATE: &str = "trust.json";
const PACKS: &str = "packs";
/// No honest state is larger, bytes.
const STATE_LIMIT: u64 = 16 << 20;
/// A clock that jumps further ahead than this is not taken for the time: a wrong date must not expire credentials for good.
const LARGEST_JUMP: SignedDuration = SignedDuration::from_hours(24 * 400);
/// The clock is noted once an hour at most, to spare the flash.
const NOTE_EVERY: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    root: Option<Root>,
    root_accepted_at: Option<Timestamp>,
    packs: BTreeMap<String, PackState>,
    credential: Option<String>,
    revocations: Option<Revocations>,
    /// No time before this one is believed.
    trusted_time: Option<Timestamp>,
    /// Devices whose sealed files are taken.
    senders: Vec<PublicKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PackState {
    /// Highest version that was ever installed, and the hash of its manifest.
    seen: String,
    seen_manifest: String,
    /// Folder names below `packs/ID/`.
    current: String,
    previous: Option<String>,
}

/// A pack that is installed.
#[derive(Debug)]
pub struct Installed {
    /// The pack, its signature checked against the root of today.
    pub pack: Pack,
    /// What its signers state.
    pub statement: Statement,
    /// The newest one could not be used, and this is the one before it.
    pub fell_back: bool,
}

/// What one device trusts. Every change is on the disk when its function returns.
#[derive(Debug)]
pub struct TrustStore {
    folder: PathBuf,
    state: State,
}

impl TrustStore {
    /// Reads what the data folder holds; makes nothing. Does I/O.
    ///
    /// # Errors
    /// When `trust.json` is there and cannot be read.
    pub fn open(folder: &Path) -> Result<Self, TrustError> {
        Ok(Self { folder: folder.to_owned(), state: load(folder)? })
    }

    /// The root that counts.
    #[must_use]
    pub fn root(&self) -> Option<&Root> {
        self.state.root.as_ref()
    }

    /// Accepts the first root, or the next one; one that is already there changes nothing. Does I/O.
    ///
    /// # Errors
    /// When the root is refused; see [`Root::accept`].
    pub fn accept_root(&mut self, text: &[u8], clock: Timestamp) -> Result<Root, TrustError> {
        let known = self.state.root.clone();
        self.change(|state| {
            let root = Root::accept(text, state.root.as_ref())?;
            if known.as_ref() != Some(&root) {
                believe(state, root.made_at);
                // New credential keys may need new credentials: the grace period starts anew with each root.
                state.root_accepted_at = Some(time(state, clock));
                state.root = Some(root.clone());
            }
            Ok(root)
        })
    }

    /// Installs a signed pack that the caller has found usable: all of it, or nothing; the one before it is kept. `built_in` is the
    /// program's own pack of that id, which counts as had. Does I/O.
    ///
    /// # Errors
    /// When it is not signed by enough keys, older than what was had, or `usable` refuses it.
    pub fn install_pack<E: From<TrustError>>(
        &mut self,
        source: &Path,
        built_in: impl FnOnce(&str) -> Option<Pack>,
        usable: impl FnOnce(&Pack) -> Result<(), E>,
    ) -> Result<Statement, E> {
        let root = self.state.root.clone().ok_or(TrustError::NoRoot)?;
        let (pack, statement) = Pack::read_signed(source, &root)?;
        let id = pack.manifest().id.clone();
        if let Some(own) = built_in(&id) {
            let numbers = own.manifest().numbers().map_err(TrustError::from)?;
            follows(&pack, numbers, &own.manifest_sha256())?;
        }
        usable(&pack)?;
        let shelf = self.folder.join(PACKS).join(&id);
        private_folder(&shelf).map_err(TrustError::from)?;
        let written = write_folder(&pack, &shelf)?;
        let name = written.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let signed_at = statement.signed_at;
        self.change(|state| {
            let before = state.packs.get(&id);
            if let Some(before) = before {
                follows(&pack, before.seen.parse()?, &before.seen_manifest)?;
            }
            let previous = before.map(|before| before.current.clone());
            let seen = pack.manifest().numbers()?.to_string();
            let now = PackState { seen, seen_manifest: pack.manifest_sha256(), current: name, previous };
            state.packs.insert(id.clone(), now);
            believe(state, signed_at);
            Ok(())
        })?;
        // From here on the state names the folder.
        let _kept = written.keep();
        self.sweep(&id);
        Ok(statement)
    }

    /// The installed pack of this id that is not older than the program's own; where the newest cannot be used, the one before it.
    /// `None` when there is none. Does I/O.
    ///
    /// # Errors
    /// When there are some, and none can be used.
    pub fn pack(&self, id: &str, built_in: Option<Version>) -> Result<Option<Installed>, TrustError> {
        let (Some(installed), Some(root)) = (self.state.packs.get(id), self.root()) else { return Ok(None) };
        let mut refusal = None;
        let folders = std::iter::once(&installed.current).chain(&installed.previous);
        for (turn, folder) in folders.enumerate() {
            match Pack::read_signed(&self.folder.join(PACKS).join(id).join(folder), root) {
                Ok((pack, statement)) => {
                    let older = built_in.is_some_and(|own| pack.manifest().numbers().is_ok_and(|version| version < own));
                    return Ok((!older).then_some(Installed { pack, statement, fell_back: turn > 0 }));
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// Ids of the installed packs.
    pub fn pack_ids(&self) -> impl Iterator<Item = &str> {
        self.state.packs.keys().map(String::as_str)
    }

    /// Takes a credential for this device. Does I/O.
    ///
    /// # Errors
    /// When it is forged, for another device, revoked, or its time is over or has not come.
    pub fn install_credential(
        &mut self,
        token: &str,
        device: &PublicKey,
        clock: Timestamp,
    ) -> Result<Claims, TrustError> {
        self.change(|state| {
            let root = state.root.as_ref().ok_or(TrustError::NoRoot)?;
            let credential = Credential::open(token, &root.credentials)?;
            // It was issued at that time, whatever this clock says.
            let now = time(state, clock).max(credential.claims.iat);
            let none = Revocations::none();
            credential.counts(Some(device), state.revocations.as_ref().unwrap_or(&none), now)?;
            believe(state, credential.claims.iat);
            state.credential = Some(token.trim().to_owned());
            Ok(credential.claims)
        })
    }

    /// Takes a newer list of revocations. Does I/O.
    ///
    /// # Errors
    /// When it is forged, older than the one at hand, or lacks what that one names.
    pub fn install_revocations(&mut self, text: &[u8]) -> Result<Revocations, TrustError> {
        self.change(|state| {
            let root = state.root.as_ref().ok_or(TrustError::NoRoot)?;
            let list = Revocations::open(text, &root.credentials)?;
            if let Some(before) = &state.revocations {
                let forgets = !list.credentials.is_superset(&before.credentials);
                if list.version < before.version || (list.version == before.version && list != *before) || forgets {
                    return Err(TrustError::Rollback);
                }
            }
            believe(state, list.made_at);
            state.revocations = Some(list.clone());
            Ok(list)
        })
    }

    /// The list of revocations at hand.
    #[must_use]
    pub fn revocations(&self) -> Option<&Revocations> {
        self.state.revocations.as_ref()
    }

    /// The credential at hand, as its token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.state.credential.as_deref()
    }

    /// How the doctor stands on this device at this clock. No I/O.
    #[must_use]
    pub fn verdict(&self, device: Option<&PublicKey>, clock: Timestamp) -> Verdict {
        let Some(root) = self.root() else {
            return Verdict { standing: Standing::NoAuthority, doctor: None, until: None, reason: None };
        };
        let now = time(&self.state, clock);
        let grace = SignedDuration::from_hours(24 * GRACE_DAYS);
        let within = |from: Timestamp| from.checked_add(grace).ok().filter(|end| now < *end);
        let unverified = |doctor, reason| {
            let until = self.state.root_accepted_at.and_then(within);
            let standing = if until.is_some() { Standing::UnverifiedInGrace } else { Standing::Unverified };
            Verdict { standing, doctor, until, reason }
        };
        let Some(token) = &self.state.credential else { return unverified(None, None) };
        let credential = match Credential::open(token, &root.credentials) {
            Ok(credential) => credential,
            Err(error) => return unverified(None, Some(error)),
        };
        let none = Revocations::none();
        let revocations = self.state.revocations.as_ref().unwrap_or(&none);
        let doctor = Some(credential.claims.sub.clone());
        match credential.counts(device, revocations, now) {
            Ok(()) => {
                Verdict { standing: Standing::Verified, doctor, until: Some(credential.claims.exp), reason: None }
            }
            Err(error @ TrustError::Expired) => {
                let until = within(credential.claims.exp);
                let standing = if until.is_some() { Standing::ExpiredInGrace } else { Standing::Expired };
                Verdict { standing, doctor, until, reason: Some(error) }
            }
            Err(error @ TrustError::Revoked) => {
                Verdict { standing: Standing::Revoked, doctor, until: None, reason: Some(error) }
            }
            Err(error) => unverified(doctor, Some(error)),
        }
    }

    /// Notes what the clock says, so that setting it back later gains nothing. Without a root there is nothing to gain, and nothing is
    /// written. Does I/O once an hour.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_clock(&mut self, clock: Timestamp) -> Result<(), TrustError> {
        let due = |state: &State| {
            let ahead = state.trusted_time.map(|trusted| clock.duration_since(trusted));
            ahead.is_some_and(|ahead| ahead >= NOTE_EVERY && ahead <= LARGEST_JUMP)
        };
        if !due(&self.state) {
            return Ok(());
        }
        self.change(|state| {
            if due(state) {
                state.trusted_time = Some(clock);
            }
            Ok(())
        })
    }

    /// From now on this device's sealed files are taken. Does I/O.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add_sender(&mut self, sender: PublicKey) -> Result<(), TrustError> {
        self.change(|state| {
            if !state.senders.contains(&sender) {
                state.senders.push(sender);
            }
            Ok(())
        })
    }

    /// Whether a sealed file from this device may be taken: it was named here before, or bears a credential of this device that counts.
    #[must_use]
    pub fn knows_sender(&self, sender: &PublicKey, token: Option<&str>, clock: Timestamp) -> bool {
        if self.state.senders.contains(sender) {
            return true;
        }
        let (Some(root), Some(token)) = (self.root(), token) else { return false };
        let none = Revocations::none();
        let revocations = self.state.revocations.as_ref().unwrap_or(&none);
        let now = time(&self.state, clock);
        Credential::open(token, &root.credentials).is_ok_and(|c| c.counts(Some(sender), revocations, now).is_ok())
    }

    /// Reads, changes and writes the state, alone.
    fn change<T>(&mut self, change: impl FnOnce(&mut State) -> Result<T, TrustError>) -> Result<T, TrustError> {
        private_folder(&self.folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join("trust.lock"))?;
        lock.lock()?;
        let mut state = load(&self.folder)?;
        let done = change(&mut state)?;
        let mut draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        draft.write_all(&serde_json::to_vec_pretty(&state).map_err(|_| TrustError::State)?)?;
        draft.as_file().sync_all()?;
        draft.persist(self.folder.join(STATE)).map_err(|error| error.error)?;
        sync_folder(&self.folder)?;
        self.state = state;
        Ok(done)
    }

    /// Removes the folders of a pack that the state no longer names; what cannot be removed now goes the next time.
    fn sweep(&self, id: &str) {
        let Some(named) = self.state.packs.get(id) else { return };
        let Ok(entries) = fs::read_dir(self.folder.join(PACKS).join(id)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != named.current && Some(&name) != named.previous.as_ref() && entry.path().is_dir() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn load(folder: &Path) -> Result<State, TrustError> {
    match read_limited(&folder.join(STATE), STATE_LIMIT) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| TrustError::State),
        Err(TrustError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(State::default()),
        Err(TrustError::TooLarge) => Err(TrustError::State),
        Err(other) => Err(other),
    }
}

/// The clock, but never before what is known to be past.
fn time(state: &State, clock: Timestamp) -> Timestamp {
    state.trusted_time.map_or(clock, |trusted| clock.max(trusted))
}

/// Somebody trusted has signed at this time, so it is past.
fn believe(state: &mut State, signed_at: Timestamp) {
    state.trusted_time = Some(state.trusted_time.map_or(signed_at, |trusted| trusted.max(signed_at)));
}

/// A pack may be newer than the one that was had, or the very same.
fn follows(pack: &Pack, seen: Version, manifest: &str) -> Result<(), TrustError> {
    match pack.manifest().numbers()?.cmp(&seen) {
        std::cmp::Ordering::Less => Err(TrustError::Rollback),
        std::cmp::Ordering::Equal if pack.manifest_sha256() != manifest => Err(TrustError::VersionReused),
        _ => Ok(()),
    }
}

/// Writes a pack into a folder that nothing uses yet, and onto the disk; dropped, it is gone.
fn write_folder(pack: &Pack, shelf: &Path) -> Result<tempfile::TempDir, TrustError> {
    let folder = tempfile::Builder::new().prefix(&format!("{}-", pack.manifest().numbers()?)).tempdir_in(shelf)?;
    for (name, bytes) in pack.all_files() {
        let path = folder.path().join(name);
        let io = |source| PackError::Io { path: path.clone(), source };
        let mut file = File::create_new(&path).map_err(io)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    }
    sync_folder(folder.path())?;
    sync_folder(shelf)?;
    Ok(folder)
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

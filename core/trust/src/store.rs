//! What one device trusts and has had: `trust.json` and `signed-packs/` in the data folder. Holds nothing of patients.
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
const PACKS: &str = "signed-packs";
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
    /// Tokens, one for each doctor's name.
    credentials: Vec<String>,
    revocations: Revocations,
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
    /// Why the newest one could not be used, where this is the one before it.
    pub instead_of: Option<TrustError>,
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
        self.change(|state| {
            let root = Root::accept(text, state.root.as_ref())?;
            if state.root.as_ref() != Some(&root) {
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
    /// When it is not signed by enough keys, older than what was had, the root has expired, or `usable` refuses it.
    pub fn install_pack<E: From<TrustError>>(
        &mut self,
        source: &Path,
        clock: Timestamp,
        built_in: impl FnOnce(&str) -> Option<Pack>,
        usable: impl FnOnce(&Pack) -> Result<(), E>,
    ) -> Result<Statement, E> {
        let (_lock, mut state) = self.lock()?;
        let root = state.root.as_ref().ok_or(TrustError::NoRoot)?;
        if root.expires.is_some_and(|end| time(&state, clock) >= end) {
            return Err(TrustError::RootExpired.into());
        }
        let (pack, statement) = Pack::read_signed(source, root)?;
        let id = pack.manifest().id.clone();
        if let Some(own) = built_in(&id) {
            let numbers = own.manifest().numbers().map_err(TrustError::from)?;
            follows(&pack, numbers, &own.manifest_sha256())?;
        }
        let before = state.packs.get(&id);
        if let Some(before) = before {
            follows(&pack, before.seen.parse().map_err(TrustError::from)?, &before.seen_manifest)?;
        }
        usable(&pack)?;
        let written = write_folder(&pack, &self.folder.join(PACKS).join(&id))?;
        let current = written.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let seen_manifest = pack.manifest_sha256();
        // The same pack again, perhaps with newer signatures, is no successor: what came before it is still what came before it.
        let previous = before.and_then(|before| match before.seen_manifest == seen_manifest {
            true => before.previous.clone(),
            false => Some(before.current.clone()),
        });
        let seen = pack.manifest().numbers().map_err(TrustError::from)?.to_string();
        state.packs.insert(id.clone(), PackState { seen, seen_manifest, current, previous });
        believe(&mut state, statement.signed_at);
        self.save(state)?;
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
        let mut refusal: Option<TrustError> = None;
        for folder in std::iter::once(&installed.current).chain(&installed.previous) {
            match Pack::read_signed(&self.folder.join(PACKS).join(id).join(folder), root) {
                Ok((pack, statement)) => {
                    let older =
                        built_in.is_some_and(|own| pack.manifest().numbers().is_ok_and(|version| version < own));
                    return Ok((!older).then_some(Installed { pack, statement, instead_of: refusal }));
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

    /// Takes a credential for this device, in place of an earlier one of the same name. Does I/O.
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
            credential.counts(Some(device), &state.revocations, now)?;
            let same_name = |old: &String| {
                Credential::open(old, &root.credentials).is_ok_and(|old| old.claims.sub == credential.claims.sub)
            };
            let mut kept: Vec<String> = state.credentials.iter().filter(|old| !same_name(old)).cloned().collect();
            kept.push(token.trim().to_owned());
            state.credentials = kept;
            believe(state, credential.claims.iat);
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
            let before = &state.revocations;
            let forgets = !list.credentials.is_superset(&before.credentials);
            if list.version < before.version || (list.version == before.version && list != *before) || forgets {
                return Err(TrustError::Rollback);
            }
            believe(state, list.made_at);
            state.revocations = list.clone();
            Ok(list)
        })
    }

    /// The list of revocations at hand; version 0 before the first.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.state.revocations
    }

    /// The credential of a doctor by name, or of the only doctor, as its token.
    #[must_use]
    pub fn token(&self, doctor: Option<&str>) -> Option<&str> {
        let role = &self.root()?.credentials;
        let of_doctor = |token: &&String| {
            let credential = Credential::open(token, role);
            credential.is_ok_and(|credential| doctor.is_none_or(|doctor| doctor.trim() == credential.claims.sub.trim()))
        };
        self.state.credentials.iter().rev().find(of_doctor).map(String::as_str)
    }

    /// The time that counts at this clock: never before the newest trusted signature, nor before what this device has noted. No I/O.
    #[must_use]
    pub fn time(&self, clock: Timestamp) -> Timestamp {
        time(&self.state, clock)
    }

    /// How a doctor stands on this device at this clock. `doctor` is the name of who has signed in, where somebody has: on a shared phone a
    /// credential counts for the doctor whose name it bears, and for nobody else. No I/O.
    #[must_use]
    pub fn verdict(&self, device: Option<&PublicKey>, doctor: Option<&str>, clock: Timestamp) -> Verdict {
        let Some(root) = self.root() else {
            return Verdict::without(Standing::NoAuthority, None);
        };
        let now = time(&self.state, clock);
        let grace = SignedDuration::from_hours(24 * GRACE_DAYS);
        let within = |from: Timestamp| from.checked_add(grace).ok().filter(|end| now < *end);
        let unverified = |reason| {
            let until = self.state.root_accepted_at.and_then(within);
            let standing = if until.is_some() { Standing::UnverifiedInGrace } else { Standing::Unverified };
            Verdict { standing, doctor: None, until, reason }
        };
        let credential = self.token(doctor).and_then(|token| Credential::open(token, &root.credentials).ok());
        let Some(credential) = credential else { return unverified(None) };
        let end = credential.claims.exp;
        let of =
            |standing, until, reason| Verdict { standing, doctor: Some(credential.claims.sub.clone()), until, reason };
        match credential.counts(device, &self.state.revocations, now) {
            Ok(()) => of(Standing::Verified, Some(end), None),
            Err(reason @ TrustError::Expired) => match within(end) {
                Some(until) => of(Standing::ExpiredInGrace, Some(until), Some(reason)),
                None => of(Standing::Expired, None, Some(reason)),
            },
            Err(reason @ TrustError::Revoked) => of(Standing::Revoked, None, Some(reason)),
            Err(reason) => unverified(Some(reason)),
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
        let now = time(&self.state, clock);
        let counts = |c: Credential| c.counts(Some(sender), &self.state.revocations, now).is_ok();
        Credential::open(token, &root.credentials).is_ok_and(counts)
    }

    /// Reads, changes and writes the state, alone.
    fn change<T>(&mut self, change: impl FnOnce(&mut State) -> Result<T, TrustError>) -> Result<T, TrustError> {
        let (_lock, mut state) = self.lock()?;
        let done = change(&mut state)?;
        self.save(state)?;
        Ok(done)
    }

    /// Waits until no other process changes the state; the state as it then is.
    fn lock(&self) -> Result<(File, State), TrustError> {
        private_folder(&self.folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join("trust.lock"))?;
        lock.lock()?;
        Ok((lock, load(&self.folder)?))
    }

    fn save(&mut self, state: State) -> Result<(), TrustError> {
        let mut draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        draft.write_all(&serde_json::to_vec_pretty(&state).map_err(|_| TrustError::State)?)?;
        draft.as_file().sync_all()?;
        draft.persist(self.folder.join(STATE)).map_err(|error| error.error)?;
        sync_folder(&self.folder)?;
        self.state = state;
        Ok(())
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
    private_folder(shelf)?;
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

//! Backup and restore. A backup is one encrypted file that the recovery phrase opens on any device, and the PIN or the device's key on
//! this one. A restore goes into an empty folder or not at all.
//!
//! The file: `BFBACK1\n`, then chunks, each with its length (u32, big-endian). The first chunk is the key ring as it is in the folder
//! (wrapped keys, no plaintext of patients). All others are sealed under a key derived from the data key and the ring's hash, and bound
//! to their number and to being the last or not, so that chunks cannot be changed, swapped, cut off or moved to another file. The second
//! chunk lists the files (path, length, SHA-256), the others are their bytes in that order.

use crate::database::{self, DATABASE, hex};
use crate::key::{KeyVault, Secret, derive, random, sync_folder};
use crate::keyring::{KEY_RING, KeyRing, Unlock, WayIn};
use crate::seal;
use crate::store::make_private_folder;
use crate::{Clinic, ClinicError, Verification};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

const MAGIC: &[u8; 8] = b"BFBACK1\n";
/// Plaintext of one chunk, bytes.
const CHUNK: usize = 1 << 20;
/// Most bytes of a chunk in the file; the list of files of 200,000 photos is under 32 MiB.
const LARGEST_CHUNK: u32 = 64 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// Photos and thumbnails.
    pub photo_files: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Last hash of the audit log: note it, to prove later that nothing was cut off.
    pub audit_head: String,
    /// The recovery phrase opens it. Without one, only this device does.
    pub phrase_opens_it: bool,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Listing {
    files: Vec<Listed>,
}

impl Clinic {
    /// Writes a backup; never over another file. Does I/O.
    ///
    /// # Errors
    /// When a file of that name exists, nobody could open the backup elsewhere (PINs without a recovery phrase), or the disk refuses; no
    /// half backup stays behind.
    pub fn backup(&mut self, file: &Path) -> Result<BackupReport, ClinicError> {
        self.backup_watched(file, &mut |_, _| ControlFlow::Continue(()))
    }

    /// As [`Clinic::backup`]; `watch` is told at the start and after each file or chunk how many bytes of how many are done, and may
    /// stop the backup. Does I/O.
    ///
    /// # Errors
    /// As [`Clinic::backup`], and when stopped.
    pub fn backup_watched(
        &mut self,
        file: &Path,
        watch: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<BackupReport, ClinicError> {
        if file.exists() {
            return Err(ClinicError::FileExists);
        }
        if !self.has_recovery_phrase() && !self.ring.has(WayIn::Device) {
            return Err(ClinicError::PhraseFirst);
        }
        // While this store is open nobody else writes, and after a checkpoint the main file is all there is.
        database::checkpoint(&self.db)?;
        let mut photos = Vec::new();
        gather(&self.folder, Path::new("photos"), &mut photos)?;
        photos.sort();
        let sources: Vec<&Path> =
            std::iter::once(Path::new(DATABASE)).chain(photos.iter().map(PathBuf::as_path)).collect();
        let sizes = sources.iter().map(|source| Ok(fs::metadata(self.folder.join(source))?.len()));
        // Every byte is read twice: to be listed, and to be written.
        let total = 2 * sizes.sum::<Result<u64, ClinicError>>()?;
        let mut done = 0;
        let mut step = |bytes: u64| {
            done += bytes;
            if watch(done, total).is_break() { Err(ClinicError::Cancelled) } else { Ok(()) }
        };
        step(0)?;
        let mut files = Vec::with_capacity(sources.len());
        for source in &sources {
            let listed = self.listed(source)?;
            step(listed.bytes)?;
            files.push(listed);
        }
        let ring = self.ring.to_bytes()?;
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = tempfile::NamedTempFile::new_in(parent)?;
        let mut out = Writer::begin(BufWriter::new(draft), &ring, &key(&self.key, &ring))?;
        out.chunk(&serde_json::to_vec(&Listing { files })?, false)?;
        let mut buffer = Vec::with_capacity(CHUNK);
        for source in sources {
            let mut reader = File::open(self.folder.join(source))?;
            loop {
                let room = (CHUNK - buffer.len()) as u64;
                if (&mut reader).take(room).read_to_end(&mut buffer)? == 0 {
                    break;
                }
                if buffer.len() == CHUNK {
                    out.chunk(&buffer, false)?;
                    step(CHUNK as u64)?;
                    buffer.clear();
                }
            }
        }
        out.chunk(&buffer, true)?;
        step(buffer.len() as u64)?;
        let draft = out.inner.into_inner().map_err(|error| ClinicError::Io(error.into_error()))?;
        draft.as_file().sync_all()?;
        let bytes = draft.as_file().metadata()?.len();
        draft.persist_noclobber(file).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => ClinicError::FileExists,
            _ => ClinicError::Io(error.error),
        })?;
        sync_folder(parent)?;
        Ok(BackupReport {
            photo_files: photos.len() as u64,
            bytes,
            audit_head: self.audit_head()?,
            phrase_opens_it: self.has_recovery_phrase(),
        })
    }

    /// Restores a backup into a folder that holds no records. All of the backup is checked before the folder appears. Does I/O.
    ///
    /// # Errors
    /// When the folder holds anything, the way in is refused, or the backup is not whole; nothing is left behind then.
    pub fn restore(
        file: &Path,
        folder: &Path,
        vault: &dyn KeyVault,
        how: Unlock<'_>,
    ) -> Result<Verification, ClinicError> {
        // Guessing PINs at a backup could not be slowed down: its count of wrong ones starts anew with each copy.
        if matches!(how, Unlock::Pin { .. }) {
            return Err(ClinicError::PhraseNeeded);
        }
        if !is_empty(folder)? {
            return Err(ClinicError::NotEmpty);
        }
        let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let draft = tempfile::Builder::new().prefix(".barefoot-restore").tempdir_in(parent)?;
        let inside = draft.path().join("data");
        make_private_folder(&inside)?;
        unpack(file, &inside, vault, how)?;
        let found = Clinic::open(&inside, vault, how)?.verify()?;
        if !found.database_ok || !found.audit.ok() {
            return Err(ClinicError::BackupDamaged);
        }
        if folder.exists() {
            // Refuses when something appeared meanwhile.
            fs::remove_dir(folder).map_err(|_| ClinicError::NotEmpty)?;
        }
        fs::rename(&inside, folder)?;
        sync_folder(parent)?;
        Ok(found)
    }

    fn listed(&self, path: &Path) -> Result<Listed, ClinicError> {
        let mut reader = BufReader::new(File::open(self.folder.join(path))?);
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = reader.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            bytes += n as u64;
        }
        let path = path.iter().filter_map(|part| part.to_str()).collect::<Vec<_>>().join("/");
        Ok(Listed { path, bytes, sha256: hex(&hasher.finalize()) })
    }
}

/// All files below a folder, relative to `root`; half-written ones have no name that a reader looks for, and are left out.
fn gather(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<(), ClinicError> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            gather(root, &path, files)?;
        } else if is_expected(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Only what a data folder consists of: the database, and sealed files below `photos`.
fn is_expected(path: &Path) -> bool {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let sealed = path.extension().is_some_and(|e| e == "bfp" || e == "bft");
    path == Path::new(DATABASE) || (plain && sealed && path.starts_with("photos") && path.components().count() == 3)
}

fn is_empty(folder: &Path) -> Result<bool, ClinicError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn unpack(file: &Path, folder: &Path, vault: &dyn KeyVault, how: Unlock<'_>) -> Result<(), ClinicError> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).map_err(cut)?;
    if &magic != MAGIC {
        return Err(ClinicError::BackupDamaged);
    }
    let ring_bytes = raw_chunk(&mut reader)?;
    let mut ring = KeyRing::from_bytes(folder, &ring_bytes).map_err(|error| match error {
        ClinicError::KeyRing => ClinicError::BackupDamaged,
        other => other,
    })?;
    let entered = ring.unlock(vault, how).map_err(|error| match error {
        ClinicError::PinNeeded => ClinicError::PhraseNeeded,
        other => other,
    })?;
    ring.save()?;
    // A backup is never made during a rotation: the first key is the only one.
    let data_key = entered.keys.first().ok_or(ClinicError::BackupDamaged)?;
    let mut chunks = Reader { inner: reader, key: key(data_key, &ring_bytes), number: 0, last: false };
    let listing: Listing = serde_json::from_slice(&chunks.chunk()?).map_err(|_| ClinicError::BackupDamaged)?;
    let mut buffer: Vec<u8> = Vec::new();
    for listed in &listing.files {
        let path = Path::new(&listed.path);
        if !is_expected(path) {
            return Err(ClinicError::BackupDamaged);
        }
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        let mut out = File::create_new(&place)?;
        let mut hasher = Sha256::new();
        let mut left = listed.bytes;
        while left > 0 {
            if buffer.is_empty() {
                buffer = chunks.chunk()?;
            }
            let n = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if n == 0 {
                return Err(ClinicError::BackupDamaged);
            }
            let now: Vec<u8> = buffer.drain(..n).collect();
            out.write_all(&now)?;
            hasher.update(&now);
            left -= n as u64;
        }
        if hex(&hasher.finalize()) != listed.sha256 {
            return Err(ClinicError::BackupDamaged);
        }
        out.sync_all()?;
    }
    // The last chunk may be empty.
    if !chunks.last {
        buffer.extend(chunks.chunk()?);
    }
    let mut more = [0];
    if !chunks.last || !buffer.is_empty() || chunks.inner.read(&mut more)? != 0 || !folder.join(KEY_RING).exists() {
        return Err(ClinicError::BackupDamaged);
    }
    Ok(())
}

/// The key of one backup: also bound to the ring before it, so that the two cannot be taken apart.
fn key(data_key: &crate::key::DataKey, ring: &[u8]) -> Secret {
    derive(&Sha256::digest(ring), data_key.derive("backup").as_slice(), "barefoot backup v1")
}

fn binding(salt: &[u8], number: u64, last: bool) -> Vec<u8> {
    [salt, &number.to_be_bytes(), &[u8::from(last)]].concat()
}

struct Writer<W: Write> {
    inner: W,
    key: Secret,
    number: u64,
}

impl<W: Write> Writer<W> {
    fn begin(mut inner: W, ring: &[u8], key: &Secret) -> Result<Self, ClinicError> {
        inner.write_all(MAGIC)?;
        write_raw(&mut inner, ring)?;
        // A salt of its own keeps chunks of two backups of one store apart.
        let salt = random::<32>()?;
        write_raw(&mut inner, salt.as_slice())?;
        Ok(Self { inner, key: derive(salt.as_slice(), key.as_slice(), "one backup"), number: 0 })
    }

    fn chunk(&mut self, plain: &[u8], last: bool) -> Result<(), ClinicError> {
        let sealed = seal::seal(&self.key, &binding(MAGIC, self.number, last), plain)?;
        self.number += 1;
        write_raw(&mut self.inner, &[&[u8::from(last)], sealed.as_slice()].concat())
    }
}

struct Reader<R: Read> {
    inner: R,
    key: Secret,
    number: u64,
    last: bool,
}

impl<R: Read> Reader<R> {
    fn chunk(&mut self) -> Result<Vec<u8>, ClinicError> {
        if self.last {
            return Err(ClinicError::BackupDamaged);
        }
        if self.number == 0 {
            let salt = raw_chunk(&mut self.inner)?;
            self.key = derive(&salt, self.key.as_slice(), "one backup");
        }
        let bytes = raw_chunk(&mut self.inner)?;
        let (&flag, sealed) = bytes.split_first().ok_or(ClinicError::BackupDamaged)?;
        let last = flag == 1;
        let plain =
            seal::open(&self.key, &binding(MAGIC, self.number, last), sealed).ok_or(ClinicError::BackupDamaged)?;
        self.number += 1;
        self.last = last;
        Ok(plain.to_vec())
    }
}

fn write_raw(out: &mut impl Write, bytes: &[u8]) -> Result<(), ClinicError> {
    let length =
        u32::try_from(bytes.len()).ok().filter(|&length| length <= LARGEST_CHUNK).ok_or(ClinicError::BackupDamaged)?;
    out.write_all(&length.to_be_bytes())?;
    Ok(out.write_all(bytes)?)
}

fn raw_chunk(reader: &mut impl Read) -> Result<Vec<u8>, ClinicError> {
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(cut)?;
    let length = u32::from_be_bytes(length);
    if length > LARGEST_CHUNK {
        return Err(ClinicError::BackupDamaged);
    }
    // Grows with what is there, not with what a damaged length promises.
    let mut bytes = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() == length as usize { Ok(bytes) } else { Err(ClinicError::BackupDamaged) }
}

fn cut(error: std::io::Error) -> ClinicError {
    match error.kind() {
        ErrorKind::UnexpectedEof => ClinicError::BackupDamaged,
        _ => ClinicError::Io(error),
    }
}

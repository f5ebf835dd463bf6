//! Packs: a `manifest.json`, the files it names, each with its size and SHA-256, and a `signature.json` over the manifest. A pack is a
//! folder or, to be carried, one tar file of the same.
//!
//! Lives here: the check that a pack is whole, unchanged and signed before anything parses it. May not live here: what the files mean.

use crate::envelope::{ENVELOPE_LIMIT, Envelope, Purpose};
use crate::key::hex;
use crate::{PublicKey, Root, SigningKey, TrustError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The pack format that this version reads.
pub const FORMAT: u32 = 1;

/// No manifest is larger; a larger one is refused before it is parsed.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// No file of a pack is larger (packs are at most 10 MB, the encyclopedia at most 6 MB).
const FILE_LIMIT: u64 = 64 << 20;

/// No pack is larger, and none has more files.
const PACK_LIMIT: u64 = 96 << 20;
const MOST_FILES: usize = 64;

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "signature.json";

/// Why a pack is refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read.
    #[error("the pack file {} cannot be read: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is not one.
    #[error("the pack's manifest is not readable, fetch the pack again: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Made for another version of Barefoot.
    #[error("the pack has format {0}, this version of Barefoot reads format {FORMAT}: update Barefoot or the pack")]
    Format(u32),
    /// A file's name would leave the pack's folder.
    #[error("the pack names a file outside its own folder: do not use it, and ask who gave it to you")]
    Name,
    /// The archive is not the plain one that Barefoot writes: links, folders, names twice, or more than its manifest names.
    #[error("the pack file holds something that does not belong there: do not use it, and fetch the pack again")]
    Archive,
    /// Larger than any honest pack.
    #[error("the pack is larger than any pack should be: fetch it again")]
    TooLarge,
    /// Its id cannot be a name, or its version is not three numbers.
    #[error("the pack's id or version is not one: ids are lower-case letters, digits and hyphens, versions like 1.2.3")]
    Id,
    /// A file is not the one that the manifest describes.
    #[error("the pack file {0} is not the one that its manifest describes: fetch the pack again")]
    Changed(String),
    /// A file that the pack's kind needs is not there.
    #[error("the pack lacks the file {0}: fetch the pack again")]
    Missing(String),
}

impl PackError {
    /// The sentence in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Io { path, source } => format!("无法读取数据包文件{}：{source}", path.display()),
            Self::Manifest(error) => format!("数据包的清单无法读取，请重新获取（{error}）"),
            Self::Format(format) => {
                format!("数据包的格式是{format}，本版本只能读取格式{FORMAT}：请升级程序或更换数据包")
            }
            Self::Name => "数据包指向自身文件夹以外的文件：请勿使用，并询问文件来源".to_owned(),
            Self::Archive => "数据包中有不该有的内容：请勿使用，并重新获取".to_owned(),
            Self::TooLarge => "数据包过大，不可能是正常的数据包：请重新获取".to_owned(),
            Self::Id => "数据包的名称或版本号不对：名称只能用小写字母、数字和连字符，版本号形如1.2.3".to_owned(),
            Self::Changed(name) => format!("数据包文件{name}与清单不符：请重新获取"),
            Self::Missing(name) => format!("数据包缺少文件{name}：请重新获取"),
        }
    }
}

/// What every pack says of itself; the rest of its manifest belongs to its kind.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT`].
    pub format: u32,
    /// `image-model`, for one.
    pub kind: String,
    /// The pack's name.
    pub id: String,
    /// Semantic version.
    pub version: String,
    /// SPDX expression of the pack's data licence.
    pub licence: String,
    /// The files and what they must be.
    pub files: BTreeMap<String, FileEntry>,
}

/// Size and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

impl FileEntry {
    /// Describes a file's content. No I/O.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, sha256: hex(&Sha256::digest(content)) }
    }
}

/// A version: three numbers, as in `1.2.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl FromStr for Version {
    type Err = PackError;

    fn from_str(text: &str) -> Result<Self, PackError> {
        let number = |part: Option<&str>| {
            let part = part.filter(|p| p.len() == 1 || !p.starts_with('0'));
            part.filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse().ok()).ok_or(PackError::Id)
        };
        let mut parts = text.split('.');
        let version = Self(number(parts.next())?, number(parts.next())?, number(parts.next())?);
        if parts.next().is_none() { Ok(version) } else { Err(PackError::Id) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Manifest {
    /// The version as numbers.
    ///
    /// # Errors
    /// When it is none.
    pub fn numbers(&self) -> Result<Version, PackError> {
        self.version.parse()
    }

    fn has_plain_id(&self) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=64).contains(&self.id.len()) && self.id.bytes().all(plain)
    }
}

/// What the signers of a pack state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Format of this text.
    pub format: u32,
    /// The pack's id.
    pub id: String,
    /// The pack's kind.
    pub kind: String,
    /// The pack's version.
    pub version: String,
    /// Size and hash of its manifest, which names all else.
    pub manifest: FileEntry,
    /// When the first signature was made.
    pub signed_at: Timestamp,
    /// From when on a banner says that a newer pack should be fetched; never a lock.
    pub expires: Option<Timestamp>,
}

/// A pack whose every file was compared with its manifest.
#[derive(Debug)]
pub struct Pack {
    manifest: Manifest,
    manifest_text: String,
    signature: Option<Vec<u8>>,
    files: BTreeMap<String, Cow<'static, [u8]>>,
}

impl Pack {
    /// Reads a pack from its folder or its archive, signed or not. Does I/O.
    ///
    /// # Errors
    /// When a file is missing, too large or not the one that the manifest describes.
    pub fn read(path: &Path) -> Result<Self, PackError> {
        Self::verify(&Source::open(path)?)
    }

    /// Reads a signed pack: signature first, then the manifest's size and hash, then the files'. Does I/O.
    ///
    /// # Errors
    /// When it is not signed by enough of the root's keys, or as [`Pack::read`].
    pub fn read_signed(path: &Path, root: &Root) -> Result<(Self, Statement), TrustError> {
        let source = Source::open(path)?;
        let signature = source.get(SIGNATURE, ENVELOPE_LIMIT).map_err(|error| match error {
            PackError::Missing(_) => TrustError::Unsigned,
            other => other.into(),
        })?;
        let envelope = Envelope::parse(&signature)?;
        let statement = statement(envelope.verified(Purpose::Pack, &root.packs)?)?;
        let text = source.get(MANIFEST, MANIFEST_LIMIT)?;
        if !describes(&statement.manifest, &text) {
            return Err(PackError::Changed(MANIFEST.to_owned()).into());
        }
        let pack = Self::verify(&source)?;
        pack.is_stated(&statement)?;
        Ok((pack, statement))
    }

    /// Checks a pack that is already in memory, as `(file name, bytes)` with `manifest.json` among them. No I/O.
    ///
    /// # Errors
    /// As [`Pack::read`].
    pub fn from_memory(files: &[(&str, &'static [u8])]) -> Result<Self, PackError> {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Cow::Borrowed(*bytes))).collect();
        Self::verify(&Source::Memory { files, whole: false })
    }

    fn verify(source: &Source) -> Result<Self, PackError> {
        let manifest_text = source.get(MANIFEST, MANIFEST_LIMIT)?;
        let manifest: Manifest = serde_json::from_slice(&manifest_text)?;
        if manifest.format != FORMAT {
            return Err(PackError::Format(manifest.format));
        }
        if !manifest.has_plain_id() {
            return Err(PackError::Id);
        }
        if manifest.files.len() > MOST_FILES
            || manifest.files.values().fold(0u64, |sum, file| sum.saturating_add(file.bytes)) > PACK_LIMIT
        {
            return Err(PackError::TooLarge);
        }
        let mut files = BTreeMap::new();
        for (name, entry) in &manifest.files {
            if !is_plain_name(name) || name == MANIFEST || name == SIGNATURE {
                return Err(PackError::Name);
            }
            // Size before hash: cheap refusals first.
            if source.length(name)? != entry.bytes {
                return Err(PackError::Changed(name.clone()));
            }
            let bytes = source.get(name, FILE_LIMIT)?;
            if !describes(entry, &bytes) {
                return Err(PackError::Changed(name.clone()));
            }
            files.insert(name.clone(), bytes);
        }
        source.holds_no_more_than(&files)?;
        let signature = match source.get(SIGNATURE, ENVELOPE_LIMIT) {
            Ok(bytes) => Some(bytes.into_owned()),
            Err(PackError::Missing(_)) => None,
            Err(other) => return Err(other),
        };
        let manifest_text = String::from_utf8_lossy(&manifest_text).into_owned();
        Ok(Self { manifest, manifest_text, signature, files })
    }

    fn is_stated(&self, statement: &Statement) -> Result<(), TrustError> {
        let m = &self.manifest;
        let same = (&m.id, &m.kind, &m.version) == (&statement.id, &statement.kind, &statement.version);
        if same { Ok(()) } else { Err(TrustError::OtherPack) }
    }

    /// All files with their names, manifest and signature among them.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let own = self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        let signature = self.signature.iter().map(|bytes| (SIGNATURE, bytes.as_slice()));
        signature.chain(std::iter::once((MANIFEST, self.manifest_text.as_bytes()))).chain(own)
    }

    /// SHA-256 of the manifest, hex: names this pack and no other.
    pub(crate) fn manifest_sha256(&self) -> String {
        FileEntry::of(self.manifest_text.as_bytes()).sha256
    }

    /// The bytes of `signature.json`, where somebody has signed; who, [`Pack::read_signed`] checks.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// Whose signatures it bears, trusted or not.
    ///
    /// # Errors
    /// When its signature is none.
    pub fn signers(&self) -> Result<Vec<PublicKey>, TrustError> {
        self.signature().map_or(Ok(Vec::new()), |bytes| Ok(Envelope::parse(bytes)?.signers(Purpose::Pack)))
    }

    /// What the pack says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The whole manifest, for the reader of the pack's kind.
    #[must_use]
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// One file's bytes.
    ///
    /// # Errors
    /// When the manifest does not name it.
    pub fn file(&self, name: &str) -> Result<&[u8], PackError> {
        self.files.get(name).map(AsRef::as_ref).ok_or_else(|| PackError::Missing(name.to_owned()))
    }
}

/// Where the files of a pack come from.
enum Source {
    Folder(PathBuf),
    /// `whole`: the manifest must name everything that is there.
    Memory {
        files: BTreeMap<String, Cow<'static, [u8]>>,
        whole: bool,
    },
}

impl Source {
    fn open(path: &Path) -> Result<Self, PackError> {
        let io = |source| PackError::Io { path: path.to_owned(), source };
        if fs::metadata(path).map_err(io)?.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        Ok(Self::Memory { files: unpack(fs::File::open(path).map_err(io)?)?, whole: true })
    }

    fn length(&self, name: &str) -> Result<u64, PackError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let found = fs::symlink_metadata(&path).map_err(|source| missing(&path, name, source))?;
                // A link could lead anywhere.
                if found.is_file() { Ok(found.len()) } else { Err(PackError::Archive) }
            }
            Self::Memory { files, .. } => {
                Ok(files.get(name).ok_or_else(|| PackError::Missing(name.to_owned()))?.len() as u64)
            }
        }
    }

    fn get(&self, name: &str, limit: u64) -> Result<Cow<'static, [u8]>, PackError> {
        if self.length(name)? > limit {
            return Err(PackError::TooLarge);
        }
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let io = |source| PackError::Io { path: path.clone(), source };
                let mut bytes = Vec::new();
                fs::File::open(&path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
                if bytes.len() as u64 > limit { Err(PackError::TooLarge) } else { Ok(Cow::Owned(bytes)) }
            }
            Self::Memory { files, .. } => files.get(name).cloned().ok_or_else(|| PackError::Missing(name.to_owned())),
        }
    }

    fn holds_no_more_than(&self, named: &BTreeMap<String, Cow<'static, [u8]>>) -> Result<(), PackError> {
        let belongs = |name: &String| named.contains_key(name) || name == MANIFEST || name == SIGNATURE;
        match self {
            Self::Memory { files, whole: true } if !files.keys().all(belongs) => Err(PackError::Archive),
            _ => Ok(()),
        }
    }
}

fn missing(path: &Path, name: &str, source: io::Error) -> PackError {
    match source.kind() {
        io::ErrorKind::NotFound => PackError::Missing(name.to_owned()),
        _ => PackError::Io { path: path.to_owned(), source },
    }
}

/// The files of an archive: plain files under plain names, each once. Links, folders, devices and extensions are refused.
fn unpack(archive: impl Read) -> Result<BTreeMap<String, Cow<'static, [u8]>>, PackError> {
    let mut files = BTreeMap::new();
    let mut left = PACK_LIMIT;
    for entry in tar::Archive::new(archive).entries().map_err(|_| PackError::Archive)?.raw(true) {
        let mut entry = entry.map_err(|_| PackError::Archive)?;
        let name = entry.path_bytes().into_owned();
        let name = String::from_utf8(name).map_err(|_| PackError::Name)?;
        if !is_plain_name(&name) {
            return Err(PackError::Name);
        }
        if entry.header().entry_type() != tar::EntryType::Regular || files.len() > MOST_FILES {
            return Err(PackError::Archive);
        }
        let promised = entry.size();
        if promised > FILE_LIMIT || promised > left {
            return Err(PackError::TooLarge);
        }
        left -= promised;
        // Grows with what is there, not with what a header promises.
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|_| PackError::Archive)?;
        if bytes.len() as u64 != promised || files.insert(name, Cow::Owned(bytes)).is_some() {
            return Err(PackError::Archive);
        }
    }
    Ok(files)
}

/// Writes a pack as one tar file. The same pack gives the same bytes. Does I/O.
///
/// # Errors
/// When the file cannot be written.
pub fn write_archive(pack: &Pack, out: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(out);
    for (name, bytes) in pack.all_files() {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, name, bytes)?;
    }
    archive.into_inner()?.flush()
}

/// Adds signatures to a pack; those of others stay when they are about the same statement. `expires` counts for the first signer. Does
/// I/O, but writes nothing: see [`write_archive`] and [`Pack::signature`].
///
/// # Errors
/// When the pack is refused.
pub fn sign_pack(
    path: &Path,
    keys: &[SigningKey],
    now: Timestamp,
    expires: Option<Timestamp>,
) -> Result<Pack, TrustError> {
    let mut pack = Pack::read(path)?;
    let m = &pack.manifest;
    m.numbers()?;
    let manifest = FileEntry::of(pack.manifest_text.as_bytes());
    let fresh = Statement {
        format: FORMAT,
        id: m.id.clone(),
        kind: m.kind.clone(),
        version: m.version.clone(),
        manifest,
        signed_at: now,
        expires,
    };
    let begun = pack.signature.as_deref().and_then(|bytes| Envelope::parse(bytes).ok()).filter(|envelope| {
        let stated = statement(envelope.unverified());
        stated.is_ok_and(|old| old.manifest == fresh.manifest && (expires.is_none() || old.expires == expires))
    });
    let mut envelope = match begun {
        Some(envelope) => envelope,
        None => Envelope::new(serde_json::to_string(&fresh).map_err(|_| TrustError::Damaged)?),
    };
    keys.iter().for_each(|key| envelope.sign(Purpose::Pack, key));
    pack.signature = Some(envelope.to_text()?.into_bytes());
    Ok(pack)
}

fn statement(text: &str) -> Result<Statement, TrustError> {
    let statement: Statement = serde_json::from_str(text).map_err(|_| TrustError::Damaged)?;
    if statement.format == FORMAT { Ok(statement) } else { Err(TrustError::Format(statement.format)) }
}

fn describes(entry: &FileEntry, bytes: &[u8]) -> bool {
    bytes.len() as u64 == entry.bytes && FileEntry::of(bytes) == *entry
}

fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|last| last == name) && !name.contains(['\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(folder: &Path, name: &str, bytes: &[u8], sha256: &str) {
        let manifest = serde_json::json!({
            "format": 1, "kind": "test", "id": "t", "version": "1.0.0", "licence": "CC0-1.0",
            "files": { name: { "bytes": bytes.len(), "sha256": sha256 } }
        });
        fs::write(folder.join("manifest.json"), manifest.to_string()).expect("write");
    }

    #[test]
    fn a_whole_pack_is_read() {
        let dir = tempfile::tempdir().expect("dir");
        pack(dir.path(), "a.bin", b"abc", &hex(&Sha256::digest(b"abc")));
        fs::write(dir.path().join("a.bin"), b"abc").expect("write");
        assert_eq!(Pack::read(dir.path()).expect("pack").file("a.bin").expect("file"), b"abc");
    }

    #[test]
    fn a_changed_truncated_or_missing_file_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        pack(dir.path(), "a.bin", b"abc", &hex(&Sha256::digest(b"abc")));
        assert!(matches!(Pack::read(dir.path()), Err(PackError::Missing(_))));
        for bytes in [&b"abd"[..], b"ab", b"abcd"] {
            fs::write(dir.path().join("a.bin"), bytes).expect("write");
            assert!(matches!(Pack::read(dir.path()), Err(PackError::Changed(_))));
        }
    }

    #[test]
    fn a_name_outside_the_folder_is_refused() {
        for name in ["../a.bin", "/etc/passwd", "x/a.bin", "..", "", "c:a", "x\\a"] {
            let dir = tempfile::tempdir().expect("dir");
            pack(dir.path(), name, b"abc", &hex(&Sha256::digest(b"abc")));
            assert!(matches!(Pack::read(dir.path()), Err(PackError::Name)), "{name:?}");
        }
    }
}

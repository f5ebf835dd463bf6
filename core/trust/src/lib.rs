//! Packs: a folder with a `manifest.json` and the files it names, each with its size and SHA-256.
//!
//! Lives here: the check that a pack is whole and unchanged before anything parses it. May not live here: what the files mean.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The pack format that this version reads.
pub const FORMAT: u32 = 1;

/// No manifest is larger; a larger one is refused before it is parsed.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// No file of a pack is larger (packs are at most 10 MB, the encyclopedia at most 6 MB).
const FILE_LIMIT: u64 = 64 << 20;

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
    #[error("the pack's manifest is not readable: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Made for another version of Barefoot.
    #[error("the pack has format {0}, this version of Barefoot reads format {FORMAT}: update Barefoot or the pack")]
    Format(u32),
    /// A file's name would leave the pack's folder.
    #[error("the pack names a file outside its own folder")]
    Name,
    /// A file is not the one that the manifest describes.
    #[error("the pack file {0} is not the one that its manifest describes: fetch the pack again")]
    Changed(String),
    /// A file that the pack's kind needs is not there.
    #[error("the pack lacks the file {0}")]
    Missing(String),
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

/// A pack whose every file was compared with its manifest.
#[derive(Debug)]
pub struct Pack {
    manifest: Manifest,
    manifest_text: String,
    files: BTreeMap<String, Cow<'static, [u8]>>,
}

impl Pack {
    /// Reads a pack from its folder. Does I/O.
    ///
    /// # Errors
    /// When a file is missing, too large or not the one that the manifest describes.
    pub fn read(folder: &Path) -> Result<Self, PackError> {
        let text = read_limited(&folder.join("manifest.json"), MANIFEST_LIMIT)?;
        Self::verify(text, |name, entry| {
            let path = folder.join(name);
            let length = fs::metadata(&path).map_err(|source| PackError::Io { path: path.clone(), source })?.len();
            if length != entry.bytes {
                return Err(PackError::Changed(name.to_owned()));
            }
            read_limited(&path, FILE_LIMIT).map(Cow::Owned)
        })
    }

    /// Checks a pack that is already in memory, as `(file name, bytes)` with `manifest.json` among them. No I/O.
    ///
    /// # Errors
    /// As [`Pack::read`].
    pub fn from_memory(files: &[(&str, &'static [u8])]) -> Result<Self, PackError> {
        let find = |name: &str| {
            files
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, bytes)| *bytes)
                .ok_or_else(|| PackError::Missing(name.to_owned()))
        };
        Self::verify(find("manifest.json")?.to_vec(), |name, _| find(name).map(Cow::Borrowed))
    }

    fn verify(
        manifest_text: Vec<u8>,
        fetch: impl Fn(&str, &FileEntry) -> Result<Cow<'static, [u8]>, PackError>,
    ) -> Result<Self, PackError> {
        let manifest: Manifest = serde_json::from_slice(&manifest_text)?;
        if manifest.format != FORMAT {
            return Err(PackError::Format(manifest.format));
        }
        let mut files = BTreeMap::new();
        for (name, entry) in &manifest.files {
            let plain = Path::new(name).file_name().is_some_and(|last| last == name.as_str());
            if !plain || name.contains(['\\', ':']) {
                return Err(PackError::Name);
            }
            let bytes = fetch(name, entry)?;
            // Size before hash: cheap refusals first.
            if bytes.len() as u64 != entry.bytes || FileEntry::of(&bytes) != *entry {
                return Err(PackError::Changed(name.clone()));
            }
            files.insert(name.clone(), bytes);
        }
        let manifest_text = String::from_utf8_lossy(&manifest_text).into_owned();
        Ok(Self { manifest, manifest_text, files })
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

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, PackError> {
    let io = |source| PackError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(PackError::Changed(path.file_name().unwrap_or_default().to_string_lossy().into_owned()));
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
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
        assert!(matches!(Pack::read(dir.path()), Err(PackError::Io { .. })));
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

//! What the tests of the clinic share: a folder with its key beside it, and records to put there.
#![allow(dead_code, reason = "each test binary uses a part")]

use barefoot_clinic::{Clinic, FileVault, NewEncounter, NewPatient, NewPhoto, Unlock};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A temporary data folder with the device's key beside it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("dir"))
    }

    /// In memory, where the system has that: for tests that ask what was written thousands of times, not whether a disk keeps it.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self(tempfile::tempdir_in(memory).expect("dir")) } else { Self::new() }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn vault(&self) -> FileVault {
        FileVault::new(self.0.path().join("key"))
    }

    pub fn open(&self) -> Clinic {
        Clinic::open(&self.data(), &self.vault(), Unlock::Device).expect("opens")
    }
}

/// How many rounds a test runs: the bar per change, or what `cargo xtask battery` asks for.
pub fn rounds(name: &str, per_change: usize) -> usize {
    std::env::var(format!("BAREFOOT_BATTERY_{name}")).ok().and_then(|n| n.parse().ok()).unwrap_or(per_change)
}

/// Random numbers that a seed repeats (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

pub fn patient(name: &str) -> NewPatient {
    NewPatient {
        name: name.to_owned(),
        sex: Some("female".to_owned()),
        village: Some("李家村".to_owned()),
        ..NewPatient::default()
    }
}

pub fn encounter(findings: &str) -> NewEncounter {
    NewEncounter {
        findings: findings.to_owned(),
        age_years: Some(54.0),
        sex: Some("female".to_owned()),
        site: Some("face".to_owned()),
        photos: vec![NewPhoto { jpeg: jpeg(), width: 48, height: 32 }],
        assessment: serde_json::json!({
            "image": { "pack": "derm 1.0.0", "outcome": "named", "classes": [{ "slug": "scabies", "p": 0.7 }], "set": ["scabies"] },
            "differential": [
                { "slug": "scabies", "zh": "疥疮", "en": "Scabies", "p": 0.7, "because": [] },
                { "slug": "eczema", "zh": "湿疹", "en": "Eczema", "p": 0.2, "because": [] }
            ],
            "urgency": { "level": "P", "reasons": [{ "zh": "基层处理", "en": "primary care" }] }
        }),
        ..NewEncounter::default()
    }
}

/// A real, small JPEG.
pub fn jpeg() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(48, 32, |x, y| image::Rgb([(x * 5) as u8, (y * 7) as u8, 90]));
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 90).encode_image(&picture).expect("encodes");
    out
}

/// All files below a folder.
pub fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("dir") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// A text as UTF-8, as both UTF-16s, and as base64 at each of its three alignments (without the ends, which depend on neighbours).
pub fn encodings(text: &str) -> Vec<Vec<u8>> {
    let mut needles = vec![text.as_bytes().to_vec()];
    needles.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    needles.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    for shift in 0..3 {
        let padded = [vec![0; shift], text.as_bytes().to_vec()].concat();
        let coded = base64(&padded[..padded.len() / 3 * 3]);
        needles.push(coded[4..].to_vec());
    }
    needles
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let three = bytes.chunks_exact(3).map(|c| u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]));
    three.flat_map(|n| [18, 12, 6, 0].map(|shift| DIGITS[(n >> shift & 63) as usize])).collect()
}

/// Whether a file holds the first eight bytes of any needle: one pass, however many needles.
pub fn holds_any(haystack: &[u8], needles: &[Vec<u8>]) -> bool {
    let starts: HashSet<&[u8]> = needles.iter().map(|needle| &needle[..8]).collect();
    haystack.windows(8).any(|window| starts.contains(window))
}

/// Copies a data folder at rest.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("dir");
    for entry in fs::read_dir(from).expect("dir") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy");
        }
    }
}

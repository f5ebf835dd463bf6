//! A root with three keys a role, and packs signed with them. Fixed seeds and times: nothing here is random.

#![allow(dead_code)]

use barefoot_trust::{FileEntry, PublicKey, Role, Root, RootDraft, SigningKey, TrustStore, sign_pack};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};

/// 2026-01-01, when the root was made.
pub fn day(days: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    begin + SignedDuration::from_hours(24 * days)
}

/// Key number `n`; 0 to 2 sign roots, 10 to 12 packs, 20 credentials; others are strangers.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n + 1; 32])
}

pub fn keys(numbers: &[u8]) -> Vec<SigningKey> {
    numbers.iter().map(|n| key(*n)).collect()
}

pub fn role(numbers: &[u8], threshold: usize) -> Role {
    Role {
        keys: numbers.iter().map(|n| key(*n).public()).collect::<std::collections::BTreeSet<PublicKey>>(),
        threshold,
    }
}

pub fn usual(version: u64) -> Root {
    Root::new(version, day(0), role(&[0, 1, 2], 2), role(&[10, 11, 12], 2), role(&[20], 1))
}

pub fn signed_root(root: &Root, signers: &[u8]) -> Vec<u8> {
    let mut draft = RootDraft::new(root).expect("a sound root");
    signers.iter().for_each(|n| draft.sign(&key(*n)));
    draft.to_text().expect("text").into_bytes()
}

/// A data folder that trusts the usual root since day 0.
pub fn device(folder: &Path) -> TrustStore {
    let mut store = TrustStore::open(folder).expect("opens");
    store.accept_root(&signed_root(&usual(1), &[0, 1]), day(0)).expect("accepts");
    store
}

/// A pack's folder, not signed.
pub fn pack(folder: &Path, id: &str, version: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = folder.join(format!("{id}-{version}"));
    fs::create_dir_all(&folder).expect("folder");
    let named: serde_json::Map<_, _> = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), serde_json::to_value(FileEntry::of(bytes)).expect("entry")))
        .collect();
    let manifest = serde_json::json!({
        "format": 1, "kind": "test", "id": id, "version": version, "licence": "CC0-1.0", "files": named
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("write");
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("write");
    }
    folder
}

/// Signs a pack's folder in place.
pub fn sign(folder: &Path, signers: &[u8]) {
    let pack = sign_pack(folder, &keys(signers), day(1), None).expect("signs");
    fs::write(folder.join("signature.json"), pack.signature().expect("signature")).expect("write");
}

/// A signed pack's folder.
pub fn signed(folder: &Path, version: &str, content: &[u8]) -> PathBuf {
    let made = pack(folder, "skin", version, &[("a.bin", content), ("b.bin", b"second")]);
    sign(&made, &[10, 11]);
    made
}

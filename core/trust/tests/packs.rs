//! Row 15: attacks on packs. Each is refused, changes nothing, and the pack that was installed goes on working.

mod support;

use barefoot_trust::{FileEntry, Pack, PackError, TrustError, TrustStore, sign_pack, write_archive};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use support::{day, device, key, pack, role, sign, signed, signed_root, usual};

fn install(store: &mut TrustStore, source: &Path) -> Result<(), TrustError> {
    store.install_pack(source, day(1), |_| None, |_| Ok::<(), TrustError>(())).map(drop)
}

/// What the device uses now.
fn in_use(folder: &Path) -> Vec<u8> {
    let store = TrustStore::open(folder).expect("opens");
    let installed = store.pack("skin", None).expect("usable").expect("installed");
    installed.pack.file("a.bin").expect("file").to_vec()
}

/// A tar file of the given entries, as no honest tool writes it.
fn raw_tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(*kind);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").expect("link");
        }
        header.set_cksum();
        out.append(&header, *bytes).expect("append");
    }
    out.into_inner().expect("tar")
}

fn archive(folder: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    write_archive(&Pack::read(folder).expect("reads"), &mut out).expect("writes");
    out
}

/// Changes what a pack's signature states and signs it again with two keys, as no honest tool does.
fn restate(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let file = folder.join("signature.json");
    let envelope: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("signature")).expect("JSON");
    let mut statement = serde_json::from_str(envelope["payload"].as_str().expect("text")).expect("JSON");
    change(&mut statement);
    let payload = statement.to_string();
    let signed = [b"barefoot pack v1\0", payload.as_bytes()].concat();
    let signatures: serde_json::Map<_, _> = [10, 11]
        .map(|n| {
            let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([n + 1; 32]));
            let signature: String = pair.sk.sign(&signed, None).iter().map(|byte| format!("{byte:02x}")).collect();
            (key(n).public().to_string(), signature.into())
        })
        .into_iter()
        .collect();
    fs::write(&file, serde_json::json!({ "payload": payload, "signatures": signatures }).to_string()).expect("write");
}

fn plain_entries(folder: &Path) -> Vec<(String, Vec<u8>)> {
    ["signature.json", "manifest.json", "a.bin", "b.bin"]
        .iter()
        .map(|name| ((*name).to_owned(), fs::read(folder.join(name)).expect("file")))
        .collect()
}

/// Every attack as a name and the file or folder that carries it.
fn attacks(dir: &Path) -> Vec<(&'static str, PathBuf)> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let mut all: Vec<(&'static str, PathBuf)> = Vec::new();
    let fresh = |name: &str| {
        let folder = dir.join(name);
        fs::create_dir_all(&folder).expect("folder");
        signed(&folder, "3.0.0", b"newer")
    };
    all.push(("an older version", signed(&dir.join("old"), "1.0.0", b"old")));
    all.push(("the same version with other content", signed(&dir.join("same"), "2.0.0", b"other")));
    all.push(("not signed", pack(&dir.join("unsigned"), "skin", "3.0.0", &[("a.bin", b"x")])));
    let one = pack(&dir.join("one"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&one, &[10]);
    all.push(("one key of three", one));
    let strangers = pack(&dir.join("strangers"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&strangers, &[30, 31, 32]);
    all.push(("three keys of strangers", strangers));
    let wrong_role = pack(&dir.join("role"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&wrong_role, &[0, 1, 2]);
    all.push(("keys of another role", wrong_role));
    let twice = fresh("twice");
    let text = fs::read_to_string(twice.join("signature.json")).expect("signature");
    let (gone, other) = (key(11).public().to_string(), key(12).public().to_string());
    fs::write(twice.join("signature.json"), text.replace(&gone, &other)).expect("write");
    all.push(("a signature under another key's name", twice));
    let again = pack(&dir.join("again"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&again, &[10]);
    sign(&again, &[10]);
    all.push(("one key twice", again));
    let repeated = pack(&dir.join("repeated"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&repeated, &[10]);
    let text = fs::read_to_string(repeated.join("signature.json")).expect("signature");
    let line = text.lines().find(|line| line.contains(&key(10).public().to_string())).expect("a signature");
    fs::write(repeated.join("signature.json"), text.replace(line, &format!("{line},\n{line}"))).expect("write");
    all.push(("one signature written twice", repeated));
    let changed = fresh("changed");
    fs::write(changed.join("a.bin"), b"evil!").expect("write");
    all.push(("a changed file", changed));
    let swapped = fresh("swapped");
    fs::rename(swapped.join("a.bin"), swapped.join("t")).expect("rename");
    fs::rename(swapped.join("b.bin"), swapped.join("a.bin")).expect("rename");
    fs::rename(swapped.join("t"), swapped.join("b.bin")).expect("rename");
    all.push(("two files swapped", swapped));
    let mixed = fresh("mixed");
    let other = signed(&dir.join("mixed-other"), "4.0.0", b"four");
    fs::copy(other.join("manifest.json"), mixed.join("manifest.json")).expect("copy");
    fs::copy(other.join("a.bin"), mixed.join("a.bin")).expect("copy");
    all.push(("the signature of one pack with the manifest of another", mixed));
    let cut = fresh("cut");
    fs::write(cut.join("a.bin"), b"new").expect("write");
    all.push(("a truncated file", cut));
    let missing = fresh("missing");
    fs::remove_file(missing.join("b.bin")).expect("remove");
    all.push(("a missing file", missing));
    // Two pack signers state another id, kind or version over an honest manifest.
    for (name, field) in [("another id", "id"), ("another kind", "kind"), ("another version", "version")] {
        let folder = fresh(field);
        restate(&folder, |statement| {
            statement[field] = if field == "version" { "3.0.1".into() } else { "other".into() }
        });
        all.push((name, folder));
    }
    let later = fresh("later");
    restate(&later, |statement| statement["format"] = 2.into());
    all.push(("a statement of a newer format", later));
    let newer = pack(&dir.join("newer-format"), "skin", "3.0.0", &[("a.bin", b"x")]);
    sign(&newer, &[10, 11]);
    let text =
        fs::read_to_string(newer.join("manifest.json")).expect("manifest").replace("\"format\":1", "\"format\":2");
    fs::write(newer.join("manifest.json"), &text).expect("write");
    restate(&newer, |s| s["manifest"] = serde_json::to_value(FileEntry::of(text.as_bytes())).expect("entry"));
    all.push(("a signed pack of a newer format", newer));
    let grown = fresh("grown");
    let mut manifest = fs::read_to_string(grown.join("manifest.json")).expect("manifest");
    manifest.push(' ');
    fs::write(grown.join("manifest.json"), manifest).expect("write");
    all.push(("a longer manifest", grown));
    #[cfg(unix)]
    {
        let link = fresh("link");
        fs::rename(link.join("a.bin"), link.join("real")).expect("rename");
        std::os::unix::fs::symlink(link.join("real"), link.join("a.bin")).expect("link");
        all.push(("a link in a folder", link));
    }
    let base = plain_entries(&fresh("archive"));
    let regular = |skip: &str| -> Vec<(&str, tar::EntryType, &[u8])> {
        let kept = base.iter().filter(|(name, _)| name != skip);
        kept.map(|(name, bytes)| (name.as_str(), Regular, bytes.as_slice())).collect()
    };
    let mut tar = |name: &'static str, extra: &[(&str, tar::EntryType, &[u8])], skip: &str| {
        let file = dir.join(format!("{}.tar", all.len()));
        fs::write(&file, raw_tar(&[&regular(skip), extra].concat())).expect("write");
        all.push((name, file));
    };
    tar("a path above the folder", &[("../evil", Regular, b"x")], "");
    tar("an absolute path", &[("/tmp/evil", Regular, b"x")], "");
    tar("a path below the folder", &[("x/evil", Regular, b"x")], "");
    tar("a Windows path", &[("x\\evil", Regular, b"x")], "");
    tar("a symbolic link", &[("c.bin", Symlink, b"")], "");
    tar("a hard link", &[("c.bin", Link, b"")], "");
    tar("a folder", &[("c", Directory, b"")], "");
    tar("an entry twice", &[("a.bin", Regular, b"newer")], "");
    tar("a second, other entry of a name", &[("a.bin", Regular, b"evil!")], "");
    tar("a file that the manifest does not name", &[("c.bin", Regular, b"x")], "");
    tar("an archive without a signature", &[], "signature.json");
    tar("an archive without a manifest", &[], "manifest.json");
    let whole = archive(&fresh("whole"));
    let short = dir.join("short.tar");
    fs::write(&short, &whole[..whole.len() / 2]).expect("write");
    all.push(("half an archive", short));
    let mut oversize = raw_tar(&regular(""));
    // The size field of the first header, octal: 1 GiB.
    oversize[124..135].copy_from_slice(b"10000000000");
    let sum: u32 =
        oversize[..512].iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    oversize[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let file = dir.join("oversize.tar");
    fs::write(&file, oversize).expect("write");
    all.push(("a header that promises 1 GiB", file));
    let noise = dir.join("noise");
    fs::write(&noise, [0x5a; 4096]).expect("write");
    all.push(("no archive at all", noise));
    all
}

#[test]
fn every_attack_is_refused_and_the_old_pack_still_works() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = device(&data);
    install(&mut store, &signed(&dir.path().join("good"), "2.0.0", b"good")).expect("installs");
    let before = fs::read(data.join("trust.json")).expect("state");
    let attacks = attacks(dir.path());
    assert!(attacks.len() >= 14, "{}", attacks.len());
    for (name, source) in &attacks {
        let refused = install(&mut store, source);
        assert!(refused.is_err(), "{name} was installed");
        assert_eq!(in_use(&data), b"good", "{name}");
        assert_eq!(fs::read(data.join("trust.json")).expect("state"), before, "{name} changed the state");
    }
    let shelves = fs::read_dir(data.join("signed-packs/skin")).expect("shelf").count();
    assert_eq!(shelves, 1, "nothing half is left");
}

/// One key of the manifest or of the statement is of a time to come.
#[test]
fn a_future_format_is_said_to_be_one() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = device(&dir.path().join("data"));
    let folder = pack(dir.path(), "skin", "3.0.0", &[("a.bin", b"x")]);
    let text = fs::read_to_string(folder.join("manifest.json")).expect("manifest");
    fs::write(folder.join("manifest.json"), text.replace("\"format\":1", "\"format\":2")).expect("write");
    assert!(matches!(sign_pack(&folder, &[], day(1), None), Err(TrustError::Pack(PackError::Format(2)))));
    assert!(matches!(install(&mut store, &folder), Err(TrustError::Unsigned)));
}

#[test]
fn the_programs_own_pack_counts_as_had() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = device(&dir.path().join("data"));
    let own = || Pack::read(&pack(&dir.path().join("own"), "skin", "2.0.0", &[("a.bin", b"own")])).expect("reads");
    let mut with_own =
        |source: &Path| store.install_pack(source, day(1), |_| Some(own()), |_| Ok::<(), TrustError>(()));
    let old = signed(&dir.path().join("old"), "1.9.9", b"old");
    assert!(matches!(with_own(&old), Err(TrustError::Rollback)));
    let same = signed(&dir.path().join("same"), "2.0.0", b"other");
    assert!(matches!(with_own(&same), Err(TrustError::VersionReused)));
    with_own(&signed(&dir.path().join("new"), "2.0.1", b"new")).expect("installs");
    // A program that brings a newer one uses its own.
    let newer = "2.1.0".parse().expect("version");
    assert!(store.pack("skin", Some(newer)).expect("reads").is_none());
}

#[test]
fn an_unusable_pack_is_not_installed() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = device(&data);
    let source = signed(dir.path(), "1.0.0", b"x");
    assert!(store.install_pack(&source, day(1), |_| None, |_| Err(TrustError::Damaged)).is_err());
    assert!(TrustStore::open(&data).expect("opens").pack("skin", None).expect("reads").is_none());
}

#[test]
fn a_damaged_pack_falls_back_to_the_one_before_it() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = device(&data);
    for (version, content) in [("1.0.0", b"first"), ("1.1.0", b"secnd"), ("1.2.0", b"third")] {
        install(&mut store, &signed(&dir.path().join(version), version, content)).expect("installs");
    }
    assert_eq!(
        fs::read_dir(data.join("signed-packs/skin")).expect("shelf").count(),
        2,
        "the one before is kept, older ones go"
    );
    for shelf in fs::read_dir(data.join("signed-packs/skin")).expect("shelf").flatten() {
        if shelf.file_name().to_string_lossy().starts_with("1.2.0") {
            fs::write(shelf.path().join("a.bin"), b"rot").expect("write");
        }
    }
    let store = TrustStore::open(&data).expect("opens");
    let used = store.pack("skin", None).expect("usable").expect("installed");
    assert!(used.instead_of.is_some());
    assert_eq!(used.pack.file("a.bin").expect("file"), b"secnd");
}

#[test]
fn the_same_pack_again_keeps_the_one_before_it() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = device(&data);
    install(&mut store, &signed(&dir.path().join("one"), "1.0.0", b"first")).expect("installs");
    let second = signed(&dir.path().join("two"), "1.1.0", b"secnd");
    install(&mut store, &second).expect("installs");
    install(&mut store, &second).expect("installs again");
    for shelf in fs::read_dir(data.join("signed-packs/skin")).expect("shelf").flatten() {
        if shelf.file_name().to_string_lossy().starts_with("1.1.0") {
            fs::remove_dir_all(shelf.path()).expect("removes");
        }
    }
    let used = TrustStore::open(&data).expect("opens").pack("skin", None).expect("usable").expect("installed");
    assert_eq!((used.instead_of.is_some(), used.pack.file("a.bin").expect("file")), (true, b"first".as_slice()));
}

#[test]
fn under_an_expired_root_no_pack_is_taken_until_the_next_root_comes() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = TrustStore::open(&data).expect("opens");
    let ending = barefoot_trust::Root { expires: Some(day(100)), ..usual(1) };
    store.accept_root(&signed_root(&ending, &[0, 1]), day(0)).expect("accepts");
    let first = signed(&dir.path().join("one"), "1.0.0", b"first");
    let second = signed(&dir.path().join("two"), "1.1.0", b"secnd");
    let at = |store: &mut TrustStore, source: &Path, days: i64| {
        store.install_pack(source, day(days), |_| None, |_| Ok::<(), TrustError>(())).map(drop)
    };
    at(&mut store, &first, 99).expect("installs");
    assert!(matches!(at(&mut store, &second, 100), Err(TrustError::RootExpired)));
    assert_eq!(in_use(&data), b"first", "what is installed stays in use");
    store.accept_root(&signed_root(&usual(2), &[0, 1]), day(101)).expect("the next root follows an expired one");
    at(&mut store, &second, 101).expect("installs");
    assert_eq!(in_use(&data), b"secnd");
}

#[test]
fn two_processes_install_without_losing_each_other() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    drop(device(&data));
    let sources: Vec<PathBuf> = (0..4)
        .map(|n| {
            let folder = pack(dir.path(), &format!("skin-{n}"), "1.0.0", &[("a.bin", b"x")]);
            sign(&folder, &[10, 11]);
            folder
        })
        .collect();
    std::thread::scope(|scope| {
        for source in &sources {
            scope.spawn(|| install(&mut TrustStore::open(&data).expect("opens"), source).expect("installs"));
        }
    });
    assert_eq!(TrustStore::open(&data).expect("opens").pack_ids().count(), 4);
}

#[test]
fn roots_follow_each_other_and_a_key_that_was_taken_out_signs_nothing_more() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut store = device(&data);
    install(&mut store, &signed(dir.path(), "1.0.0", b"first")).expect("installs");
    // Key 11 is stolen: 13 takes its place. Root key 2 goes too, 3 comes.
    let second = barefoot_trust::Root { packs: role(&[10, 12, 13], 2), root: role(&[0, 1, 3], 2), ..usual(2) };
    let third = barefoot_trust::Root { root: role(&[0, 1, 3], 2), packs: role(&[10, 12, 13], 2), ..usual(3) };
    let mut refused = |name: &str, text: Vec<u8>| {
        let before = fs::read(data.join("trust.json")).expect("state");
        assert!(store.accept_root(&text, day(2)).is_err(), "{name}");
        assert_eq!(fs::read(data.join("trust.json")).expect("state"), before, "{name}");
    };
    refused("one old key", signed_root(&second, &[0, 3]));
    refused("new keys alone", signed_root(&second, &[3]));
    refused("strangers", signed_root(&second, &[30, 31]));
    refused("a gap", signed_root(&third, &[0, 1]));
    refused(
        "the same version, other keys",
        signed_root(&barefoot_trust::Root { version: 1, ..second.clone() }, &[0, 1]),
    );
    refused(
        "not enough of its own",
        signed_root(&barefoot_trust::Root { root: role(&[4, 5, 6], 2), ..second.clone() }, &[0, 1]),
    );
    refused("not a root", b"{}".to_vec());
    store.accept_root(&signed_root(&second, &[0, 1]), day(2)).expect("follows");
    assert!(matches!(store.accept_root(&signed_root(&usual(1), &[0, 1]), day(3)), Err(TrustError::Rollback)));
    // The stolen key's packs: a new one is refused, and the installed one is no longer believed.
    let stolen = signed(&dir.path().join("stolen"), "1.1.0", b"x");
    assert!(matches!(install(&mut store, &stolen), Err(TrustError::Signatures)));
    assert!(matches!(store.pack("skin", None), Err(TrustError::Signatures)));
    let good = pack(&dir.path().join("good"), "skin", "1.1.0", &[("a.bin", b"again")]);
    sign(&good, &[12, 13]);
    install(&mut store, &good).expect("installs");
    assert_eq!(in_use(&data), b"again");
    store.accept_root(&signed_root(&third, &[1, 3]), day(4)).expect("the new key counts");
}

#[test]
fn a_key_file_is_written_once_private_and_read_back_and_nothing_else_passes_for_one() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("key");
    let made = barefoot_trust::SigningKey::generate().expect("random");
    made.write_new(&file).expect("writes");
    assert_eq!(barefoot_trust::SigningKey::read(&file).expect("reads").public(), made.public());
    assert!(made.write_new(&file).is_err(), "never over another");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).expect("metadata").permissions().mode() & 0o777, 0o600);
    }
    let zeros = format!("barefoot-signing-key {}\n", "0".repeat(64));
    for text in ["", "barefoot-signing-key", &"a".repeat(64), &zeros, "barefoot-signing-key 00ff", &"x".repeat(5000)] {
        fs::write(&file, text).expect("write");
        assert!(barefoot_trust::SigningKey::read(&file).is_err(), "{text:?}");
    }
}

#[test]
fn weak_roots_are_not_made() {
    for root in [
        barefoot_trust::Root { packs: role(&[10, 11, 12], 1), ..usual(1) },
        barefoot_trust::Root { root: role(&[0], 1), ..usual(1) },
        barefoot_trust::Root { packs: role(&[10], 2), ..usual(1) },
        barefoot_trust::Root { credentials: role(&[], 0), ..usual(1) },
        barefoot_trust::Root { credentials: role(&[20, 21], 2), ..usual(1) },
        usual(0),
    ] {
        assert!(matches!(barefoot_trust::RootDraft::new(&root), Err(TrustError::WeakRoot)));
    }
}

#[test]
fn signers_add_to_each_other_and_an_archive_is_the_same_pack() {
    let dir = tempfile::tempdir().expect("dir");
    let folder = pack(dir.path(), "skin", "1.0.0", &[("a.bin", b"x")]);
    sign(&folder, &[10]);
    sign(&folder, &[12]);
    let file = dir.path().join("skin.tar");
    fs::write(&file, archive(&folder)).expect("write");
    assert_eq!(archive(&folder), archive(&file), "the same pack gives the same bytes");
    let mut store = device(&dir.path().join("data"));
    install(&mut store, &file).expect("two of three");
    install(&mut store, &file).expect("again changes nothing");
    // A changed manifest begins a new statement: the old signatures do not count for it.
    let changed = pack(dir.path(), "skin", "1.0.0", &[("a.bin", b"y")]);
    sign(&changed, &[11]);
    assert!(matches!(Pack::read_signed(&changed, &usual(1)), Err(TrustError::Signatures)));
}

#[test]
fn expiry_is_stated_and_locks_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = device(&dir.path().join("data"));
    let folder = pack(dir.path(), "skin", "1.0.0", &[("a.bin", b"x")]);
    let made = sign_pack(&folder, &support::keys(&[10, 11]), day(1), Some(day(30))).expect("signs");
    fs::write(folder.join("signature.json"), made.signature().expect("signature")).expect("write");
    install(&mut store, &folder).expect("installs");
    let used = store.pack("skin", None).expect("usable").expect("installed");
    assert_eq!(used.statement.expires, Some(day(30)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No garbled archive, signature or root panics, and none is taken.
    #[test]
    fn garbled_packs_and_roots_are_refused(at in 0usize..1 << 16, flip in 1u8.., cut in any::<bool>(), noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().expect("dir");
        let good = archive(&signed(dir.path(), "1.0.0", b"content"));
        // What stands in the padding and in most header fields is nobody's concern; the pack itself must be the same.
        let mut bad = good.clone();
        let at = at % bad.len();
        if cut { bad.truncate(at) } else { bad[at] ^= flip }
        let file = dir.path().join("bad.tar");
        fs::write(&file, &bad).expect("write");
        if let Ok((pack, _)) = Pack::read_signed(&file, &usual(1)) {
            prop_assert_eq!(pack.file("a.bin").expect("file"), b"content");
        }
        fs::write(&file, &noise).expect("write");
        prop_assert!(Pack::read_signed(&file, &usual(1)).is_err());
        let mut root = signed_root(&usual(1), &[0, 1]);
        let at = at % root.len();
        root[at] ^= flip;
        if let Ok(read) = barefoot_trust::Root::accept(&root, Some(&usual(1))) {
            prop_assert_eq!(read, usual(1));
        }
        prop_assert!(barefoot_trust::Root::accept(&noise, None).is_err());
    }
}

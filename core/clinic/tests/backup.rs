//! Row 14: what is backed up comes back equal, a tampered backup is refused, and a restore never overwrites.

mod common;

use barefoot_clinic::{Clinic, ClinicError, FileVault, PhraseLanguage, Unlock};
use common::{Dice, Folder, encounter, patient, rounds};
use std::collections::BTreeMap;
use std::fs;
use std::hash::Hasher;
use std::path::Path;

/// Everything that a store says about itself, photos too.
fn content(clinic: &Clinic) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for patient in clinic.patients(u32::MAX).expect("lists") {
        all.insert(patient.id.clone(), format!("{patient:?} {:?}", clinic.consents(&patient.id).expect("reads")));
    }
    for summary in clinic.encounters(u32::MAX).expect("lists") {
        let encounter = clinic.encounter(&summary.id).expect("found");
        for photo in &encounter.photo_rows {
            let jpeg = clinic.photo(&photo.id).or_else(|_| clinic.thumbnail(&photo.id)).expect("photo");
            all.insert(photo.id.clone(), format!("{:x}", fingerprint(&jpeg)));
        }
        all.insert(summary.id.clone(), format!("{encounter:?}"));
    }
    all
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[test]
fn a_hundred_round_trips_are_equal_on_a_new_device() {
    let mut dice = Dice(14);
    let source = Folder::new();
    let mut clinic = source.open();
    let phrase = clinic.new_recovery_phrase(PhraseLanguage::Chinese).expect("phrase");
    for round in 0..rounds("BACKUPS", 100) {
        match round % 25 {
            3 => {
                let mut big = encounter("big");
                // Longer than a chunk, so that files lie across chunks.
                big.photos[0].jpeg = (0..1_200_000 + dice.below(3000)).map(|i| (i % 251) as u8).collect();
                clinic.record(&big).expect("records");
            }
            7 => clinic.rotate_key().expect("rotates"),
            n if n % 2 == 0 => drop(clinic.add_patient(&patient(&format!("王{round}"))).expect("adds")),
            _ => {
                let id = clinic.record(&encounter(&format!("{round}"))).expect("records");
                let photo = clinic.encounter(&id).expect("found").photo_rows[0].id.clone();
                clinic.thumbnail(&photo).expect("thumbnail");
            }
        }
        let target = Folder::new();
        let file = target.path().join("backup.bfb");
        let report = clinic.backup(&file).expect("backs up");
        assert!(report.phrase_opens_it && report.bytes == fs::metadata(&file).expect("file").len());
        let found = Clinic::restore(&file, &target.data(), &target.vault(), Unlock::Recovery { phrase: &phrase })
            .expect("restores");
        assert!(found.ok() && found.audit.head == report.audit_head);
        assert_eq!(content(&target.open()), content(&clinic), "round {round}");
        if round % 20 == 19 {
            let mut restored = target.open();
            restored.record(&encounter("after")).expect("the restored store lives");
            restored.rotate_key().expect("and rotates");
        }
    }
}

#[test]
fn a_changed_cut_or_swapped_backup_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    clinic.record(&encounter("x")).expect("records");
    let phrase = clinic.new_recovery_phrase(PhraseLanguage::English).expect("phrase");
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    clinic.backup(&first).expect("backs up");
    clinic.record(&encounter("y")).expect("records");
    clinic.backup(&second).expect("backs up");
    assert!(matches!(clinic.backup(&second), Err(ClinicError::FileExists)));
    let good = fs::read(&first).expect("file");
    let bad_file = folder.path().join("bad");
    let target = folder.path().join("target");
    let refused = |bad: &[u8], what: &str| {
        fs::write(&bad_file, bad).expect("write");
        let vault = FileVault::new(folder.path().join("new-key"));
        let error = Clinic::restore(&bad_file, &target, &vault, Unlock::Recovery { phrase: &phrase }).expect_err(what);
        assert!(!target.exists() && !error.to_string().is_empty(), "{what}");
        let left = fs::read_dir(folder.path())
            .expect("dir")
            .filter(|e| e.as_ref().expect("entry").file_name().to_string_lossy().starts_with('.'));
        assert_eq!(left.count(), 0, "{what}: leftovers");
    };
    // The readable head (the wrapped keys) ends where the first salt begins; a flip there may hit a way in that is not used, but the
    // key of the chunks is bound to all of it.
    let mut dice = Dice(15);
    for round in 0..40 {
        let bit = if round < 10 { dice.below(64 * 8) } else { dice.below(good.len() as u64 * 8) } as usize;
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refused(&bad, &format!("bit {bit}"));
    }
    for cut in [0, 7, 8, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..cut], &format!("cut at {cut}"));
    }
    refused(&[good.as_slice(), b"x"].concat(), "appended");
    let other = fs::read(&second).expect("file");
    refused(&[&good[..good.len() / 2], &other[other.len() / 2..]].concat(), "spliced");
    refused(b"not a backup at all", "text");
}

#[test]
fn a_restore_never_overwrites_and_asks_for_the_right_way_in() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let id = clinic.record(&encounter("x")).expect("records");
    let device_only = folder.path().join("device-only");
    assert!(!clinic.backup(&device_only).expect("backs up").phrase_opens_it);
    assert!(matches!(restore(&device_only, &folder, &folder.data(), Unlock::Device), Err(ClinicError::NotEmpty)));
    let half = folder.path().join("half");
    fs::create_dir(&half).expect("dir");
    fs::write(half.join("note.txt"), "mine").expect("write");
    assert!(matches!(restore(&device_only, &folder, &half, Unlock::Device), Err(ClinicError::NotEmpty)));
    assert_eq!(fs::read_to_string(half.join("note.txt")).expect("read"), "mine");
    assert!(restore(&device_only, &folder, &folder.path().join("again"), Unlock::Device).is_ok());
    assert!(matches!(
        restore(&device_only, &folder, &folder.path().join("n"), Unlock::Recovery { phrase: "x" }),
        Err(ClinicError::NoPhrase)
    ));
    let doctor = clinic.add_doctor(&folder.vault(), "李医生", "246810").expect("adds");
    assert!(matches!(clinic.backup(&folder.path().join("b")), Err(ClinicError::PhraseFirst)));
    let phrase = clinic.new_recovery_phrase(PhraseLanguage::English).expect("phrase");
    clinic.backup(&folder.path().join("b")).expect("backs up");
    let target = folder.path().join("restored");
    for how in [Unlock::Device, Unlock::Pin { doctor: &doctor, pin: "246810" }] {
        assert!(matches!(restore(&folder.path().join("b"), &folder, &target, how), Err(ClinicError::PhraseNeeded)));
    }
    restore(&folder.path().join("b"), &folder, &target, Unlock::Recovery { phrase: &phrase }).expect("restores");
    drop(clinic);
    // On the same device the doctor's PIN works in the restored folder too.
    let restored =
        Clinic::open(&target, &folder.vault(), Unlock::Pin { doctor: &doctor, pin: "246810" }).expect("opens");
    assert!(restored.encounter(&id).is_ok());
}

fn restore(file: &Path, folder: &Folder, target: &Path, how: Unlock<'_>) -> Result<(), ClinicError> {
    Clinic::restore(file, target, &folder.vault(), how).map(drop)
}

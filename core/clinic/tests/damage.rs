//! Row 10: a wrong key, a cut file, a flipped bit: noticed, and the file is never overwritten.

mod common;

use barefoot_clinic::{Clinic, ClinicError, FileVault, Unlock};
use common::{Dice, Folder, copy_folder, encounter, patient, rounds};
use std::fs;

#[test]
fn another_devices_key_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    folder.open().record(&encounter("x")).expect("records");
    let other = FileVault::new(folder.path().join("other-key"));
    Clinic::open(&folder.path().join("other"), &other, Unlock::Device).expect("makes a key");
    let files = common::all_files(&folder.data());
    let before: Vec<_> = files.iter().map(|file| fs::read(file).expect("file")).collect();
    for _ in 0..3 {
        assert!(matches!(Clinic::open(&folder.data(), &other, Unlock::Device), Err(ClinicError::WrongKey)));
    }
    let after: Vec<_> = files.iter().map(|file| fs::read(file).expect("file")).collect();
    assert_eq!(before, after);
    assert_eq!(folder.open().encounters(9).expect("lists").len(), 1);
}

#[test]
fn every_flip_and_cut_is_noticed_and_the_database_is_left_alone() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    for i in 0..5 {
        clinic.add_patient(&patient(&format!("王{i}"))).expect("adds");
        clinic.record(&encounter("x")).expect("records");
    }
    drop(clinic);
    let good = fs::read(folder.data().join("clinic.db")).expect("file");
    let work = folder.path().join("damaged");
    copy_folder(&folder.data(), &work);
    let database = work.join("clinic.db");
    let mut dice = Dice(10);
    let flips = rounds("FLIPS", 1000);
    for round in 0..flips + 50 {
        let mut bad = good.clone();
        if round < flips {
            let bit = dice.below(good.len() as u64 * 8) as usize;
            bad[bit / 8] ^= 1 << (bit % 8);
        } else {
            bad.truncate(1 + dice.below(good.len() as u64 - 1) as usize);
        }
        fs::write(&database, &bad).expect("write");
        let noticed = match Clinic::open(&work, &folder.vault(), Unlock::Device) {
            Ok(clinic) => clinic.verify().map_or(true, |found| !found.ok()),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                true
            }
        };
        assert!(noticed, "round {round}");
        assert_eq!(fs::read(&database).expect("file"), bad, "round {round}: overwritten");
        for left in ["clinic.db-wal", "clinic.db-shm"] {
            let _ = fs::remove_file(work.join(left));
        }
    }
}

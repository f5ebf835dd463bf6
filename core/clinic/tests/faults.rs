//! Rows 2, 3 and 12: the power goes, an I/O call or an allocation fails, the disk is full or read-only. The store always opens again on a
//! prefix of its commits that holds everything acknowledged. The head of the audit log names a commit, and its digests the records.

mod common;

use barefoot_clinic::{Clinic, ClinicError, NewEncounter, Unlock, Use};
use common::{Dice, Folder, copy_folder, encounter, patient, rounds};
use fault_vfs::Fault;
use std::fs;
use std::io::Write;
use std::path::Path;

const DATABASE_FILES: [&str; 4] = ["clinic.db", "clinic.db-wal", "clinic.db-shm", "clinic.db-journal"];

/// Twenty cases; one unit of work each, so that each is one commit. Tells after each which commits are acknowledged.
fn script(clinic: &mut Clinic, mut acknowledged: impl FnMut(&Clinic)) -> Result<(), ClinicError> {
    let who = clinic.add_patient(&patient("王小明"))?;
    acknowledged(clinic);
    for case in 0..4 {
        let mut new = NewEncounter { patient_id: Some(who.clone()), ..encounter(&format!("case {case}")) };
        if case > 0 {
            new.photos.clear();
        }
        let id = clinic.record(&new)?;
        acknowledged(clinic);
        clinic.add_diagnosis(&id, Some("scabies"), "", "confirmed")?;
        acknowledged(clinic);
        clinic.add_treatment_note(&id, "硫磺软膏")?;
        acknowledged(clinic);
        clinic.set_consent(&who, Use::ALL[case % 3], case % 2 == 0)?;
        acknowledged(clinic);
    }
    clinic.update_patient(&who, &patient("王大明"))?;
    acknowledged(clinic);
    clinic.add_lesion(&who, "左手", "")?;
    acknowledged(clinic);
    clinic.find_patients("wdm", 5)?;
    Ok(())
}

fn open(folder: &Folder) -> Result<Clinic, ClinicError> {
    Clinic::open(&folder.data(), &folder.vault(), Unlock::Device)
}

fn head(clinic: &Clinic) -> String {
    let found = clinic.verify().expect("verifies");
    assert!(found.ok(), "{found:?}");
    found.audit.head
}

/// Row 2.
#[test]
fn after_a_power_cut_the_store_is_a_prefix_of_its_commits() {
    let _turn = fault_vfs::turn();
    let folder = Folder::in_memory();
    fault_vfs::record();
    let mut heads = vec![(0, String::new())];
    let mut clinic = open(&folder).expect("opens");
    script(&mut clinic, |clinic| heads.push((fault_vfs::recorded(), head(clinic)))).expect("runs");
    drop(clinic);
    // A second opening after a clean end, whose checkpoint is also cut.
    drop(open(&folder).expect("opens"));
    let ops = fault_vfs::recording();
    let mut dice = Dice(2);
    let cuts = rounds("POWER_CUTS", 200);
    let mut latest = 0;
    for round in 0..cuts {
        // Spread over the whole run, so that every phase is cut.
        let at = round * ops.len() / cuts + dice.below((ops.len() / cuts + 1) as u64) as usize;
        let at = at.min(ops.len());
        let after = Folder::in_memory();
        copy_folder(&folder.data(), &after.data());
        fs::copy(folder.path().join("key"), after.path().join("key")).expect("key");
        for name in DATABASE_FILES {
            let _ = fs::remove_file(after.data().join(name));
        }
        let disk = fault_vfs::power_cut(&ops[..at], |bound| dice.below(bound));
        fault_vfs::lay_out(&disk, &after.data()).expect("lays out");
        let clinic = open(&after).unwrap_or_else(|error| panic!("cut {round} at {at}: {error}"));
        let found = head(&clinic);
        let commit = heads
            .iter()
            .position(|(_, head)| *head == found)
            .unwrap_or_else(|| panic!("cut {round} at {at}: no commit"));
        let promised = heads.iter().rposition(|(written, _)| *written <= at).unwrap_or(0);
        assert!(commit >= promised, "cut {round} at {at}: commit {commit} of {promised} acknowledged");
        latest = latest.max(commit);
    }
    assert_eq!(latest, heads.len() - 1);
    let _ = writeln!(
        std::io::stderr(),
        "{cuts} cut points over {} file operations and {} commits",
        ops.len(),
        heads.len() - 1
    );
}

/// Row 2 for a rotation that has returned: its key ring knows the new key only, so the database must never come back under the old one.
#[test]
fn after_a_rotation_no_power_cut_brings_the_old_key_back() {
    let _turn = fault_vfs::turn();
    let folder = Folder::in_memory();
    fault_vfs::record();
    let mut clinic = open(&folder).expect("opens");
    script(&mut clinic, |_| ()).expect("runs");
    clinic.rotate_key().expect("rotates");
    let expected = head(&clinic);
    let ops = fault_vfs::recording();
    let mut dice = Dice(3);
    for round in 0..rounds("ROTATION_CUTS", 50) {
        let after = Folder::in_memory();
        copy_folder(&folder.data(), &after.data());
        fs::copy(folder.path().join("key"), after.path().join("key")).expect("key");
        for name in DATABASE_FILES {
            let _ = fs::remove_file(after.data().join(name));
        }
        fault_vfs::lay_out(&fault_vfs::power_cut(&ops, |bound| dice.below(bound)), &after.data()).expect("lays out");
        let clinic = open(&after).unwrap_or_else(|error| panic!("cut {round}: {error}"));
        assert_eq!(head(&clinic), expected, "cut {round}");
    }
}

/// Schemas before the present one; a committed store of each is opened by this version (tests/migration.rs).
const OLD_SCHEMAS: [u32; 2] = [1, 2];

/// A committed store, which the next opening brings to this version's schema.
fn old_store(schema: u32) -> Folder {
    let folder = Folder::in_memory();
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/stores");
    copy_folder(&stores.join(format!("schema-{schema}")), folder.path());
    folder
}

/// Row 13: cut off anywhere, a migration is whole or not begun, and the next opening ends it.
#[test]
fn after_a_power_cut_a_migration_is_whole_or_not_begun() {
    let _turn = fault_vfs::turn();
    OLD_SCHEMAS.into_iter().for_each(cut_a_migration);
}

fn cut_a_migration(schema: u32) {
    let folder = old_store(schema);
    let before = fs::read(folder.data().join("clinic.db")).expect("file");
    fault_vfs::record();
    let expected = head(&open(&folder).expect("migrates"));
    let ops = fault_vfs::recording();
    let mut dice = Dice(13);
    let cuts = rounds("MIGRATION_CUTS", 200);
    for round in 0..cuts {
        let at = round * ops.len() / cuts;
        let after = old_store(schema);
        // What the log of writes begins with.
        let was = fault_vfs::Op::Write { file: "clinic.db".to_owned(), offset: 0, bytes: before.clone() };
        let synced = fault_vfs::Op::Sync { file: "clinic.db".to_owned() };
        let ops: Vec<_> = [was, synced].into_iter().chain(ops[..at].iter().cloned()).collect();
        let disk = fault_vfs::power_cut(&ops, |bound| dice.below(bound));
        fault_vfs::lay_out(&disk, &after.data()).expect("lays out");
        let clinic = open(&after).unwrap_or_else(|error| panic!("schema {schema}, cut {round} at {at}: {error}"));
        assert_eq!(head(&clinic), expected, "schema {schema}, cut {round} at {at}");
    }
    let _ = writeln!(
        std::io::stderr(),
        "migration from schema {schema}: {cuts} cut points over {} file operations",
        ops.len()
    );
}

/// Row 13: each file call and each allocation of a migration fails once; the next opening ends it.
#[test]
fn every_failing_call_of_a_migration_is_a_typed_error() {
    let _turn = fault_vfs::turn();
    OLD_SCHEMAS.into_iter().for_each(fail_a_migration);
}

fn fail_a_migration(schema: u32) {
    let expected = head(&open(&old_store(schema)).expect("migrates"));
    let calls = 0..;
    let full = calls.clone().map(|nth| (nth, Some(Fault::Full)));
    let allocations = (0..).step_by(rounds("ALLOCATION_STRIDE", 11)).map(|nth| (nth, None));
    let kinds: [Box<dyn Iterator<Item = (u64, Option<Fault>)>>; 3] =
        [Box::new(calls.map(|nth| (nth, Some(Fault::Io)))), Box::new(full), Box::new(allocations)];
    for failures in kinds {
        let mut struck = 0;
        for (nth, fault) in failures {
            let folder = old_store(schema);
            match fault {
                Some(fault) => fault_vfs::fail_call(nth, fault, fault == Fault::Full),
                None => fault_vfs::fail_allocation(nth),
            }
            let _ = open(&folder);
            if !fault_vfs::heal() {
                break;
            }
            struck += 1;
            let clinic = open(&folder).unwrap_or_else(|error| panic!("schema {schema}, {fault:?} {nth}: {error}"));
            assert_eq!(head(&clinic), expected, "schema {schema}, {fault:?} {nth}");
        }
        assert!(struck > 5);
        let _ = writeln!(std::io::stderr(), "migration from schema {schema}: {struck} calls failed");
    }
}

/// Runs the script with a fault and checks what is left; false when the script ended before the fault.
fn survives(arm: impl FnOnce(), what: &str) -> bool {
    let folder = Folder::in_memory();
    let mut last = String::new();
    arm();
    let result = open(&folder).and_then(|mut clinic| {
        let done = script(&mut clinic, |clinic| last = clinic.audit_head().unwrap_or_else(|_| last.clone()));
        drop(clinic);
        done
    });
    let struck = fault_vfs::heal();
    if let Err(error) = &result {
        assert!(!error.to_string().is_empty() && !error.to_string().contains("王"), "{what}");
    }
    let clinic = open(&folder).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = clinic.verify().expect("verifies");
    assert!(found.ok(), "{what}: {found:?}");
    let known = last.is_empty() || clinic.knows_audit_hash(&last).expect("reads");
    assert!(known, "{what}: an acknowledged commit is gone");
    struck
}

/// Rows 3 and 12: each call of the script fails once, for good, by a full disk, by a disk that became read-only.
#[test]
fn every_failing_file_call_is_a_typed_error_and_keeps_what_was_there() {
    let _turn = fault_vfs::turn();
    for (fault, stays) in [(Fault::Io, false), (Fault::Io, true), (Fault::Full, true), (Fault::ReadOnly, true)] {
        let mut nth = 0;
        while survives(|| fault_vfs::fail_call(nth, fault, stays), &format!("{fault:?} at call {nth}, stays {stays}")) {
            nth += 1;
        }
        assert!(nth > 20, "{fault:?}");
        let _ = writeln!(std::io::stderr(), "{fault:?}, stays {stays}: {nth} calls failed");
    }
}

/// Row 3: each allocation of SQLite fails once.
#[test]
fn every_failing_allocation_is_a_typed_error_and_keeps_what_was_there() {
    let _turn = fault_vfs::turn();
    let stride = rounds("ALLOCATION_STRIDE", 23) as u64;
    let mut nth = 0;
    while survives(|| fault_vfs::fail_allocation(nth), &format!("allocation {nth}")) {
        nth += stride;
    }
    assert!(nth > 500);
    let _ = writeln!(std::io::stderr(), "{} allocations failed", nth / stride);
}

//! Row 12 on real file systems: photos and the database on a disk that is full at every possible moment, photos on one that became
//! read-only. In a mount namespace of its own, where a small tmpfs is that disk; tests/faults.rs does the same to the database alone.

mod common;

use barefoot_clinic::{Clinic, ClinicError, NewEncounter, Unlock};
use common::{Folder, encounter, jpeg, patient, rounds};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The disk, KiB: room for a store and the photos of a test.
const DISK_KIB: u64 = 4_096;
/// tmpfs hands out whole pages.
const PAGE: u64 = 4_096;

/// A photo of several pages, so that it may also be cut midway.
fn with_photo(clinic: &mut Clinic) -> Result<String, ClinicError> {
    let mut new = NewEncounter { ..encounter("x") };
    new.photos[0].jpeg = [jpeg(), vec![7; 60_000]].concat();
    clinic.record(&new)
}

fn mount(arguments: &[&str], at: &Path) {
    let done = Command::new("mount").args(arguments).arg(at).status().expect("mount");
    assert!(done.success(), "mount {arguments:?}");
}

fn free_bytes(at: &Path) -> u64 {
    let out = Command::new("df").args(["-B1", "--output=avail"]).arg(at).output().expect("df");
    String::from_utf8_lossy(&out.stdout).lines().last().and_then(|n| n.trim().parse().ok()).expect("bytes")
}

fn count(clinic: &Clinic) -> usize {
    let found = clinic.verify().expect("verifies");
    assert!(found.ok(), "{found:?}");
    clinic.encounters(u32::MAX).expect("lists").len()
}

#[test]
#[ignore = "started by the test below, where it may mount"]
fn child_on_small_disks() {
    if std::env::var_os("BAREFOOT_SMALL_DISKS").is_none() {
        return;
    }
    full_at_every_page();
    photos_become_read_only();
}

fn full_at_every_page() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).expect("dir");
    mount(&["-t", "tmpfs", "-o", &format!("size={DISK_KIB}k"), "tmpfs"], &folder.data());
    let mut clinic = folder.open();
    clinic.add_patient(&patient("王小明")).expect("adds");
    let mut there = 0;
    let filler = folder.data().join("filler");
    let mut refused = 0;
    for pages in 0..60 {
        drop(clinic);
        let room = free_bytes(&folder.data()).saturating_sub(pages * PAGE);
        fs::write(&filler, vec![0; room as usize]).expect("fills");
        let tried = Clinic::open(&folder.data(), &folder.vault(), Unlock::Device).and_then(|mut c| with_photo(&mut c));
        match tried {
            Ok(_) => there += 1,
            Err(error) => {
                assert!(matches!(error, ClinicError::DiskFull), "{pages} pages free: {error:?}");
                refused += 1;
            }
        }
        fs::remove_file(&filler).expect("frees");
        clinic = folder.open();
        assert_eq!(count(&clinic), there, "{pages} pages free");
        let left = fs::read_dir(folder.data().join("photos/incoming")).expect("dir").count();
        assert_eq!(left, 0, "{pages} pages free: half a photo");
    }
    with_photo(&mut clinic).expect("there is room again");
    assert!(refused > 10 && there > 10, "{refused} refused, {there} saved");
    let _ = writeln!(std::io::stderr(), "full disk: {refused} refused, {there} saved");
}

fn photos_become_read_only() {
    let folder = Folder::new();
    let photos = folder.data().join("photos");
    fs::create_dir_all(&photos).expect("dir");
    mount(&["-t", "tmpfs", "tmpfs"], &photos);
    let mut clinic = folder.open();
    let id = with_photo(&mut clinic).expect("records");
    let photo = clinic.encounter(&id).expect("reads").photo_rows[0].id.clone();
    mount(&["-o", "remount,ro"], &photos);
    assert!(matches!(with_photo(&mut clinic), Err(ClinicError::ReadOnly)));
    assert!(clinic.photo(&photo).is_ok() && count(&clinic) == 1);
    drop(clinic);
    // What was there can still be read by who opens it now.
    let mut clinic = folder.open();
    assert!(clinic.photo(&photo).is_ok() && count(&clinic) == 1);
    mount(&["-o", "remount,rw"], &photos);
    with_photo(&mut clinic).expect("writable again");
    assert_eq!(count(&clinic), 2);
    let _ = writeln!(std::io::stderr(), "read-only photos: refused, nothing lost");
}

#[test]
fn a_full_or_read_only_disk_is_said_and_loses_nothing() {
    let apart = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", program]).args(arguments).env("BAREFOOT_SMALL_DISKS", "1");
        command
    };
    let may_mount = apart("mount", &["-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null()).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        assert!(rounds("MUST_MOUNT", 0) == 0, "this machine lets nobody mount");
        let _ = writeln!(std::io::stderr(), "not run: this machine lets nobody mount");
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let arguments = ["--exact", "child_on_small_disks", "--ignored", "--nocapture"];
    let done = apart(this.to_str().expect("a UTF-8 path"), &arguments).status().expect("starts");
    assert!(done.success());
}

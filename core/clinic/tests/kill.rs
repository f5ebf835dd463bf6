//! Row 1, capture: killed at any moment, the store opens with every acknowledged record whole and none doubled.

mod common;

use barefoot_clinic::{Clinic, FileVault, NewEncounter, Unlock};
use common::{Folder, encounter, patient, rounds};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

#[test]
#[ignore = "started by the test below"]
fn child_records() {
    let Some(path) = std::env::var_os("BAREFOOT_KILL_CHILD").map(PathBuf::from) else { return };
    let round = std::env::var("BAREFOOT_KILL_ROUND").expect("round");
    let mut clinic =
        Clinic::open(&path.join("data"), &FileVault::new(path.join("key")), Unlock::Device).expect("opens");
    for i in 0.. {
        let who = clinic.add_patient(&patient(&format!("王{round}-{i}"))).expect("adds");
        let id = clinic
            .record(&NewEncounter { patient_id: Some(who), ..encounter(&format!("{round}-{i}")) })
            .expect("records");
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {id}").and_then(|()| out.flush()).expect("acknowledges");
    }
}

#[test]
fn killed_while_recording_nothing_acknowledged_is_lost_or_doubled() {
    let folder = Folder::new();
    let mut dice = common::Dice(1);
    let mut acknowledged = Vec::new();
    let kills = rounds("CAPTURE_KILLS", 200);
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child_records", "--ignored", "--nocapture"])
            .env("BAREFOOT_KILL_CHILD", folder.path())
            .env("BAREFOOT_KILL_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let (said, hear) = mpsc::channel();
        let out = child.stdout.take().expect("stdout");
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(id) = line.strip_prefix("ack ") {
                    let _ = said.send(id.to_owned());
                }
            }
        });
        // Some kills while opening, most while recording.
        if round % 4 > 0 {
            acknowledged.extend(hear.recv_timeout(Duration::from_secs(20)).ok());
        }
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
        child.kill().expect("kills");
        child.wait().expect("ends");
        listener.join().expect("listener");
        let new: Vec<String> = hear.try_iter().collect();
        let clinic = folder.open();
        for id in &new {
            let found = clinic.encounter(id).expect("acknowledged, so there");
            assert_eq!(clinic.photo(&found.photo_rows[0].id).expect("whole"), common::jpeg());
        }
        acknowledged.extend(new);
    }
    let clinic = folder.open();
    let verified = clinic.verify().expect("verifies");
    assert!(verified.ok(), "{verified:?}");
    let all = clinic.encounters(u32::MAX).expect("lists");
    let ids: HashSet<&str> = all.iter().map(|e| e.id.as_str()).collect();
    assert!(acknowledged.iter().all(|id| ids.contains(id.as_str())), "lost");
    let words: HashSet<String> = all.iter().map(|e| clinic.encounter(&e.id).expect("found").findings).collect();
    assert_eq!(words.len(), all.len(), "doubled");
    assert!(all.len() <= acknowledged.len() + kills, "at most one unacknowledged record per kill");
    assert!(acknowledged.len() > kills / 2);
    let _ = writeln!(std::io::stderr(), "{kills} kills, {} acknowledged, {} recorded", acknowledged.len(), all.len());
}

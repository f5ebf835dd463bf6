//! What is recorded is read back, found, and kept apart by consent.

mod common;

use barefoot_clinic::{Clinic, ClinicError, Kind, NewEncounter, NewPatient, ObservedFinding, Unlock, Use};
use common::{Folder, encounter, jpeg, patient, rounds};
use proptest::prelude::*;
use std::fs;

#[test]
fn a_whole_encounter_is_read_back_after_reopening() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let who = clinic.add_patient(&patient("王小明")).expect("adds");
    let new = NewEncounter {
        patient_id: Some(who.clone()),
        observed: vec![ObservedFinding { finding: "butterfly_rash".to_owned(), present: true }],
        ..encounter("鼻部结节 \u{202e}abc 🩹")
    };
    let id = clinic.record(&new).expect("records");
    clinic.add_diagnosis(&id, Some("lupus-discoid"), "盘状红斑狼疮？", "provisional").expect("diagnosis");
    clinic.add_treatment_note(&id, "防晒").expect("note");
    let visit = clinic.add_follow_up(&id, "2030-01-31", "复诊").expect("follow-up");
    clinic.add_referral(&id, "U", "县医院皮肤科", "需活检").expect("referral");
    drop(clinic);

    let mut clinic = folder.open();
    let back = clinic.encounter(&id).expect("found");
    assert_eq!(back.findings, new.findings);
    assert_eq!(back.observed, new.observed);
    assert_eq!(back.summary.patient_name.as_deref(), Some("王小明"));
    assert_eq!(
        (back.diagnoses.len(), back.treatment_notes.len(), back.follow_ups.len(), back.referrals.len()),
        (1, 1, 1, 1)
    );
    assert_eq!(clinic.photo(&back.photo_rows[0].id).expect("photo"), new.photos[0].jpeg);
    assert_eq!(clinic.encounters_of(&who, 9).expect("lists").len(), 1);
    assert_eq!(clinic.follow_ups_due("2030-02-01", 9).expect("lists").len(), 1);
    clinic.close_follow_up(&visit, "done").expect("closes");
    assert!(clinic.follow_ups_due("2030-02-01", 9).expect("lists").is_empty());
    let found = clinic.verify().expect("verifies");
    assert!(found.ok(), "{found:?}");
    assert_eq!((found.patients, found.encounters, found.photos), (1, 1, 1));
}

#[test]
fn patients_are_found_and_changed_and_likely_duplicates_shown() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let wang = clinic
        .add_patient(&NewPatient {
            birth_date: Some("1970-05-01".to_owned()),
            phone: Some("13812345678".to_owned()),
            ..patient("王小明")
        })
        .expect("adds");
    clinic.add_patient(&patient("王小")).expect("adds");
    clinic.add_patient(&patient("张三")).expect("adds");
    let names = |clinic: &Clinic, query: &str| {
        clinic.find_patients(query, 9).expect("finds").into_iter().map(|p| p.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&clinic, "wx"), ["王小", "王小明"], "the whole match comes first");
    assert_eq!(names(&clinic, "5678"), ["王小明"]);
    assert_eq!(names(&clinic, "xiaoming 138"), ["王小明"]);
    assert!(names(&clinic, " ， ").is_empty());
    clinic.update_patient(&wang, &patient("李四")).expect("updates");
    assert!(names(&clinic, "xiaoming").is_empty());
    assert_eq!(names(&clinic, "ls"), ["李四"]);
    assert_eq!(clinic.history(Kind::Patient, &wang).expect("history").len(), 2);

    let same = NewPatient { age_years: Some(30.0), phone: Some("13999999999".to_owned()), ..patient("赵丽") };
    clinic.add_patient(&same).expect("adds");
    let found = clinic.possible_duplicates(&NewPatient { name: "赵麗".to_owned(), ..same.clone() }).expect("matches");
    assert_eq!(found[0].because, ["name", "phone", "birth_year", "village"]);
    let other = NewPatient { sex: Some("male".to_owned()), age_years: Some(70.0), phone: None, ..same };
    assert!(clinic.possible_duplicates(&other).expect("matches").is_empty());
}

#[test]
fn lesions_have_a_time_line_of_their_own_patients_photos() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let who = clinic.add_patient(&patient("王小明")).expect("adds");
    let lesion = clinic.add_lesion(&who, "左手背", "黑痣").expect("adds");
    let mut photos = Vec::new();
    for _ in 0..3 {
        let id = clinic.record(&NewEncounter { patient_id: Some(who.clone()), ..encounter("x") }).expect("records");
        photos.push(clinic.encounter(&id).expect("found").photo_rows[0].id.clone());
    }
    for photo in &photos {
        clinic.place_photo(photo, &lesion).expect("places");
    }
    let line: Vec<_> = clinic.time_line(&lesion).expect("reads").into_iter().map(|p| p.id).collect();
    assert_eq!(line, photos);
    let anonymous = clinic.record(&encounter("x")).expect("records");
    let strange = clinic.encounter(&anonymous).expect("found").photo_rows[0].id.clone();
    assert!(matches!(clinic.place_photo(&strange, &lesion), Err(ClinicError::NotFound(Kind::Photo))));
    assert_eq!(clinic.lesions(&who).expect("reads").len(), 1);
}

#[test]
fn refused_input_changes_nothing() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let before = clinic.verify().expect("verifies");
    for bad in [
        NewEncounter { findings: "a\0b".to_owned(), ..encounter("x") },
        NewEncounter { findings: "长".repeat(5 << 20), ..encounter("x") },
        NewEncounter { age_years: Some(f64::NAN), ..encounter("x") },
        NewEncounter { patient_id: Some("nobody".to_owned()), ..encounter("x") },
    ] {
        let error = clinic.record(&bad).expect_err("refused");
        assert!(!error.to_string().is_empty() && !error.zh().is_empty());
    }
    assert!(clinic.add_patient(&patient(&"王".repeat(201))).is_err());
    assert!(matches!(
        clinic.add_diagnosis("none", Some("x"), "", "confirmed"),
        Err(ClinicError::NotFound(Kind::Encounter))
    ));
    assert_eq!(clinic.verify().expect("verifies"), before);
    assert!(clinic.pending_changes(Use::Care, 9).expect("reads").is_empty());
    drop(clinic);
    // The photo of the encounter whose patient is unknown was written before the transaction: it is gone after the next opening.
    folder.open();
    assert_eq!(fs::read_dir(folder.data().join("photos/incoming")).expect("dir").count(), 0);
}

#[test]
fn a_code_of_a_newer_version_is_kept_as_it_is() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let who = clinic.add_patient(&NewPatient { sex: Some("x-newer".to_owned()), ..patient("王") }).expect("adds");
    assert_eq!(clinic.patient(&who).expect("reads").sex.as_deref(), Some("x-newer"));
    let id = clinic.record(&NewEncounter { sex: Some("x-newer".to_owned()), ..encounter("x") }).expect("records");
    clinic.add_diagnosis(&id, None, "?", "x-newer").expect("adds");
    let back = clinic.encounter(&id).expect("found");
    assert_eq!((back.summary.sex.as_deref(), back.diagnoses[0].certainty.as_str()), (Some("x-newer"), "x-newer"));
}

#[test]
fn only_sent_originals_are_purged_and_thumbnails_stay() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let sent = clinic.record(&NewEncounter { consents: vec![Use::Care], ..encounter("x") }).expect("records");
    let unsent = clinic.record(&encounter("x")).expect("records");
    let seqs: Vec<_> = clinic.pending_changes(Use::Care, 99).expect("reads").iter().map(|c| c.seq).collect();
    clinic.mark_sent(&seqs).expect("marks");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let purged = clinic.purge_originals(later).expect("purges");
    assert_eq!((purged.removed, purged.kept_unsent), (1, 1));
    let photo = clinic.encounter(&sent).expect("found").photo_rows[0].id.clone();
    assert!(matches!(clinic.photo(&photo), Err(ClinicError::PhotoPurged)));
    assert!(clinic.thumbnail(&photo).expect("stays").starts_with(&[0xFF, 0xD8]));
    let kept = clinic.encounter(&unsent).expect("found").photo_rows[0].id.clone();
    assert_eq!(clinic.photo(&kept).expect("stays"), jpeg());
    assert!(clinic.verify().expect("verifies").ok());
    assert_eq!(clinic.purge_originals(later).expect("purges again").removed, 0);
}

/// Row 9: nothing of what was typed or photographed is readable in the folder, in any usual encoding.
#[test]
fn no_plaintext_in_the_folder() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let canaries: Vec<String> =
        (0..200).map(|i| format!("canary-{i:03}-{:x}", 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i + 1))).collect();
    for (i, chunk) in canaries.chunks(10).enumerate() {
        let c = |at: usize| chunk[at].clone();
        let who = clinic
            .add_patient(&NewPatient { name: c(0), phone: Some(c(1)), village: Some(c(2)), ..patient("x") })
            .expect("adds");
        let mut photo = jpeg();
        photo.extend_from_slice(c(3).as_bytes());
        let mut new = NewEncounter {
            patient_id: Some(who),
            site: Some(c(4)),
            assessment: serde_json::json!({ "note": c(5) }),
            ..encounter(&c(6))
        };
        new.photos[0].jpeg = photo;
        let id = clinic.record(&new).expect("records");
        clinic.add_diagnosis(&id, None, &c(7), "confirmed").expect("adds");
        clinic.add_treatment_note(&id, &c(8)).expect("adds");
        clinic.add_referral(&id, "R", &c(9), "").expect("adds");
        if i == 10 {
            clinic.add_doctor(&folder.vault(), "canary-doctor", "246810").expect("adds");
            clinic.new_recovery_phrase(barefoot_clinic::PhraseLanguage::English).expect("phrase");
        }
    }
    let backup = folder.path().join("backup");
    clinic.backup(&backup).expect("backs up");
    let hidden = canaries.iter().map(String::as_str).chain(["canary-doctor", "CREATE TABLE patient"]);
    let needles: Vec<_> = hidden.flat_map(common::encodings).collect();
    assert!(common::holds_any(format!("..{}..", canaries[7]).as_bytes(), &needles), "the search itself works");
    // While open (the WAL is there) and after closing.
    for open in [true, false] {
        if !open {
            clinic = folder_closed(clinic, &folder);
        }
        let mut files = common::all_files(&folder.data());
        files.push(backup.clone());
        for file in files {
            let bytes = fs::read(&file).expect("file");
            assert!(!common::holds_any(&bytes, &needles), "plaintext in {}", file.display());
        }
    }
    drop(clinic);
}

/// Closes a store and opens another one elsewhere, so that the first is at rest.
fn folder_closed(clinic: Clinic, folder: &Folder) -> Clinic {
    drop(clinic);
    Clinic::open(&folder.path().join("other"), &folder.vault(), Unlock::Device).expect("opens")
}

#[derive(Debug, Clone)]
enum Step {
    Patient,
    Encounter { of: usize, consented: bool },
    Consent { of: usize, purpose: usize, granted: bool },
    Send { upto: usize },
    Assign { encounter: usize, patient: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Patient),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(of, consented)| Step::Encounter { of, consented }),
        3 => (any::<usize>(), 0..3usize, any::<bool>()).prop_map(|(of, purpose, granted)| Step::Consent { of, purpose, granted }),
        1 => (0..6usize).prop_map(|upto| Step::Send { upto }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(encounter, patient)| Step::Assign { encounter, patient }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds("HISTORIES", 24) as u32, ..ProptestConfig::default() })]

    /// Row 20: in no state does a record wait to be sent without the last word of its patient being yes; and the log holds.
    #[test]
    fn no_upload_without_consent_in_any_state(steps in prop::collection::vec(step(), 1..30)) {
        let folder = Folder::new();
        let mut clinic = folder.open();
        let mut patients: Vec<String> = Vec::new();
        let mut loose: Vec<String> = Vec::new();
        let mut said = std::collections::HashMap::new();
        let mut known = std::collections::HashSet::new();
        for step in steps {
            match step {
                Step::Patient => patients.push(clinic.add_patient(&patient("王")).expect("adds")),
                Step::Encounter { of, consented } => {
                    let whose = (!patients.is_empty() && of % 3 > 0).then(|| patients[of % patients.len()].clone());
                    let consents = if consented { vec![Use::Care] } else { Vec::new() };
                    let anonymous = whose.is_none();
                    let id = clinic.record(&NewEncounter { patient_id: whose, consents, photos: Vec::new(), ..encounter("x") }).expect("records");
                    if anonymous {
                        if consented {
                            said.insert((id.clone(), Use::Care), true);
                        }
                        loose.push(id);
                    }
                }
                Step::Consent { of, purpose, granted } => {
                    let subjects: Vec<_> = patients.iter().chain(&loose).cloned().collect();
                    if let Some(subject) = subjects.get(of % subjects.len().max(1)) {
                        clinic.set_consent(subject, Use::ALL[purpose], granted).expect("sets");
                        said.insert((subject.clone(), Use::ALL[purpose]), granted);
                    }
                }
                Step::Send { upto } => {
                    let ready = clinic.pending_changes(Use::Care, 99).expect("reads");
                    let seqs: Vec<_> = ready.iter().take(upto).map(|c| c.seq).collect();
                    known.extend(ready.iter().take(upto).map(|c| c.root.clone()));
                    clinic.mark_sent(&seqs).expect("marks");
                }
                Step::Assign { encounter, patient } => {
                    if !loose.is_empty() && !patients.is_empty() {
                        let from = loose.remove(encounter % loose.len());
                        let to = &patients[patient % patients.len()];
                        clinic.assign_patient(&from, to).expect("assigns");
                        if known.remove(&from) {
                            known.insert(to.clone());
                        }
                    }
                }
            }
            for purpose in Use::ALL {
                for change in clinic.pending_changes(purpose, 999).expect("reads") {
                    let yes = said.get(&(change.root.clone(), purpose)).copied().unwrap_or(false);
                    let heard = change.kind == "consent" && known.contains(&change.root);
                    prop_assert!(yes || heard, "{change:?}");
                }
            }
        }
        prop_assert!(clinic.verify().expect("verifies").ok());
    }
}

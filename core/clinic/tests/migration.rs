//! Row 13: stores that earlier versions wrote, committed under tests/data/stores, open in this version with every record, photo and log
//! line as it was. tests/faults.rs breaks the migration off at every file call.
//!
//! Before a schema is released, commit one store of it:
//! `cargo test -p barefoot-clinic --test migration -- --ignored make_a_store` and then never touch that folder again.

mod common;

use barefoot_clinic::{Clinic, FromServer, NewEncounter, PhraseLanguage, ServerCopy, Use};
use common::{Folder, copy_folder, encounter, patient};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The schema that this version writes.
const SCHEMA: u32 = 3;

/// A resource and a value of the server that the made stores know.
const COPY: &str = "Patient/1";
const CURSOR: &str = "cursor";

fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/stores")
}

/// Everything that the store tells, photos by their hash.
fn content(clinic: &Clinic) -> Value {
    let patients = clinic.patients(u32::MAX).expect("lists");
    let people: Vec<Value> = patients
        .iter()
        .map(|patient| {
            let lesions = clinic.lesions(&patient.id).expect("reads");
            let lines: Vec<_> = lesions.iter().map(|lesion| clinic.time_line(&lesion.id).expect("reads")).collect();
            let consents = clinic.consents(&patient.id).expect("reads");
            json!({ "patient": patient, "consents": consents, "lesions": lesions, "time_lines": lines })
        })
        .collect();
    let encounters: Vec<_> = clinic
        .encounters(u32::MAX)
        .expect("lists")
        .iter()
        .map(|summary| clinic.encounter(&summary.id).expect("reads"))
        .collect();
    for photo in encounters.iter().flat_map(|encounter| &encounter.photo_rows) {
        clinic.photo(&photo.id).expect("the photo that its row names");
    }
    // Records that were merged into another too: they are not listed.
    let whose = encounters.iter().filter_map(|encounter| encounter.summary.patient_id.as_deref());
    let records: Vec<_> = whose.map(|id| clinic.patient(id).expect("reads")).collect();
    let doctors = clinic.doctors().expect("lists");
    let waiting: Vec<_> = Use::ALL.map(|purpose| clinic.pending_changes(purpose, u32::MAX).expect("reads")).into();
    let found = clinic.verify().expect("verifies");
    assert!(found.ok(), "{found:?}");
    json!({
        "people": people, "records": records, "encounters": encounters, "doctors": doctors, "waiting": waiting,
        "deliveries": clinic.deliveries(Use::Care).expect("reads"), "reviews": clinic.open_reviews().expect("reads"),
        "copy": clinic.server_copy(COPY).expect("reads").map(|copy| json!([copy.version, copy.digest])),
        "cursor": clinic.server_value(CURSOR).expect("reads"), "audit": found.audit,
    })
}

/// All that was there is still there and equal; a newer version may say more.
fn assert_kept(was: &Value, is: &Value, place: &str) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for (key, value) in was {
                assert_kept(value, is.get(key).unwrap_or(&Value::Null), &format!("{place}/{key}"));
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            was.iter().zip(is).enumerate().for_each(|(i, (was, is))| assert_kept(was, is, &format!("{place}/{i}")));
        }
        _ => assert_eq!(was, is, "{place}"),
    }
}

#[test]
fn a_store_of_every_released_schema_opens_as_it_was() {
    let mut schemas = 0;
    for store in fs::read_dir(stores()).expect("stores").map(|entry| entry.expect("entry").path()) {
        if !store.is_dir() {
            continue;
        }
        let folder = Folder::new();
        copy_folder(&store, folder.path());
        let was: Value = serde_json::from_slice(&fs::read(store.join("content.json")).expect("content")).expect("JSON");
        for _ in 0..2 {
            assert_kept(&was, &content(&folder.open()), &store.display().to_string());
        }
        let mut clinic = folder.open();
        let who = clinic.patients(1).expect("lists")[0].id.clone();
        clinic.update_patient(&who, &patient("王又明")).expect("the store lives");
        assert_eq!(clinic.find_patients("wangyouming", 5).expect("finds").len(), 1);
        assert!(clinic.verify().expect("verifies").ok());
        schemas += 1;
    }
    assert_eq!(schemas, SCHEMA, "one committed store per schema");
}

#[test]
#[ignore = "writes the store of a new schema, once"]
fn make_a_store() {
    let folder = Folder::new();
    let mut clinic = folder.open();
    let doctor = clinic.add_doctor(&folder.vault(), "李医生", "246810").expect("adds");
    for (i, name) in ["王小明", "單雄信", "Mary O'Brien"].into_iter().enumerate() {
        let who = clinic.add_patient(&patient(name)).expect("adds");
        let lesion = clinic.add_lesion(&who, "左手背", "").expect("adds");
        let id = clinic
            .record(&NewEncounter { patient_id: Some(who.clone()), ..encounter("手背黑痣三年") })
            .expect("records");
        let photo = clinic.encounter(&id).expect("reads").photo_rows[0].id.clone();
        clinic.place_photo(&photo, &lesion).expect("places");
        clinic.thumbnail(&photo).expect("shrinks");
        clinic.add_diagnosis(&id, Some("scabies"), "指缝", "confirmed").expect("adds");
        clinic.add_treatment_note(&id, "硫磺软膏").expect("adds");
        let visit = clinic.add_follow_up(&id, "2030-01-31", "复查").expect("adds");
        clinic.add_referral(&id, "R", "县医院", "皮肤镜").expect("adds");
        if i > 0 {
            clinic.close_follow_up(&visit, "done").expect("closes");
            clinic.set_consent(&who, Use::Care, true).expect("records");
            clinic.set_consent(&who, Use::Teaching, i == 1).expect("records");
        }
    }
    let waiting = clinic.pending_changes(Use::Care, 5).expect("reads");
    clinic.mark_sent(&waiting[..3].iter().map(|change| change.seq).collect::<Vec<_>>()).expect("marks");
    clinic.quarantine(waiting[3].seq, "a reason").expect("sets aside");
    // Schema 2: one of two records of a person counts.
    let twice: Vec<_> = ["赵丽", "趙麗"].map(|name| clinic.add_patient(&patient(name)).expect("adds")).into();
    clinic
        .record(&NewEncounter { patient_id: Some(twice[0].clone()), photos: Vec::new(), ..encounter("x") })
        .expect("records");
    clinic.set_consent(&twice[0], Use::Care, true).expect("records");
    clinic.set_consent(&twice[1], Use::Care, false).expect("records");
    clinic.merge_patients(&twice[0], &twice[1]).expect("merges");
    // Schema 3: what the server has, what a specialist answered, what was changed on both sides.
    let seen = clinic.encounters(1).expect("lists")[0].id.clone();
    let answer =
        json!({ "resourceType": "DiagnosticReport", "id": "r1", "meta": { "versionId": "1" }, "conclusion": "湿疹" });
    clinic.receive_answers(&[(answer, vec![format!("Encounter/{seen}")])]).expect("keeps");
    let copy = ServerCopy { version: Some("2".to_owned()), digest: "d".to_owned(), ..ServerCopy::default() };
    let both = (COPY.to_owned(), "birthDate".to_owned(), json!("1970"), json!("1971"));
    let settled = FromServer { copies: vec![(COPY.to_owned(), copy)], reviews: vec![both], ..FromServer::default() };
    clinic.settle_with_server(&settled, &|_| None, &|_| "d".to_owned()).expect("settles");
    clinic.set_server_value(CURSOR, Some("2026-11-25T00:00:00Z")).expect("keeps");
    let anonymous = NewEncounter { consents: vec![Use::ModelTraining], ..encounter("no name") };
    clinic.record(&anonymous).expect("records");
    // Without a PIN the device's key alone opens the store; this also rotates the keys.
    clinic.remove_doctor(&folder.vault(), &doctor).expect("removes");
    clinic.new_recovery_phrase(PhraseLanguage::English).expect("makes a phrase");
    let content = content(&clinic);
    drop(clinic);
    let store = stores().join(format!("schema-{SCHEMA}"));
    fs::create_dir(&store).expect("a schema whose store is not there yet");
    copy_folder(&folder.data(), &store.join("data"));
    fs::remove_file(store.join("data/lock")).expect("the lock");
    fs::copy(folder.path().join("key"), store.join("key")).expect("the key");
    fs::write(store.join("content.json"), serde_json::to_string_pretty(&content).expect("JSON")).expect("writes");
}

//! The FHIR export is what an independent validator takes for R4, and the printed page is safe and whole.

mod common;

use barefoot_clinic::{
    Clinic, DiseaseCode, ExportOf, Kind, NewEncounter, NewPatient, ObservedFinding, PageLanguage, PhraseLanguage,
    Unlock, Use,
};
use common::{Folder, encounter, patient};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

fn codes(slug: &str) -> Option<DiseaseCode> {
    let code = |zh: &str, en: &str, icd10: &str, icd11: &str| DiseaseCode {
        zh: zh.to_owned(),
        en: en.to_owned(),
        icd10: icd10.to_owned(),
        icd11: icd11.to_owned(),
    };
    match slug {
        "scabies" => Some(code("疥疮", "Scabies", "B86", "1G04")),
        _ => None,
    }
}

/// Every kind of record, by a doctor, for a patient, and an anonymous encounter; with odd and unknown values.
fn full(folder: &Folder) -> (Clinic, String, String) {
    let mut clinic = folder.open();
    let doctor = clinic.add_doctor(&folder.vault(), "李医生", "246810").expect("adds");
    clinic.new_recovery_phrase(PhraseLanguage::Chinese).expect("phrase");
    drop(clinic);
    let how = Unlock::Pin { doctor: &doctor, pin: "246810" };
    let mut clinic = Clinic::open(&folder.data(), &folder.vault(), how).expect("opens");
    let who = clinic
        .add_patient(&NewPatient {
            age_years: Some(40.0),
            phone: Some("13812345678".to_owned()),
            ..patient("<王>&\"小明\"")
        })
        .expect("adds");
    let lesion = clinic.add_lesion(&who, "左手背", "黑痣").expect("adds");
    let new = NewEncounter {
        patient_id: Some(who.clone()),
        observed: vec![ObservedFinding { finding: "burrow".to_owned(), present: true }],
        ..encounter("<script>alert(1)</script> 瘙痒")
    };
    let visit = clinic.record(&new).expect("records");
    let photo = clinic.encounter(&visit).expect("found").photo_rows[0].id.clone();
    clinic.place_photo(&photo, &lesion).expect("places");
    let anonymous = clinic
        .record(&NewEncounter {
            sex: Some("x-newer".to_owned()),
            consents: vec![Use::Teaching],
            photos: Vec::new(),
            ..encounter("")
        })
        .expect("records");
    for id in [&visit, &anonymous] {
        clinic.add_diagnosis(id, Some("scabies"), "", "confirmed").expect("adds");
        clinic.add_diagnosis(id, None, "湿疹？", "x-newer").expect("adds");
        clinic.add_diagnosis(id, Some("unknown-slug"), "", "refuted").expect("adds");
        clinic.add_treatment_note(id, "硫磺软膏").expect("adds");
        let due = clinic.add_follow_up(id, "2030-01-31", "").expect("adds");
        clinic.close_follow_up(&due, "done").expect("closes");
        clinic.add_follow_up(id, "2030-02-28", "复诊").expect("adds");
        clinic.add_referral(id, "U", "县医院", "").expect("adds");
    }
    clinic.set_consent(&who, Use::Care, true).expect("sets");
    clinic.set_consent(&who, Use::ModelTraining, true).expect("sets");
    clinic.set_consent(&who, Use::ModelTraining, false).expect("sets");
    (clinic, who, anonymous)
}

#[test]
fn the_export_is_whole_and_an_independent_validator_takes_it() {
    let folder = Folder::new();
    let (mut clinic, who, anonymous) = full(&folder);
    let merged = variants(&mut clinic);
    let bundles = [
        clinic.fhir_bundle(ExportOf::Patient(&who), &codes).expect("exports"),
        clinic.fhir_bundle(ExportOf::Encounter(&anonymous), &codes).expect("exports"),
        clinic.fhir_bundle(ExportOf::Patient(&merged), &codes).expect("exports"),
    ];
    let kinds: BTreeSet<_> =
        resources(&bundles).map(|resource| resource["resourceType"].as_str().expect("type").to_owned()).collect();
    let expected = [
        "Appointment",
        "AuditEvent",
        "BodyStructure",
        "CarePlan",
        "Condition",
        "Consent",
        "Device",
        "DocumentReference",
        "Encounter",
        "Observation",
        "Patient",
        "Practitioner",
        "Provenance",
        "RiskAssessment",
        "ServiceRequest",
        "Task",
    ];
    assert_eq!(kinds, BTreeSet::from(expected.map(str::to_owned)));
    // Every kind of record is in them, so a new kind fails here until it is. A doctor is a Practitioner without history; answers are
    // others' resources; reviews concern this phone only.
    let exported: BTreeSet<_> = resources(&bundles)
        .filter(|resource| resource["resourceType"] == "AuditEvent")
        .filter_map(|line| line["entity"][0]["what"]["display"].as_str()?.split_once('/'))
        .map(|(kind, _)| kind)
        .collect();
    let apart = [Kind::Doctor, Kind::Answer, Kind::Review];
    let all = Kind::ALL.into_iter().filter(|kind| !apart.contains(kind)).map(Kind::table);
    assert_eq!(exported, all.collect());
    bundles.iter().for_each(references_lead_somewhere);
    // The aid's result never stands as a Condition.
    let conditions = bundles[0]["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|e| e["resource"]["resourceType"] == "Condition");
    assert_eq!(conditions.count(), 3);
    validate(&bundles);
}

fn resources(bundles: &[Value]) -> impl Iterator<Item = &Value> {
    bundles.iter().flat_map(|bundle| bundle["entry"].as_array().into_iter().flatten()).map(|entry| &entry["resource"])
}

/// What `full` leaves out: a record that was merged into another, whole birth dates, an assessment without a ranking, a purged photo, a
/// cancelled follow-up, a routine and an emergency referral, nothing but refusals.
fn variants(clinic: &mut Clinic) -> String {
    let born = |date: &str| NewPatient { birth_date: Some(date.to_owned()), ..patient("赵丽") };
    let other = clinic.add_patient(&born("1970-05")).expect("adds");
    let counts = clinic.add_patient(&born("1970-05-31")).expect("adds");
    let new = NewEncounter {
        patient_id: Some(other.clone()),
        assessment: serde_json::json!({ "image": { "outcome": "cannot_tell" } }),
        site: None,
        ..encounter("")
    };
    let visit = clinic.record(&new).expect("records");
    let due = clinic.add_follow_up(&visit, "2030-01-31", "复诊").expect("adds");
    clinic.close_follow_up(&due, "cancelled").expect("closes");
    clinic.add_referral(&visit, "E", "县医院", "高热").expect("adds");
    clinic.add_referral(&visit, "R", "县医院", "皮肤镜").expect("adds");
    clinic.set_consent(&other, Use::Care, true).expect("sets");
    let seqs: Vec<_> = clinic.pending_changes(Use::Care, 999).expect("reads").iter().map(|change| change.seq).collect();
    clinic.mark_sent(&seqs).expect("marks");
    let purged = clinic.purge_originals(SystemTime::now() + Duration::from_secs(60)).expect("purges");
    assert!(purged.removed > 0);
    clinic.set_consent(&other, Use::Care, false).expect("sets");
    clinic.merge_patients(&other, &counts).expect("merges");
    counts
}

fn references_lead_somewhere(bundle: &Value) {
    let entries = bundle["entry"].as_array().expect("entries");
    let there: BTreeSet<String> = entries
        .iter()
        .map(|e| {
            format!(
                "{}/{}",
                e["resource"]["resourceType"].as_str().expect("type"),
                e["resource"]["id"].as_str().expect("id")
            )
        })
        .collect();
    fn walk(value: &Value, there: &BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(reference) if name == "reference" => assert!(there.contains(reference), "{reference}"),
                        _ => walk(value, there),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, there)),
            _ => {}
        }
    }
    entries.iter().for_each(|entry| walk(&entry["resource"], &there));
}

/// PyPI fhir.resources 6.2.1, the last release whose models are FHIR 4.0.1; `docs/clinic.md` says how the virtual environment is made.
fn validate(bundles: &[Value]) {
    let python = std::env::var_os("BAREFOOT_FHIR_PYTHON").map(PathBuf::from).or_else(|| {
        // As in .ci/run.
        let cache = std::env::var_os("BAREFOOT_CACHE").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/barefoot")))?;
        Some(cache.join("venv-fhir-r4/bin/python"))
    });
    let Some(python) = python.filter(|python| python.exists()) else {
        let _ = writeln!(std::io::stderr(), "skipped: no virtual environment with fhir.resources (docs/clinic.md)");
        return;
    };
    let script = r#"
import json, sys
from fhir.resources import get_fhir_model_class, __fhir_version__
assert __fhir_version__ == "4.0.1", __fhir_version__
n = 0
for bundle in json.load(sys.stdin):
    get_fhir_model_class("Bundle").parse_obj(bundle)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        try:
            get_fhir_model_class(resource["resourceType"]).parse_obj(resource)
        except Exception as e:
            print(json.dumps(resource, ensure_ascii=False, indent=1), e)
            sys.exit(1)
        n += 1
print(n)
"#;
    let mut child =
        Command::new(python).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let input = serde_json::to_vec(bundles).expect("json");
    child.stdin.take().expect("stdin").write_all(&input).expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_page_escapes_what_was_typed_and_shows_the_photo() {
    let folder = Folder::new();
    let (clinic, who, _) = full(&folder);
    let visit = clinic.encounters_of(&who, 1).expect("lists")[0].id.clone();
    for language in [PageLanguage::Chinese, PageLanguage::English] {
        let page = clinic.page(&visit, language, &codes).expect("page");
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("&lt;王&gt;&amp;&quot;"));
        assert!(page.contains("data:image/jpeg;base64,/9j/") && page.ends_with("</html>\n"));
    }
}

#[test]
fn each_change_in_the_outbox_has_its_resources() {
    let folder = Folder::new();
    let (clinic, who, _) = full(&folder);
    let changes = clinic.pending_changes(Use::Care, 999).expect("reads");
    assert!(changes.len() > 10 && changes.iter().all(|change| change.root == who));
    for change in changes {
        let kind = Kind::from_table(&change.kind).expect("kind");
        assert!(!clinic.fhir_resources(kind, &change.record, &codes).expect("resources").is_empty());
    }
}

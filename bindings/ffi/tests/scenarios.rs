//! The scenarios of tests/scenarios, driven through the boundary's own functions. Kotlin, Swift and Python drive the same files
//! (bindings/kotlin, bindings/swift, bindings/python); docs/bindings.md describes the step language.

use barefoot_ffi::{
    Assessed, AssessmentJob, AssessmentRequest, Assessor, BackupJob, BarefootError, Clinic, Encyclopedia, KeyVault,
    ListenerError, NewPatient, PageLanguage, PhraseLanguage, ProgressListener, Sex, Sync, SyncServer, Unlock, Use,
    VaultError, sign_in,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Vault {
    secret: Mutex<Option<Vec<u8>>>,
    broken: Mutex<bool>,
}

impl KeyVault for Vault {
    fn load(&self) -> Result<Option<Vec<u8>>, VaultError> {
        if *self.broken.lock().expect("no panic inside") {
            return Err(VaultError::Unavailable);
        }
        Ok(self.secret.lock().expect("no panic inside").clone())
    }

    fn save(&self, secret: Vec<u8>) -> Result<(), VaultError> {
        *self.secret.lock().expect("no panic inside") = Some(secret);
        Ok(())
    }
}

enum Job {
    Assessment(Arc<AssessmentJob>),
    Backup(Arc<BackupJob>),
}

struct Listener {
    job: Job,
    cancel_at: Option<u64>,
    heard: Mutex<Vec<Value>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl ProgressListener for Listener {
    fn on_progress(&self, done: u64, total: u64) -> Result<(), ListenerError> {
        self.heard.lock().expect("no panic inside").push(json!({ "done": done, "total": total }));
        if self.cancel_at.is_some_and(|at| done >= at) {
            match &self.job {
                Job::Assessment(job) => job.cancel(),
                Job::Backup(job) => job.cancel(),
            }
        }
        Ok(())
    }
}

/// What one scenario works on.
struct World {
    folder: tempfile::TempDir,
    vault: Arc<Vault>,
    encyclopedia: Arc<Encyclopedia>,
    assessor: Arc<Assessor>,
    clinic: Option<Arc<Clinic>>,
    request: Option<Arc<Assessed>>,
    heard: Vec<Value>,
    saved: Map<String, Value>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shown<T: Serialize>(value: T) -> Result<Value, BarefootError> {
    Ok(serde_json::to_value(value).expect("a record becomes JSON"))
}

/// Bytes are compared by their length and their first four.
fn bytes(bytes: &[u8]) -> Result<Value, BarefootError> {
    let head: String = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({ "length": bytes.len(), "head": head }))
}

impl World {
    fn clinic(&self) -> &Arc<Clinic> {
        self.clinic.as_ref().expect("a scenario opens the clinic first")
    }

    fn sync(&self) -> Arc<Sync> {
        Sync::new(self.clinic().clone(), self.encyclopedia.clone())
    }

    fn listener(job: Job, with: &Value) -> Arc<Listener> {
        Arc::new(Listener { job, cancel_at: with["cancel_at"].as_u64(), heard: Mutex::default() })
    }

    fn call(&mut self, name: &str, with: &Value) -> Result<Value, BarefootError> {
        let text = |key: &str| with[key].as_str().unwrap_or_default();
        let some = |key: &str| with[key].as_str().map(str::to_owned);
        let limit = with["limit"].as_u64().unwrap_or(20) as u32;
        let age = with["age_years"].as_f64();
        let sex = match with["sex"].as_str() {
            Some("female") => Some(Sex::Female),
            Some("male") => Some(Sex::Male),
            _ => None,
        };
        let patient = || NewPatient {
            name: text("name").to_owned(),
            birth_date: some("birth_date"),
            age_years: age,
            sex: some("sex"),
            phone: some("phone"),
            village: some("village"),
        };
        let purpose = || match text("use") {
            "care" => Use::Care,
            "teaching" => Use::Teaching,
            _ => Use::ModelTraining,
        };
        let vault: Arc<dyn KeyVault> = self.vault.clone();
        let folder = self.folder.path().join("clinic").display().to_string();
        match name {
            "encyclopedia.search" => shown(self.encyclopedia.search(text("query"), limit)?),
            "encyclopedia.article" => shown(self.encyclopedia.article(text("slug"))?),
            "encyclopedia.findings" => shown(self.encyclopedia.findings()?),
            "encyclopedia.drawing" => shown(self.encyclopedia.drawing(text("id"))?),
            "assessor.triage" => shown(self.assessor.triage(text("complaint"), age.map(|years| years as f32), sex)?),
            "assessor.lupus_score" => shown(self.assessor.lupus_score(text("text"))?),
            "assessor.assess" => {
                let photos = with["photos"].as_array().into_iter().flatten();
                let read = |photo: &Value| {
                    fs::read(root().join(photo.as_str().expect("a path"))).expect("a file of the repository")
                };
                let request = AssessmentRequest {
                    photos: photos.map(read).collect(),
                    text: text("text").to_owned(),
                    age_years: age.map(|years| years as f32),
                    sex,
                    site: some("site"),
                };
                let job = self.assessor.clone().begin(request);
                let listener = Self::listener(Job::Assessment(job.clone()), with);
                let done = job.run(Some(listener.clone()));
                self.heard = listener.heard.lock().expect("no panic inside").clone();
                let assessed = done?;
                let answer = shown(assessed.assessment());
                self.request = Some(assessed);
                answer
            }
            "assessed.heat_map" => bytes(&self.request.as_ref().expect("assessed before").heat_map()?),
            "assessor.record" => {
                let assessed = self.request.as_ref().expect("assessed before");
                shown(self.assessor.record(self.clinic(), assessed, some("patient_id"))?)
            }
            "job.progress" => Ok(Value::Array(self.heard.clone())),
            "clinic.sign_in" => shown(sign_in(&folder, vault)?),
            "clinic.open" => {
                let how = match text("way") {
                    "pin" => Unlock::Pin { doctor: text("doctor").to_owned(), pin: text("pin").to_owned() },
                    "recovery" => Unlock::Recovery { phrase: text("phrase").to_owned() },
                    _ => Unlock::Device,
                };
                self.clinic = Some(Clinic::open(&folder, vault, how)?);
                Ok(Value::Null)
            }
            "clinic.lock" => {
                self.clinic().lock();
                Ok(Value::Null)
            }
            "clinic.author" => shown(self.clinic().author()?),
            "clinic.add_doctor" => shown(self.clinic().add_doctor(vault, text("name"), text("pin"))?),
            "clinic.new_recovery_phrase" => {
                let language =
                    if text("language") == "english" { PhraseLanguage::English } else { PhraseLanguage::Chinese };
                shown(self.clinic().new_recovery_phrase(language)?)
            }
            "clinic.patients" => shown(self.clinic().patients(limit)?),
            "clinic.find_patients" => shown(self.clinic().find_patients(text("query"), limit)?),
            "clinic.patient" => shown(self.clinic().patient(text("id"))?),
            "clinic.add_patient" => shown(self.clinic().add_patient(patient())?),
            "clinic.update_patient" => shown(self.clinic().update_patient(text("id"), patient())?),
            "clinic.encounters_of" => shown(self.clinic().encounters_of(text("patient"), limit)?),
            "clinic.encounter" => shown(self.clinic().encounter(text("id"))?),
            "clinic.thumbnail" => bytes(&self.clinic().thumbnail(text("id"))?),
            "clinic.add_diagnosis" => shown(self.clinic().add_diagnosis(
                text("encounter"),
                some("disease"),
                text("words"),
                text("certainty"),
            )?),
            "clinic.set_consent" => {
                shown(self.clinic().set_consent(text("subject"), purpose(), with["granted"] == json!(true))?)
            }
            "clinic.has_consent" => shown(self.clinic().has_consent(text("subject"), purpose())?),
            "clinic.page" => {
                let language =
                    if text("language") == "english" { PageLanguage::English } else { PageLanguage::Chinese };
                shown(self.clinic().page(text("encounter"), language, &self.encyclopedia)?)
            }
            "clinic.backup" => {
                let job =
                    self.clinic().clone().begin_backup(self.folder.path().join(text("file")).display().to_string());
                let listener = Self::listener(Job::Backup(job.clone()), with);
                let done = job.run(Some(listener.clone()));
                self.heard = listener.heard.lock().expect("no panic inside").clone();
                shown(done?)
            }
            "sync.run" => {
                let address = text("address").to_owned();
                let server = SyncServer { address, files: None, root: None, patience_seconds: 0 };
                let job = self.sync().begin(server);
                if with["cancelled"] == json!(true) {
                    job.cancel();
                }
                shown(job.run(None)?)
            }
            "sync.deliveries" => shown(self.sync().deliveries()?),
            "folder.holds" => Ok(json!(self.folder.path().join(text("file")).exists())),
            "vault.break" => {
                *self.vault.broken.lock().expect("no panic inside") = true;
                Ok(Value::Null)
            }
            other => panic!("no such call: {other}"),
        }
    }
}

fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').filter(|part| !part.is_empty()).fold(value, |value, part| match value {
        Value::Array(list) => part.parse::<usize>().ok().and_then(|at| list.get(at)).unwrap_or(&Value::Null),
        value => value.get(part).unwrap_or(&Value::Null),
    })
}

/// Names of enum values are spelt differently in each language.
fn plain(name: &Value) -> String {
    name.as_str().unwrap_or_default().replace('_', "").to_lowercase()
}

fn holds(check: &Map<String, Value>, found: &Value) -> bool {
    let length = || match found {
        Value::Array(list) => list.len() as u64,
        other => other.as_str().map_or(0, |text| text.chars().count() as u64),
    };
    check.iter().filter(|(key, _)| *key != "path").all(|(key, wanted)| match key.as_str() {
        "is" => match (found.as_f64(), wanted.as_f64()) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => found == wanted,
        },
        "variant" => plain(found) == plain(wanted),
        "at_least" => found.as_f64().is_some_and(|number| number >= wanted.as_f64().expect("a number")),
        "at_most" => found.as_f64().is_some_and(|number| number <= wanted.as_f64().expect("a number")),
        "length" => length() == wanted.as_u64().expect("a number"),
        "contains" => found.as_str().is_some_and(|text| text.contains(wanted.as_str().expect("a text"))),
        "exists" => found.is_null() != wanted.as_bool().expect("yes or no"),
        other => panic!("no such check: {other}"),
    })
}

/// `$name` stands for what an earlier step saved.
fn filled(value: &Value, saved: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => saved.get(name).unwrap_or_else(|| panic!("{name} was not saved")).clone(),
            None => value.clone(),
        },
        Value::Array(list) => list.iter().map(|value| filled(value, saved)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), filled(value, saved))).collect(),
        other => other.clone(),
    }
}

fn run(scenario: &str) {
    let text = fs::read_to_string(root().join("tests/scenarios").join(scenario)).expect("a scenario");
    let scenario_file: Value = serde_json::from_str(&text).expect("JSON");
    let mut world = World {
        folder: tempfile::tempdir().expect("a folder"),
        vault: Arc::default(),
        encyclopedia: Encyclopedia::built_in().expect("opens"),
        assessor: Assessor::built_in().expect("opens"),
        clinic: None,
        request: None,
        heard: Vec::new(),
        saved: Map::new(),
    };
    for (number, step) in scenario_file["steps"].as_array().expect("steps").iter().enumerate() {
        let name = step["call"].as_str().expect("a call");
        let place = format!("{scenario}, step {number} ({name})");
        let with = filled(&step["with"], &world.saved);
        let found = match (world.call(name, &with), step["fails"].as_str()) {
            (Ok(found), None) => found,
            (Ok(found), Some(code)) => panic!("{place}: should fail with {code}, gave {found}"),
            (Err(error), wanted) => {
                let (BarefootError::Failed { code, zh, en } | BarefootError::Cancelled { code, zh, en }) = &error;
                assert_eq!(Some(code.as_str()), wanted, "{place}: {en}");
                assert!(!zh.is_empty() && !en.is_empty(), "{place}: no sentence");
                let cancelled = matches!(error, BarefootError::Cancelled { .. });
                assert_eq!(cancelled, code == "job.cancelled", "{place}");
                continue;
            }
        };
        for check in step["expect"].as_array().into_iter().flatten() {
            let check = filled(check, &world.saved);
            let check = check.as_object().expect("a check");
            let value = at(&found, check["path"].as_str().expect("a path"));
            assert!(holds(check, value), "{place}: {check:?}, found {value}");
        }
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            world.saved.insert(name.clone(), at(&found, path.as_str().expect("a path")).clone());
        }
    }
}

#[test]
fn every_scenario_holds() {
    let mut files: Vec<String> = fs::read_dir(root().join("tests/scenarios"))
        .expect("scenarios")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the scenarios are missing");
    files.iter().for_each(|file| run(file));
}

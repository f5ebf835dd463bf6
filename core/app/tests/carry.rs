//! Cases that travel in sealed files between real stores.

use barefoot_app::clinic::{
    Clinic, ClinicError, ExportOf, FileVault, Kind, NewEncounter, NewPatient, NewPhoto, Unlock, Use,
};
use barefoot_app::trust::{DeviceKeys, PublicKey, SealedWriter, TrustError, TrustStore};
use barefoot_app::{AppError, Arrived, device_keys, export_sealed, import_sealed};
use std::fs;
use std::path::{Path, PathBuf};

/// A phone: a data folder, its vault, its keys.
struct Phone {
    dir: tempfile::TempDir,
    clinic: Clinic,
    keys: DeviceKeys,
}

impl Phone {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let vault = FileVault::new(dir.path().join("key"));
        let clinic = Clinic::open(&dir.path().join("data"), &vault, Unlock::Device).expect("opens");
        let keys = device_keys(&vault).expect("reads").expect("a secret");
        Self { dir, clinic, keys }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn send(&mut self, of: ExportOf<'_>, to: &Self, name: &str) -> PathBuf {
        let file = self.file(name);
        export_sealed(&mut self.clinic, &self.keys, None, of, &to.keys.sealing(), &file).expect("exports");
        file
    }

    fn trust(&self) -> TrustStore {
        TrustStore::open(&self.dir.path().join("data")).expect("opens")
    }

    fn take(&mut self, file: &Path, from: Option<PublicKey>) -> Result<Arrived, AppError> {
        let mut trust = self.trust();
        import_sealed(&mut self.clinic, &mut trust, &self.keys, file, from)
    }

    /// Everything about a patient but what belongs to this phone alone.
    fn everything(&self, patient: &str) -> String {
        let encounters = self.clinic.encounters_of(patient, 100).expect("lists");
        let whole: Vec<_> = encounters.iter().map(|e| self.clinic.encounter(&e.id).expect("reads")).collect();
        let photos: Vec<Vec<u8>> =
            whole.iter().flat_map(|e| &e.photo_rows).map(|p| self.clinic.photo(&p.id).expect("opens")).collect();
        format!(
            "{:?} {whole:?} {:?} {:?} {photos:?}",
            self.clinic.patient(patient).expect("patient"),
            self.clinic.lesions(patient).expect("lesions"),
            self.clinic.consents(patient).expect("consents"),
        )
    }

    fn is_whole(&self) -> bool {
        self.clinic.verify().expect("verifies").ok()
    }
}

fn visit(phone: &mut Phone, patient: Option<&str>, words: &str) -> String {
    let photos = ["one", "two"].map(|p| NewPhoto { jpeg: format!("{words} {p}").into_bytes(), width: 4, height: 3 });
    let new = NewEncounter {
        patient_id: patient.map(str::to_owned),
        findings: words.to_owned(),
        age_years: Some(54.0),
        sex: Some("female".to_owned()),
        site: Some("手背".to_owned()),
        photos: photos.to_vec(),
        assessment: serde_json::json!({ "differential": [{ "slug": "eczema", "p": 0.7 }] }),
        ..NewEncounter::default()
    };
    phone.clinic.record(&new).expect("records")
}

/// A patient who has agreed, with one visit to which everything belongs that can.
fn case(phone: &mut Phone) -> (String, String) {
    let new =
        NewPatient { name: "王小明".to_owned(), village: Some("李家村".to_owned()), ..NewPatient::default() };
    let patient = phone.clinic.add_patient(&new).expect("adds");
    phone.clinic.set_consent(&patient, Use::Care, true).expect("consent");
    let encounter = visit(phone, Some(&patient), "手背红斑");
    phone.clinic.set_standing("verified");
    phone.clinic.add_diagnosis(&encounter, Some("eczema"), "", "provisional").expect("diagnosis");
    phone.clinic.add_treatment_note(&encounter, "保湿").expect("note");
    phone.clinic.add_follow_up(&encounter, "2027-01-02", "复查").expect("follow-up");
    phone.clinic.add_referral(&encounter, "R", "县医院", "活检").expect("referral");
    let lesion = phone.clinic.add_lesion(&patient, "手背", "左").expect("lesion");
    let photo = phone.clinic.encounter(&encounter).expect("reads").photo_rows[0].id.clone();
    phone.clinic.place_photo(&photo, &lesion).expect("places");
    let words = serde_json::json!({ "resourceType": "DiagnosticReport", "id": encounter, "meta": { "versionId": "1" }, "conclusion": "湿疹" });
    phone.clinic.receive_answers(&[(words, vec![format!("Encounter/{encounter}")])]).expect("answer");
    (patient, encounter)
}

#[test]
fn a_case_arrives_whole_once_and_both_logs_say_so() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let (patient, encounter) = case(&mut a);
    let file = a.send(ExportOf::Patient(&patient), &b, "case");
    let bytes = fs::read(&file).expect("file");
    for canary in ["王小明".as_bytes(), "手背红斑".as_bytes(), b"eczema"] {
        assert!(!bytes.windows(canary.len()).any(|w| w == canary), "plaintext in the file");
    }
    let arrived = b.take(&file, Some(a.keys.device())).expect("imports");
    // Patient, encounter, lesion, 2 photos, assessment, diagnosis, note, follow-up, referral, consent, answer.
    assert_eq!((arrived.received.added, arrived.received.conflicts), (12, 0), "{arrived:?}");
    assert_eq!(a.everything(&patient), b.everything(&patient));
    assert_eq!(b.clinic.encounter(&encounter).expect("reads").answers[0].words, "湿疹");
    assert_eq!(b.clinic.encounter(&encounter).expect("reads").diagnoses[0].standing.as_deref(), Some("verified"));
    assert_eq!(b.clinic.find_patients("wang", 5).expect("finds").len(), 1, "found by pinyin as any other");
    let log = |phone: &Phone, kind, id: &str| {
        phone.clinic.history(kind, id).expect("log").last().expect("a line").action.clone()
    };
    assert_eq!(log(&a, Kind::Patient, &patient), format!("exported to {}", b.keys.sealing()));
    assert_eq!(log(&b, Kind::Encounter, &encounter), format!("imported from {}", a.keys.device()));
    assert!(a.is_whole() && b.is_whole());
    // Again, known from now on: nothing new, not even in the log.
    let head = b.clinic.audit_head().expect("head");
    let again = b.take(&file, None).expect("imports");
    assert_eq!((again.received.added, again.received.known, again.received.conflicts), (0, 12, 0));
    assert_eq!(b.clinic.audit_head().expect("head"), head);
    // And back: nothing new for the sender.
    let back = b.send(ExportOf::Patient(&patient), &a, "back");
    assert_eq!(a.take(&back, Some(b.keys.device())).expect("imports").received.added, 0);
}

#[test]
fn nothing_leaves_without_consent() {
    let (mut a, b) = (Phone::new(), Phone::new());
    let (patient, encounter) = case(&mut a);
    let anonymous = visit(&mut a, None, "无名");
    a.clinic.set_consent(&patient, Use::Care, false).expect("withdraws");
    for of in [ExportOf::Patient(&patient), ExportOf::Encounter(&encounter), ExportOf::Encounter(&anonymous)] {
        let file = a.file("refused");
        let refused = export_sealed(&mut a.clinic, &a.keys, None, of, &b.keys.sealing(), &file);
        assert!(matches!(refused, Err(AppError::Clinic(ClinicError::NoConsent))), "{of:?}");
        assert!(!file.exists());
    }
    a.clinic.set_consent(&anonymous, Use::Care, true).expect("consent");
    a.send(ExportOf::Encounter(&anonymous), &b, "anonymous");
    let file = a.file("nobody");
    let nobody = export_sealed(&mut a.clinic, &a.keys, None, ExportOf::Encounter(&anonymous), "age1nobody", &file);
    assert!(matches!(nobody, Err(AppError::Trust(TrustError::Key))));
    assert_eq!(fs::read_dir(a.dir.path()).expect("dir").count(), 3, "no half file: data, key, anonymous");
}

#[test]
fn a_file_that_is_not_for_us_or_not_whole_or_of_a_stranger_changes_nothing() {
    let (mut a, mut b, mut c) = (Phone::new(), Phone::new(), Phone::new());
    let (patient, _) = case(&mut a);
    let file = a.send(ExportOf::Patient(&patient), &b, "case");
    let whole = fs::read(&file).expect("file");
    let before = b.clinic.audit_head().expect("head");
    let sender = a.keys.device();
    assert!(matches!(c.take(&file, Some(sender)), Err(AppError::Trust(TrustError::OtherRecipient))));
    assert!(matches!(b.take(&file, None), Err(AppError::Trust(TrustError::UnknownSender(key))) if key == sender));
    let other = c.keys.device();
    assert!(matches!(b.take(&file, Some(other)), Err(AppError::Trust(TrustError::OtherSender(key))) if key == sender));
    let bad = b.file("bad");
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&bad, &whole[..length]).expect("write");
        assert!(b.take(&bad, Some(sender)).is_err(), "{length} bytes");
    }
    for at in (0..whole.len()).step_by(211) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&bad, &changed).expect("write");
        assert!(b.take(&bad, Some(sender)).is_err(), "byte {at}");
    }
    assert_eq!(b.clinic.audit_head().expect("head"), before);
    assert!(b.clinic.patients(10).expect("lists").is_empty());
    b.take(&file, Some(sender)).expect("the whole one is taken");
    assert!(b.is_whole());
}

#[test]
fn files_may_come_out_of_order_and_conflicting_edits_are_both_kept() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let (patient, first) = case(&mut a);
    let early = a.send(ExportOf::Patient(&patient), &b, "early");
    let second = visit(&mut a, Some(&patient), "复诊");
    let moved =
        NewPatient { name: "王小明".to_owned(), phone: Some("13800000000".to_owned()), ..NewPatient::default() };
    a.clinic.update_patient(&patient, &moved).expect("changes");
    let late = a.send(ExportOf::Patient(&patient), &b, "late");
    b.take(&late, Some(a.keys.device())).expect("imports");
    let received = b.take(&early, None).expect("imports").received;
    assert_eq!(received.added, 0);
    assert_eq!(b.clinic.patient(&patient).expect("patient").phone.as_deref(), Some("13800000000"), "not overwritten");
    assert!(b.clinic.encounter(&first).is_ok() && b.clinic.encounter(&second).is_ok());
    // Both edit: each keeps its own in place and the other's to look at.
    let rename = |phone: &mut Phone, name: &str| {
        let new = NewPatient { name: name.to_owned(), phone: Some("13800000000".to_owned()), ..NewPatient::default() };
        phone.clinic.update_patient(&patient, &new).expect("changes");
    };
    rename(&mut a, "王晓明");
    rename(&mut b, "汪小明");
    let file = a.send(ExportOf::Patient(&patient), &b, "edited");
    assert_eq!(b.take(&file, None).expect("imports").received.conflicts, 1);
    assert_eq!(b.take(&file, None).expect("imports").received.conflicts, 0, "once");
    assert_eq!(b.clinic.patient(&patient).expect("patient").name, "汪小明");
    let review = b.clinic.open_reviews().expect("reviews").into_iter().find(|r| r.element == "name").expect("a review");
    assert_eq!(
        (review.reference, review.ours, review.theirs),
        (format!("Patient/{patient}"), "王晓明".into(), "汪小明".into())
    );
    // What both added is on both sides in the end.
    b.clinic.add_diagnosis(&first, Some("psoriasis"), "", "confirmed").expect("adds");
    a.clinic.add_diagnosis(&first, Some("t-corporis"), "", "confirmed").expect("adds");
    let to_a = b.send(ExportOf::Encounter(&first), &a, "to-a");
    let to_b = a.send(ExportOf::Encounter(&first), &b, "to-b");
    a.take(&to_a, Some(b.keys.device())).expect("imports");
    b.take(&to_b, None).expect("imports");
    let diagnoses = |phone: &Phone| phone.clinic.encounter(&first).expect("reads").diagnoses;
    assert_eq!(diagnoses(&a).len(), 3);
    assert_eq!(diagnoses(&a), diagnoses(&b));
    assert!(a.is_whole() && b.is_whole());
}

#[test]
fn a_withdrawal_is_not_undone_by_an_older_yes() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let (patient, _) = case(&mut a);
    let file = a.send(ExportOf::Patient(&patient), &b, "one");
    b.take(&file, Some(a.keys.device())).expect("imports");
    assert!(b.clinic.has_consent(&patient, Use::Care).expect("reads"));
    // Here the patient says no; there, yes again, not knowing of it.
    b.clinic.set_consent(&patient, Use::Care, false).expect("withdraws");
    a.clinic.set_consent(&patient, Use::Care, true).expect("says yes again");
    let file = a.send(ExportOf::Patient(&patient), &b, "two");
    b.take(&file, None).expect("imports");
    assert!(!b.clinic.has_consent(&patient, Use::Care).expect("reads"), "the no counts until somebody asks again");
    assert_eq!(b.take(&file, None).expect("imports").received.added, 0);
    assert!(!b.clinic.has_consent(&patient, Use::Care).expect("reads"));
    // Asked again here, with a yes that knows of everything: it travels and counts.
    b.clinic.set_consent(&patient, Use::Care, true).expect("asked again");
    let back = b.send(ExportOf::Patient(&patient), &a, "back");
    a.take(&back, Some(b.keys.device())).expect("imports");
    assert!(a.clinic.has_consent(&patient, Use::Care).expect("reads"));
}

#[test]
fn an_anonymous_case_that_later_has_a_name_is_joined() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let encounter = visit(&mut a, None, "无名");
    a.clinic.set_consent(&encounter, Use::Care, true).expect("consent");
    let file = a.send(ExportOf::Encounter(&encounter), &b, "anonymous");
    b.take(&file, Some(a.keys.device())).expect("imports");
    let (patient, _) = case(&mut a);
    a.clinic.assign_patient(&encounter, &patient).expect("assigns");
    let file = a.send(ExportOf::Patient(&patient), &b, "named");
    b.take(&file, None).expect("imports");
    assert_eq!(a.everything(&patient), b.everything(&patient));
    assert!(b.is_whole());
}

#[test]
fn merged_patients_arrive_merged() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let (counts, _) = case(&mut a);
    let (other, encounter) = case(&mut a);
    a.clinic.merge_patients(&other, &counts).expect("merges");
    let file = a.send(ExportOf::Encounter(&encounter), &b, "case");
    b.take(&file, Some(a.keys.device())).expect("imports");
    assert_eq!(b.clinic.patient(&other).expect("patient").merged_into, Some(counts));
    assert!(b.is_whole());
}

/// A known sender's own file, sealed and signed as any other, with records that no honest Barefoot writes: refused whole.
#[test]
fn records_that_could_not_have_been_typed_are_refused() {
    let (mut a, mut b) = (Phone::new(), Phone::new());
    let (patient, _) = case(&mut a);
    let parcel = a.clinic.pack_parcel(ExportOf::Patient(&patient)).expect("packs");
    let honest = serde_json::to_value(&parcel).expect("JSON");
    let photos: Vec<Vec<u8>> = parcel.photos().map(|id| a.clinic.photo(id).expect("photo")).collect();
    let mut number = 0;
    let mut refused = |what: &str, change: &dyn Fn(&mut serde_json::Value), photos: &[Vec<u8>]| {
        let mut forged = honest.clone();
        change(&mut forged);
        number += 1;
        let file = a.file(&number.to_string());
        let mut out = SealedWriter::new(fs::File::create(&file).expect("file"), &b.keys.sealing()).expect("begins");
        out.chunk(forged.to_string().as_bytes()).expect("writes");
        photos.iter().for_each(|photo| out.chunk(photo).expect("writes"));
        out.finish(&a.keys, None, "2026-01-01T00:00:00Z".parse().expect("time")).expect("ends");
        let head = b.clinic.audit_head().expect("head");
        assert!(b.take(&file, Some(a.keys.device())).is_err(), "{what}");
        assert_eq!(b.clinic.audit_head().expect("head"), head, "{what}");
    };
    let set = |path: &'static str, value: serde_json::Value| {
        move |forged: &mut serde_json::Value| *forged.pointer_mut(path).expect("there") = value.clone()
    };
    let stranger = "01890000-0000-7000-8000-000000000000";
    refused("a path for an id", &set("/records/photo/0/id", "../../evil".into()), &photos);
    refused(
        "an id in capitals",
        &set("/records/encounter/0/id", stranger.to_uppercase().replace('1', "A").into()),
        &photos,
    );
    refused("a parent that is nowhere", &set("/records/diagnosis/0/encounter_id", stranger.into()), &photos);
    refused("consent for somebody else", &set("/records/consent/0/subject", stranger.into()), &photos);
    refused("an answer about somebody else", &set("/records/answer/0/subject", stranger.into()), &photos);
    refused("an answer without a reference", &set("/records/answer/0/id", "../evil".into()), &photos);
    refused("a time that is none", &set("/records/encounter/0/started_at", "soon".into()), &photos);
    refused("a name of nothing", &set("/records/patient/0/name", " ".into()), &photos);
    refused("a name with a NUL", &set("/records/patient/0/name", "a\0b".into()), &photos);
    refused("a birth in the future", &set("/records/patient/0/birth_date", "2999-01-01".into()), &photos);
    refused("an age of 900", &set("/records/encounter/0/age_years", 900.into()), &photos);
    refused("a day that is none", &set("/records/follow_up/0/due_on", "2027-02-30".into()), &photos);
    refused("findings that are none", &set("/records/encounter/0/observed", "{".into()), &photos);
    refused("another photo's hash", &set("/records/photo/0/sha256", "0".repeat(64).into()), &photos);
    refused("a newer format", &set("/format", 2.into()), &photos);
    refused("a table of its own", &|f| f["records"]["audit"] = serde_json::json!([{ "seq": 1 }]), &photos);
    refused("a column of its own", &|f| f["records"]["patient"][0]["n"] = 1.into(), &photos);
    refused(
        "a column less",
        &|f| drop(f["records"]["patient"][0].as_object_mut().expect("row").remove("phone")),
        &photos,
    );
    refused("photos swapped", &|_| (), &[photos[1].clone(), photos[0].clone()]);
    refused("a photo less", &|_| (), &photos[..1]);
    refused("a photo more", &|_| (), &[photos.clone(), photos.clone()].concat());
    assert!(b.clinic.patients(10).expect("lists").is_empty());
}

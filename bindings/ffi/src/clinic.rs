//! The clinic's records.

use crate::records::*;
use crate::vault::Vault;
use crate::{BarefootError, Bilingual, Encyclopedia, KeyVault};
use barefoot_app::clinic::{self, ClinicError};
use barefoot_app::disease_code;
use serde::Serialize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The open records. Every call but `lock` does I/O.
#[derive(uniffi::Object)]
pub struct Clinic {
    records: Mutex<Option<clinic::Clinic>>,
    /// Held by a running sync, so that there is one at a time.
    pub(crate) syncing: Mutex<()>,
}

impl Clinic {
    /// The one way to the records.
    pub(crate) fn reach<T, E: From<ClinicError>>(
        &self,
        act: impl FnOnce(&mut clinic::Clinic) -> Result<T, E>,
    ) -> Result<T, E> {
        // A call that panicked has left its transaction uncommitted.
        let mut open = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        act(open.as_mut().ok_or(ClinicError::Locked)?)
    }

    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut clinic::Clinic) -> Result<T, ClinicError>,
    ) -> Result<T, BarefootError> {
        Ok(self.reach(act)?)
    }
}

/// What the door of a data folder asks for, before anything is opened. Does I/O; changes nothing.
#[uniffi::export]
pub fn sign_in(folder: &str, vault: Arc<dyn KeyVault>) -> Result<SignIn, BarefootError> {
    Ok(clinic::sign_in(Path::new(folder), &Vault(vault))?)
}

#[uniffi::export]
impl Clinic {
    /// Opens the records, making them on first use. Waits up to 10 s for another process. A PIN takes about 0.1 s by design.
    #[uniffi::constructor]
    pub fn open(folder: &str, vault: Arc<dyn KeyVault>, how: Unlock) -> Result<Arc<Self>, BarefootError> {
        let how = match &how {
            Unlock::Device => clinic::Unlock::Device,
            Unlock::Pin { doctor, pin } => clinic::Unlock::Pin { doctor, pin },
            Unlock::Recovery { phrase } => clinic::Unlock::Recovery { phrase },
        };
        let records = clinic::Clinic::open(Path::new(folder), &Vault(vault), how)?;
        Ok(Arc::new(Self { records: Mutex::new(Some(records)), syncing: Mutex::default() }))
    }

    /// Closes the records and wipes the key; every later call on this object fails with `clinic.locked`. Waits for a call under way. No
    /// I/O.
    pub fn lock(&self) {
        *self.records.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The doctors of this clinic, oldest first.
    pub fn doctors(&self) -> Result<Vec<Doctor>, BarefootError> {
        self.with(|c| c.doctors())
    }

    /// The doctor who signed in; nothing when the device or the recovery phrase did.
    pub fn author(&self) -> Result<Option<String>, BarefootError> {
        self.with(|c| Ok(c.author().map(str::to_owned)))
    }

    /// Adds a doctor with a PIN and gives the id. From the first one on the device alone no longer opens the records.
    pub fn add_doctor(&self, vault: Arc<dyn KeyVault>, name: &str, pin: &str) -> Result<String, BarefootError> {
        self.with(|c| c.add_doctor(&Vault(vault), name, pin))
    }

    /// Gives a doctor a new PIN.
    pub fn set_pin(&self, vault: Arc<dyn KeyVault>, doctor: &str, pin: &str) -> Result<(), BarefootError> {
        self.with(|c| c.set_pin(&Vault(vault), doctor, pin))
    }

    /// Takes a doctor's PIN away; what the doctor wrote stays.
    pub fn remove_doctor(&self, vault: Arc<dyn KeyVault>, doctor: &str) -> Result<(), BarefootError> {
        self.with(|c| c.remove_doctor(&Vault(vault), doctor))
    }

    /// A recovery phrase of twelve words, in place of an earlier one: show it once with [`forgotten_both`]; it is stored nowhere.
    pub fn new_recovery_phrase(&self, language: PhraseLanguage) -> Result<String, BarefootError> {
        self.with(|c| Ok(c.new_recovery_phrase(language)?.to_string()))
    }

    /// Whether there is a recovery phrase.
    pub fn has_recovery_phrase(&self) -> Result<bool, BarefootError> {
        self.with(|c| Ok(c.has_recovery_phrase()))
    }

    /// Patients, newest first.
    pub fn patients(&self, limit: u32) -> Result<Vec<Patient>, BarefootError> {
        self.with(|c| c.patients(limit))
    }

    /// Patients by the beginnings of name, pinyin, initials, phone or village.
    pub fn find_patients(&self, query: &str, limit: u32) -> Result<Vec<Patient>, BarefootError> {
        self.with(|c| c.find_patients(query, limit))
    }

    /// One patient.
    pub fn patient(&self, id: &str) -> Result<Patient, BarefootError> {
        self.with(|c| c.patient(id))
    }

    /// Who may be the same person, likeliest first.
    pub fn possible_duplicates(&self, new: NewPatient) -> Result<Vec<Patient>, BarefootError> {
        self.with(|c| Ok(c.possible_duplicates(&new)?.into_iter().map(|found| found.patient).collect()))
    }

    /// Adds a patient and gives the id.
    pub fn add_patient(&self, new: NewPatient) -> Result<String, BarefootError> {
        self.with(|c| c.add_patient(&new))
    }

    /// Replaces what is known of a patient.
    pub fn update_patient(&self, id: &str, new: NewPatient) -> Result<(), BarefootError> {
        self.with(|c| c.update_patient(id, &new))
    }

    /// The last encounters of all, newest first.
    pub fn encounters(&self, limit: u32) -> Result<Vec<EncounterSummary>, BarefootError> {
        self.with(|c| c.encounters(limit))
    }

    /// A patient's encounters, newest first.
    pub fn encounters_of(&self, patient: &str, limit: u32) -> Result<Vec<EncounterSummary>, BarefootError> {
        self.with(|c| c.encounters_of(patient, limit))
    }

    /// One encounter.
    pub fn encounter(&self, id: &str) -> Result<Encounter, BarefootError> {
        self.with(|c| Ok(c.encounter(id)?.into()))
    }

    /// What specialists wrote about an encounter or its patient, oldest first.
    pub fn answers(&self, encounter: &str, patient: Option<String>) -> Result<Vec<Answer>, BarefootError> {
        self.with(|c| Ok(c.answers(encounter, patient.as_deref())?.into_iter().map(Into::into).collect()))
    }

    /// Says whose an anonymous encounter was.
    pub fn assign_patient(&self, encounter: &str, patient: &str) -> Result<(), BarefootError> {
        self.with(|c| c.assign_patient(encounter, patient))
    }

    /// A stored photo, JPEG.
    pub fn photo(&self, id: &str) -> Result<Vec<u8>, BarefootError> {
        self.with(|c| c.photo(id))
    }

    /// A photo's small version, JPEG.
    pub fn thumbnail(&self, id: &str) -> Result<Vec<u8>, BarefootError> {
        self.with(|c| c.thumbnail(id))
    }
}

#[uniffi::export]
impl Clinic {
    /// Adds the doctor's diagnosis and gives its id. `certainty` is FHIR's verification status: `provisional`, `differential`,
    /// `confirmed`, `refuted`.
    #[uniffi::method(default(words = "", certainty = "provisional"))]
    pub fn add_diagnosis(
        &self,
        encounter: &str,
        disease: Option<String>,
        words: &str,
        certainty: &str,
    ) -> Result<String, BarefootError> {
        self.with(|c| c.add_diagnosis(encounter, disease.as_deref(), words, certainty))
    }

    /// Adds a note of what was done or advised and gives its id.
    pub fn add_treatment_note(&self, encounter: &str, words: &str) -> Result<String, BarefootError> {
        self.with(|c| c.add_treatment_note(encounter, words))
    }

    /// Adds a date to come back, `YYYY-MM-DD`, and gives its id.
    pub fn add_follow_up(&self, encounter: &str, due_on: &str, reason: &str) -> Result<String, BarefootError> {
        self.with(|c| c.add_follow_up(encounter, due_on, reason))
    }

    /// Says what became of a follow-up: `done` or `cancelled`.
    pub fn close_follow_up(&self, id: &str, status: &str) -> Result<(), BarefootError> {
        self.with(|c| c.close_follow_up(id, status))
    }

    /// Planned follow-ups that are due by a day (`YYYY-MM-DD`), earliest first.
    pub fn follow_ups_due(&self, by: &str, limit: u32) -> Result<Vec<FollowUp>, BarefootError> {
        self.with(|c| c.follow_ups_due(by, limit))
    }

    /// Adds a referral and gives its id; `urgency` is `E`, `U` or `R`.
    pub fn add_referral(
        &self,
        encounter: &str,
        urgency: &str,
        destination: &str,
        reason: &str,
    ) -> Result<String, BarefootError> {
        self.with(|c| c.add_referral(encounter, urgency, destination, reason))
    }

    /// An encounter as a printable HTML page, for a referral. It is plaintext: who saves it has left the encrypted store.
    pub fn page(
        &self,
        encounter: &str,
        language: PageLanguage,
        encyclopedia: &Encyclopedia,
    ) -> Result<String, BarefootError> {
        self.with(|c| c.page(encounter, language, &|slug| encyclopedia.with(|e| disease_code(e, slug))))
    }

    /// Records a yes or no to one use of the records; a no after a yes is a withdrawal. `subject` is a patient's id, or an encounter's
    /// that has no patient.
    pub fn set_consent(&self, subject: &str, purpose: Use, granted: bool) -> Result<(), BarefootError> {
        self.with(|c| c.set_consent(subject, purpose, granted))
    }

    /// Whether the last word about a use is yes; no word is no.
    pub fn has_consent(&self, subject: &str, purpose: Use) -> Result<bool, BarefootError> {
        self.with(|c| c.has_consent(subject, purpose))
    }

    /// Everything a patient has said, oldest first.
    pub fn consents(&self, subject: &str) -> Result<Vec<Consent>, BarefootError> {
        self.with(|c| c.consents(subject))
    }

    /// Adds a lesion, a place on the skin that is watched over time, and gives its id.
    pub fn add_lesion(&self, patient: &str, site: &str, label: &str) -> Result<String, BarefootError> {
        self.with(|c| c.add_lesion(patient, site, label))
    }

    /// A patient's lesions, oldest first.
    pub fn lesions(&self, patient: &str) -> Result<Vec<Lesion>, BarefootError> {
        self.with(|c| c.lesions(patient))
    }

    /// Puts a photo on a lesion's time line; both must be of one patient.
    pub fn place_photo(&self, photo: &str, lesion: &str) -> Result<(), BarefootError> {
        self.with(|c| c.place_photo(photo, lesion))
    }

    /// A lesion's photos, oldest first.
    pub fn time_line(&self, lesion: &str) -> Result<Vec<Photo>, BarefootError> {
        self.with(|c| c.time_line(lesion))
    }
}

/// What must be said when a PIN or a phrase is set up. No I/O.
#[uniffi::export]
pub fn forgotten_both() -> Bilingual {
    let (zh, en) = clinic::FORGOTTEN_BOTH;
    Bilingual { zh: zh.to_owned(), en: en.to_owned() }
}

/// How somebody asks to be let in.
#[derive(uniffi::Enum)]
pub enum Unlock {
    /// With the device alone; possible until the first doctor has a PIN.
    Device,
    /// A doctor with a PIN on this device.
    Pin {
        /// The doctor's id.
        doctor: String,
        /// The PIN.
        pin: String,
    },
    /// The twelve words; works on a new device too.
    Recovery {
        /// Separated by spaces; Chinese characters may stand together.
        phrase: String,
    },
}

/// A whole encounter.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Encounter {
    /// The list's line.
    pub summary: EncounterSummary,
    /// The doctor who recorded it.
    pub author: Option<String>,
    /// The doctor's words.
    pub findings: String,
    /// The photos.
    pub photos: Vec<Photo>,
    /// What the aid said, oldest first.
    pub assessments: Vec<StoredAssessment>,
    /// What the doctor said, oldest first; the last counts.
    pub diagnoses: Vec<Diagnosis>,
    /// What was done or advised, oldest first.
    pub treatment_notes: Vec<TreatmentNote>,
    /// Dates to come back.
    pub follow_ups: Vec<FollowUp>,
    /// Ways up.
    pub referrals: Vec<Referral>,
}

impl From<clinic::Encounter> for Encounter {
    fn from(e: clinic::Encounter) -> Self {
        Self {
            assessments: StoredAssessment::of(&e),
            summary: e.summary,
            author: e.author,
            findings: e.findings,
            photos: e.photo_rows,
            diagnoses: e.diagnoses,
            treatment_notes: e.treatment_notes,
            follow_ups: e.follow_ups,
            referrals: e.referrals,
        }
    }
}

/// What a specialist wrote about a case.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Answer {
    /// `Type/id` on the server.
    pub reference: String,
    /// RFC 3339, UTC.
    pub received_at: String,
    /// The words.
    pub words: String,
}

impl From<clinic::Answer> for Answer {
    fn from(a: clinic::Answer) -> Self {
        Self { reference: a.reference, received_at: a.received_at, words: a.words }
    }
}

//! The clinic's records: the core's own, field by field. A field that is added there is added here.

use crate::Triage;
pub use barefoot_app::clinic::{
    BackupReport, Consent, Diagnosis, Doctor, DoctorAtDoor, EncounterSummary, FollowUp, Lesion, NewPatient,
    PageLanguage, Patient, Photo, PhraseLanguage, RecordDelivery, Referral, SignIn, TreatmentNote, Use,
};
use barefoot_app::knowledge::Bilingual;
pub use barefoot_app::{NamedDisease, StoredAssessment};

/// What the door of a data folder asks for, before anything is opened.
#[uniffi::remote(Record)]
pub struct SignIn {
    /// A PIN is needed.
    pub pin_needed: bool,
    /// Who may sign in.
    pub doctors: Vec<DoctorAtDoor>,
    /// A recovery phrase was set up.
    pub has_phrase: bool,
    /// The folder holds records already; opening it else makes new ones.
    pub set_up: bool,
}

/// A doctor at the door.
#[uniffi::remote(Record)]
pub struct DoctorAtDoor {
    /// UUIDv7.
    pub id: String,
    /// Empty when the device's secret is lost.
    pub name: String,
    /// Seconds until the next try.
    pub wait_seconds: u64,
}

/// A doctor of this device.
#[uniffi::remote(Record)]
pub struct Doctor {
    /// UUIDv7.
    pub id: String,
    /// As written.
    pub name: String,
    /// Can sign in on this device.
    pub can_sign_in: bool,
}

/// The language of a recovery phrase.
#[uniffi::remote(Enum)]
pub enum PhraseLanguage {
    /// Simplified Chinese characters.
    Chinese,
    /// English words.
    English,
}

/// A patient as typed.
#[uniffi::remote(Record)]
pub struct NewPatient {
    /// Name, kept as written; at most 200 characters.
    pub name: String,
    /// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`; not in the future.
    #[uniffi(default = None)]
    pub birth_date: Option<String>,
    /// Age in years, used when no birth date is known: the year of birth is reckoned from it and marked as estimated.
    #[uniffi(default = None)]
    pub age_years: Option<f64>,
    /// FHIR's administrative gender: `female`, `male`, `other`, `unknown`; another code is kept as it is.
    #[uniffi(default = None)]
    pub sex: Option<String>,
    /// Phone number, as written.
    #[uniffi(default = None)]
    pub phone: Option<String>,
    /// Village or address.
    #[uniffi(default = None)]
    pub village: Option<String>,
}

/// A stored patient.
#[uniffi::remote(Record)]
pub struct Patient {
    /// UUIDv7.
    pub id: String,
    /// As written.
    pub name: String,
    /// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    pub birth_date: Option<String>,
    /// The year was reckoned from an age.
    pub birth_estimated: bool,
    /// FHIR's administrative gender.
    pub sex: Option<String>,
    /// As written.
    pub phone: Option<String>,
    /// As written.
    pub village: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The same person's record that counts, when this one was merged into it.
    pub merged_into: Option<String>,
}

/// What records may be used for.
#[uniffi::remote(Enum)]
pub enum Use {
    /// The patient's own care, which includes sending records to the clinic's server or a specialist.
    Care,
    /// Teaching of health workers.
    Teaching,
    /// Training of models.
    ModelTraining,
}

/// One yes or no.
#[uniffi::remote(Record)]
pub struct Consent {
    /// UUIDv7.
    pub id: String,
    /// Patient id, or encounter id when anonymous.
    pub subject: String,
    /// The use's code; one of a newer version is kept.
    pub purpose: String,
    /// Yes or no.
    pub granted: bool,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor who asked.
    pub author: Option<String>,
}

/// A place on a patient's skin.
#[uniffi::remote(Record)]
pub struct Lesion {
    /// UUIDv7.
    pub id: String,
    /// Whose.
    pub patient_id: String,
    /// Body site in words.
    pub site: String,
    /// What the doctor calls it, to tell it from its neighbours.
    pub label: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// One line of the list of encounters.
#[uniffi::remote(Record)]
pub struct EncounterSummary {
    /// UUIDv7.
    pub id: String,
    /// The patient; `None` when anonymous.
    pub patient_id: Option<String>,
    /// The patient's name.
    pub patient_name: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Age in years.
    pub age_years: Option<f64>,
    /// `female` or `male`, or a code of a newer version.
    pub sex: Option<String>,
    /// Body site.
    pub site: Option<String>,
    /// How many photos.
    pub photos: u32,
}

/// A stored photo's row.
#[uniffi::remote(Record)]
pub struct Photo {
    /// UUIDv7.
    pub id: String,
    /// Its encounter.
    pub encounter_id: String,
    /// The lesion it shows, when that is watched over time.
    pub lesion_id: Option<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Length of the JPEG.
    pub bytes: u64,
    /// SHA-256 of the JPEG, hex.
    pub sha256: String,
    /// SHA-1 of the JPEG, hex: FHIR R4 asks for it.
    pub sha1: String,
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// When the original was removed.
    pub purged_at: Option<String>,
}

/// What the doctor says it is.
#[uniffi::remote(Record)]
pub struct Diagnosis {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// Slug of the encyclopedia.
    pub disease: Option<String>,
    /// The doctor's words.
    pub words: String,
    /// FHIR's verification status: `provisional`, `differential`, `confirmed`, `refuted`, or a code of a newer version.
    pub certainty: String,
}

/// What the doctor did or advised.
#[uniffi::remote(Record)]
pub struct TreatmentNote {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// The doctor's words.
    pub words: String,
}

/// A date to come back.
#[uniffi::remote(Record)]
pub struct FollowUp {
    /// UUIDv7.
    pub id: String,
    /// The visit that asked for it.
    pub encounter_id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// `YYYY-MM-DD`.
    pub due_on: String,
    /// Why.
    pub reason: String,
    /// `planned`, `done` or `cancelled`, or a code of a newer version.
    pub status: String,
}

/// A way up to another clinic.
#[uniffi::remote(Record)]
pub struct Referral {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// `E` same day, `U` within 2 weeks, `R` routine.
    pub urgency: String,
    /// Where to.
    pub destination: String,
    /// Why.
    pub reason: String,
}

/// The language of a page.
#[uniffi::remote(Enum)]
pub enum PageLanguage {
    /// Simplified Chinese.
    Chinese,
    /// English.
    English,
}

/// What a backup holds.
#[uniffi::remote(Record)]
pub struct BackupReport {
    /// Photos and thumbnails.
    pub photo_files: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Last hash of the audit log: note it, to prove later that nothing was cut off.
    pub audit_head: String,
    /// The recovery phrase opens it. Without one, only this device does.
    pub phrase_opens_it: bool,
}

/// A disease that the aid has named.
#[uniffi::remote(Record)]
pub struct NamedDisease {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 1.
    pub p: f32,
}

/// The part of a stored assessment that is shown again.
#[uniffi::remote(Record)]
pub struct StoredAssessment {
    /// How urgent.
    pub level: Triage,
    /// Why.
    pub reasons: Vec<Bilingual>,
    /// Likeliest first.
    pub differential: Vec<NamedDisease>,
}

/// What became of a record's last change.
#[uniffi::remote(Record)]
pub struct RecordDelivery {
    /// The record.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// `sent`, `waiting`, `held_back` (no consent) or `quarantined` (refused by the server), or a code of a newer version.
    pub state: String,
    /// Why the server refused it.
    pub reason: Option<String>,
}

//! The clinic's encrypted store. Sole owner of user data.
//!
//! Lives here: patients, encounters, photos, consent, diagnoses, the audit log, the outbox; keys, backup, export.
//! May not live here: what an assessment means, sockets, drawing.
//!
//! A data folder holds `clinic.db` (SQLCipher), `photos/` (XChaCha20-Poly1305 files), `keys.json` (the data key, wrapped once per way
//! in) and `lock`. Nothing of a patient is in it in plaintext. A record is acknowledged only after its photos are on the disk and its
//! one transaction (rows, audit lines, outbox rows) is committed. Nothing is ever deleted but originals of photos that a server has.
//!
//! Call [`Clinic::open`] first; every record's functions are methods of [`Clinic`].

mod audit;
mod backup;
mod bench;
mod consent;
mod database;
mod doctors;
mod duplicates;
mod encounter;
mod error;
mod fhir;
mod input;
mod key;
mod keyring;
mod kind;
mod lesion;
mod names;
mod outbox;
mod page;
mod patient;
mod photo;
mod retention;
mod seal;
mod server;
mod shared;
mod store;
mod work;

pub use audit::{AuditEntry, AuditReport};
pub use backup::BackupReport;
pub use bench::BenchStore;
pub use consent::{Consent, Use};
pub use doctors::{Doctor, FORGOTTEN_BOTH};
pub use duplicates::PossibleDuplicate;
pub use encounter::{
    Diagnosis, Encounter, EncounterSummary, FollowUp, NewEncounter, NewPhoto, ObservedFinding, Photo, Referral,
    TreatmentNote,
};
pub use error::{ClinicError, Field, Problem};
pub use fhir::{Codes, DiseaseCode, ExportOf};
pub use key::{FileVault, KeyVault, Secret};
pub use keyring::{DoctorAtDoor, PhraseLanguage, Unlock};
pub use kind::Kind;
pub use lesion::Lesion;
pub use outbox::{Change, Delivery};
pub use page::PageLanguage;
pub use patient::{NewPatient, Patient};
pub use retention::Purged;
pub use server::{Answer, FromServer, RecordDelivery, Review, ServerCopy};
pub use shared::SharedClinic;
pub use store::{Clinic, SignIn, Verification, sign_in};

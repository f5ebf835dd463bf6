//! How the doctor at this device stands, and what that leaves of an assessment. The rules are one table: core/trust/src/rules.rs.

use crate::AppError;
use barefoot_clinic::{Clinic, KeyVault};
use barefoot_trust::{Act, DeviceKeys, Ruling, Standing, TrustStore, Verdict};
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;

/// How the doctor stood when an assessment was made: shown with it and stored in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The row of the table.
    pub standing: Standing,
    /// What the table says of assessments.
    pub assessment: Ruling,
    /// The doctor, where a credential's signature holds.
    pub doctor: Option<String>,
    /// When the standing ends by itself.
    pub until: Option<Timestamp>,
    /// One line for people.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

impl From<&Verdict> for Verification {
    fn from(verdict: &Verdict) -> Self {
        let (zh, en) = verdict.text();
        Self {
            standing: verdict.standing,
            assessment: verdict.rule(Act::Assess),
            doctor: verdict.doctor.clone(),
            until: verdict.until,
            zh,
            en,
        }
    }
}

impl Default for Verification {
    /// Nobody was asked: labelled as unverified.
    fn default() -> Self {
        Self::from(&Verdict::without(Standing::NoAuthority, None))
    }
}

impl Verification {
    /// How the doctor stands now who has signed in to these records; diagnoses written from now on bear it. Does I/O.
    ///
    /// # Errors
    /// When the list of doctors cannot be read.
    pub fn of_signed_in(clinic: &mut Clinic, vault: &dyn KeyVault) -> Result<Self, AppError> {
        let doctor = signed_in(clinic)?;
        let verification = Self::of(clinic.folder(), vault, doctor.as_deref());
        clinic.set_standing(verification.standing.code());
        Ok(verification)
    }

    /// How a doctor stands now. `doctor` is the name of who has signed in, where somebody has. Never fails: where the device's own list or
    /// key cannot be read, nobody is verified, and a case can still be recorded. Does I/O.
    #[must_use]
    pub fn of(folder: &Path, vault: &dyn KeyVault, doctor: Option<&str>) -> Self {
        let now = Timestamp::now();
        let verdict = match TrustStore::open(folder) {
            Ok(mut store) => {
                // A full disk must not keep anybody from a patient.
                let _ = store.note_clock(now);
                let device = device_keys(vault).ok().flatten().map(|keys| keys.device());
                store.verdict(device.as_ref(), doctor, now)
            }
            Err(error) => Verdict::without(Standing::Unverified, Some(error)),
        };
        Self::from(&verdict)
    }

    /// The aid's assessments are locked for this doctor.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.assessment == Ruling::Locked
    }
}

/// The name of who has signed in; `None` where the device alone or the recovery phrase opened the records. Reads the database.
///
/// # Errors
/// When the list of doctors cannot be read.
pub fn signed_in(clinic: &Clinic) -> Result<Option<String>, AppError> {
    let is_author = |id: &str| clinic.author() == Some(id);
    Ok(clinic.doctors()?.into_iter().find(|doctor| is_author(&doctor.id)).map(|doctor| doctor.name))
}

/// This device's own keys; `None` before the vault has a secret. Does I/O.
///
/// # Errors
/// When the vault cannot be read.
pub fn device_keys(vault: &dyn KeyVault) -> Result<Option<DeviceKeys>, AppError> {
    Ok(vault.load()?.map(|secret| DeviceKeys::derive(&secret)).transpose()?)
}

//! How the doctor stands, and so what the aid may say: docs/credentials.md.

use crate::{BarefootError, Clinic};
pub use barefoot_app::trust::{Ruling, Standing};
use serde::Serialize;

/// How a doctor stands.
#[uniffi::remote(Enum)]
pub enum Standing {
    /// Nobody could issue a credential here: development, evaluation, teaching.
    NoAuthority,
    /// A credential counts.
    Verified,
    /// The credential expired within the grace period.
    ExpiredInGrace,
    /// The credential expired longer ago.
    Expired,
    /// No credential counts, within the grace period.
    UnverifiedInGrace,
    /// No credential counts.
    Unverified,
    /// The credential was taken back.
    Revoked,
}

/// What a doctor who stands so gets of an assessment.
#[uniffi::remote(Enum)]
pub enum Ruling {
    /// All of it.
    Allowed,
    /// All of it, with the standing beside it.
    Labelled,
    /// Quality, findings and urgency alone.
    Locked,
}

/// How a doctor stands, in words too.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Verification {
    /// The row of the table.
    pub standing: Standing,
    /// What the table says of assessments.
    pub assessment: Ruling,
    /// The doctor, where a credential names one.
    pub doctor: Option<String>,
    /// When the standing ends by itself; RFC 3339, UTC.
    pub until: Option<String>,
    /// One line for people.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

impl From<&barefoot_app::Verification> for Verification {
    fn from(v: &barefoot_app::Verification) -> Self {
        Self {
            standing: v.standing,
            assessment: v.assessment,
            doctor: v.doctor.clone(),
            until: v.until.map(|until| until.to_string()),
            zh: v.zh.clone(),
            en: v.en.clone(),
        }
    }
}

#[uniffi::export]
impl Clinic {
    /// How the doctor stands now who has signed in.
    pub fn verification(&self) -> Result<Verification, BarefootError> {
        Ok(Verification::from(&self.standing()?))
    }
}

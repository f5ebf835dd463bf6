//! What the aid said when an encounter was recorded, read back for a list or a page. Whoever needs all of it reads the stored JSON.

use barefoot_clinic::Encounter;
use barefoot_knowledge::{Bilingual, Triage};
use serde::{Deserialize, Serialize};

/// A disease that the aid has named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredAssessment {
    /// How urgent.
    pub level: Triage,
    /// Why.
    pub reasons: Vec<Bilingual>,
    /// Likeliest first.
    pub differential: Vec<NamedDisease>,
}

impl StoredAssessment {
    /// What the aid said at an encounter, oldest first; what another version wrote in another form is left out. No I/O.
    #[must_use]
    pub fn of(encounter: &Encounter) -> Vec<Self> {
        #[derive(Deserialize)]
        struct Written {
            urgency: Why,
            differential: Vec<NamedDisease>,
        }
        #[derive(Deserialize)]
        struct Why {
            level: Triage,
            reasons: Vec<Bilingual>,
        }
        let read = |value: &serde_json::Value| Written::deserialize(value).ok();
        let stored =
            |w: Written| Self { level: w.urgency.level, reasons: w.urgency.reasons, differential: w.differential };
        encounter.assessments.iter().filter_map(read).map(stored).collect()
    }
}

//! The facade: everything that a shell or the command line needs, and the only crate that they may use.
//!
//! Lives here: one assessment from photos and findings (fusion), and its record in the clinic.
//! May not live here: anything that one of the crates below can do alone; drawing; parsing of command lines.

mod assess;
mod codes;
mod error;
mod extend;
mod fusion;
mod indicators;
mod stored;
pub mod sync;

pub use assess::{
    Assessed, Assessment, AssessmentRequest, Assessor, ImageAssessment, PhotoAssessment, QualityAssessment,
};
pub use barefoot_clinic as clinic;
pub use barefoot_knowledge as knowledge;
pub use barefoot_sync::{
    Options as SyncOptions, Photos as SyncPhotos, Progress as SyncProgress, Prompt, Quarantined, Report as SyncReport,
    SyncError,
};
pub use barefoot_trust as trust;
pub use barefoot_vision as vision;
pub use codes::disease_code;
pub use error::AppError;
pub use extend::{Extended, Extension, ExtensionError};
pub use stored::{NamedDisease, StoredAssessment};

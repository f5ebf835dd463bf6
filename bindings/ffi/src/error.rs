//! The one error that crosses the boundary.

use barefoot_app::AppError;
use barefoot_app::clinic::ClinicError;
use barefoot_app::knowledge::KnowledgeError;

/// What went wrong, and what to do next. No text holds patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum BarefootError {
    /// A shell shows the sentence, and tells errors apart by the code.
    #[error("{en}")]
    Failed {
        /// Stays the same over versions and languages.
        code: String,
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
    /// `cancel()` was called: nothing to show.
    #[error("{en}")]
    Cancelled {
        /// `job.cancelled`.
        code: String,
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
}

impl From<AppError> for BarefootError {
    fn from(error: AppError) -> Self {
        let (code, zh, en) = (error.code().to_owned(), error.zh(), error.to_string());
        match error {
            AppError::Cancelled | AppError::Clinic(ClinicError::Cancelled) => Self::Cancelled { code, zh, en },
            _ => Self::Failed { code, zh, en },
        }
    }
}

impl From<ClinicError> for BarefootError {
    fn from(error: ClinicError) -> Self {
        AppError::from(error).into()
    }
}

impl From<KnowledgeError> for BarefootError {
    fn from(error: KnowledgeError) -> Self {
        AppError::from(error).into()
    }
}

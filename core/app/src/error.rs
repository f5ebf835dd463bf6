//! The one error that shells see: a stable code, and a sentence in Chinese and English that says what to do next.

use crate::extend::ExtensionError;
use barefoot_clinic::ClinicError;
use barefoot_knowledge::KnowledgeError;
use barefoot_sync::SyncError;
use barefoot_trust::PackError;
use barefoot_vision::{ModelError, PhotoError, PrototypeError};

/// What a shell can be told. No text holds patient data.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The photo is refused.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The pack is refused.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The model is unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The encyclopedia is unusable.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// The clinic's store refuses.
    #[error(transparent)]
    Clinic(#[from] ClinicError),
    /// The sync ended early.
    #[error(transparent)]
    Sync(Box<SyncError<ClinicError>>),
    /// Nothing to assess.
    #[error("give at least one photo, or findings in words")]
    Nothing,
    /// The pack is of another kind.
    #[error("this pack is no image model: choose one that `barefoot pack list` shows")]
    OtherPack,
    /// A long job was stopped on request.
    #[error("stopped: start again when you are ready")]
    Cancelled,
    /// The pack's label is not in the encyclopedia.
    #[error("the model pack names a disease that the encyclopedia does not have: update both")]
    UnknownSlug,
    /// The pictures make no class.
    #[error(transparent)]
    Prototype(#[from] PrototypeError),
    /// A class cannot be added under this name.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
}

impl AppError {
    /// A code that stays the same over versions and languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Photo(PhotoError::NotAPicture) => "photo.not_a_picture",
            Self::Photo(PhotoError::Damaged) => "photo.damaged",
            Self::Photo(PhotoError::FileTooLarge) => "photo.file_too_large",
            Self::Photo(PhotoError::TooManyPixels) => "photo.too_many_pixels",
            Self::Pack(_) => "pack.refused",
            Self::Model(_) => "model.unusable",
            Self::Knowledge(KnowledgeError::NoArticle) => "knowledge.no_article",
            Self::Knowledge(_) => "knowledge.unusable",
            Self::Clinic(error) => error.code(),
            Self::Sync(error) => error.code(),
            Self::Nothing => "assess.nothing",
            Self::Cancelled => "job.cancelled",
            Self::OtherPack => "pack.other_kind",
            Self::UnknownSlug => "assess.unknown_slug",
            Self::Prototype(_) | Self::Extension(_) => "pack.not_extended",
        }
    }

    /// The sentence in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Photo(error) => error.zh().to_owned(),
            Self::Pack(error) => format!("数据包不可用，请重新获取（{error}）"),
            Self::Model(error) => format!("模型包不可用，请更新（{error}）"),
            Self::Knowledge(KnowledgeError::NoArticle) => "没有这个条目，请用 barefoot search 查找".to_owned(),
            Self::Knowledge(error) => format!("百科不可用，请更新（{error}）"),
            Self::Clinic(error) => error.zh(),
            Self::Sync(error) => error.zh(),
            Self::Nothing => "请至少给一张照片，或用文字描述所见".to_owned(),
            Self::Cancelled => "已停止：可随时重新开始".to_owned(),
            Self::OtherPack => "这不是影像模型包：请从 barefoot pack list 中选择".to_owned(),
            Self::UnknownSlug => "模型包中的疾病不在百科里：请同时更新两者".to_owned(),
            Self::Prototype(error) => error.zh(),
            Self::Extension(error) => error.zh().to_owned(),
        }
    }
}

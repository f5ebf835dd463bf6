//! The one error of this crate.

use std::path::PathBuf;

/// What can go wrong with the encyclopedia. No text holds user data.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A content file cannot be read.
    #[error("the content file {} cannot be read: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of an export cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A content file is not the TOML that the guide describes.
    #[error("the content file {} is not readable: {source}", path.display())]
    Toml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The encyclopedia is not one, or damaged.
    #[error("the encyclopedia cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// An article in the encyclopedia is not readable.
    #[error("the encyclopedia holds an unreadable article: {0}")]
    Json(#[from] serde_json::Error),
    /// Built by another version.
    #[error("the encyclopedia has schema {0}, this version of Barefoot reads {expected}: update it", expected = crate::compile::SCHEMA_VERSION)]
    Schema(i64),
    /// No such disease.
    #[error("there is no article with this name; `barefoot search` finds the right one")]
    NoArticle,
    /// The content breaks its own rules.
    #[error("the content has {0} mistakes; `cargo xtask check-content` lists them")]
    Content(usize),
}

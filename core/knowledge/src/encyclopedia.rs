//! The compiled encyclopedia, opened for reading.

use crate::compile::SCHEMA_VERSION;
use crate::reasoning::{KnowledgeBase, Reasoner};
use crate::search::NameIndex;
use crate::{Article, KnowledgeError};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::path::Path;

/// A look-alike as shown: the other disease, and the difference between the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookalike {
    /// The other disease.
    pub slug: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// Its English name.
    pub name_en: String,
    /// The difference in Chinese.
    pub zh: String,
    /// The difference in English.
    pub en: String,
}

/// The encyclopedia. Reads only.
#[derive(Debug)]
pub struct Encyclopedia {
    pub(crate) db: Connection,
    pub(crate) names: NameIndex,
    /// Built when first asked for, so that opening stays quick.
    reasoner: OnceCell<Reasoner>,
}

impl Encyclopedia {
    /// Opens a compiled file. Does I/O.
    ///
    /// # Errors
    /// When the file is missing, damaged, or of another schema.
    pub fn open(path: &Path) -> Result<Self, KnowledgeError> {
        Self::new(Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?)
    }

    /// Opens a compiled file that is part of the program. No I/O.
    ///
    /// # Errors
    /// As [`Encyclopedia::open`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, KnowledgeError> {
        let mut db = Connection::open_in_memory()?;
        db.deserialize_bytes("main", bytes)?;
        Self::new(db)
    }

    fn new(db: Connection) -> Result<Self, KnowledgeError> {
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != SCHEMA_VERSION {
            return Err(KnowledgeError::Schema(version));
        }
        let names = NameIndex::read(&db)?;
        Ok(Self { db, names, reasoner: OnceCell::new() })
    }

    /// The article of a disease. Reads the encyclopedia.
    ///
    /// # Errors
    /// When there is none, or it is not readable.
    pub fn article(&self, slug: &str) -> Result<Article, KnowledgeError> {
        Ok(serde_json::from_str(&self.column(slug, "article")?)?)
    }

    /// The look-alikes of a disease. Reads the encyclopedia.
    ///
    /// # Errors
    /// When there is no such disease.
    pub fn look_alikes(&self, slug: &str) -> Result<Vec<Lookalike>, KnowledgeError> {
        Ok(serde_json::from_str(&self.column(slug, "look_alikes")?)?)
    }

    /// The shown names of a disease, Chinese and English. Reads the encyclopedia.
    ///
    /// # Errors
    /// When there is no such disease.
    pub fn names(&self, slug: &str) -> Result<(String, String), KnowledgeError> {
        Ok((self.column(slug, "zh")?, self.column(slug, "en")?))
    }

    /// Every slug, in alphabetical order. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn slugs(&self) -> Result<Vec<String>, KnowledgeError> {
        let mut statement = self.db.prepare_cached("SELECT slug FROM disease ORDER BY slug")?;
        let slugs = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(slugs)
    }

    /// A table of the content, kept as JSON.
    pub(crate) fn table<T: DeserializeOwned>(&self, key: &str) -> Result<T, KnowledgeError> {
        let text: String = self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) fn reasoner(&self) -> Result<&Reasoner, KnowledgeError> {
        if let Some(reasoner) = self.reasoner.get() {
            return Ok(reasoner);
        }
        let base: KnowledgeBase = self.table("knowledge_base")?;
        Ok(self.reasoner.get_or_init(|| Reasoner::new(base)))
    }

    pub(crate) fn column(&self, slug: &str, column: &'static str) -> Result<String, KnowledgeError> {
        self.db
            .prepare_cached(&format!("SELECT {column} FROM disease WHERE slug = ?1"))?
            .query_row([slug], |row| row.get(0))
            .optional()?
            .ok_or(KnowledgeError::NoArticle)
    }
}

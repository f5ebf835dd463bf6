//! The encyclopedia.

use crate::BarefootError;
use barefoot_app::knowledge::{self, KnowledgeError};
pub use barefoot_app::knowledge::{Bilingual, Codes, Figure, Hit, HitKind, Lookalike, Names, Source};
use serde::Serialize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "embedded")]
pub(crate) static ENCYCLOPEDIA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/encyclopedia.sqlite"));

/// The encyclopedia.
#[derive(uniffi::Object)]
pub struct Encyclopedia(Mutex<knowledge::Encyclopedia>);

impl Encyclopedia {
    fn new(core: Result<knowledge::Encyclopedia, KnowledgeError>) -> Result<Arc<Self>, BarefootError> {
        Ok(Arc::new(Self(Mutex::new(core?))))
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&knowledge::Encyclopedia) -> T) -> T {
        // A reader that panicked has changed nothing.
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&knowledge::Encyclopedia) -> Result<T, KnowledgeError>,
    ) -> Result<T, BarefootError> {
        Ok(self.with(read)?)
    }
}

#[cfg(feature = "embedded")]
#[uniffi::export]
impl Encyclopedia {
    /// The encyclopedia that the library carries. No I/O.
    #[uniffi::constructor]
    pub fn built_in() -> Result<Arc<Self>, BarefootError> {
        Self::new(knowledge::Encyclopedia::from_static(ENCYCLOPEDIA))
    }
}

#[uniffi::export]
impl Encyclopedia {
    /// The encyclopedia in a file, as `cargo xtask encyclopedia FILE` makes it. Does I/O.
    #[uniffi::constructor]
    pub fn open(path: &str) -> Result<Arc<Self>, BarefootError> {
        Self::new(knowledge::Encyclopedia::open(Path::new(path)))
    }

    /// Diseases by whatever is typed: names in Chinese or English, pinyin, initials, codes, findings, drugs; best first. Reads the
    /// encyclopedia.
    pub fn search(&self, query: &str, limit: u32) -> Result<Vec<Hit>, BarefootError> {
        self.read(|e| e.search(query, limit as usize))
    }

    /// The article of a disease. Reads the encyclopedia.
    pub fn article(&self, slug: &str) -> Result<Article, BarefootError> {
        self.read(|e| Ok(Article::new(e.article(slug)?, e.look_alikes(slug)?, e.drawings_of(slug)?)))
    }

    /// The vocabulary of findings, for tapping. Reads the encyclopedia; the first call takes tenths of a second.
    pub fn findings(&self) -> Result<Vec<Finding>, BarefootError> {
        self.read(|e| Ok(e.vocabulary()?.iter().map(Finding::from).collect()))
    }

    /// A drawing as SVG, of a lesion shape or an arrangement by the finding's id, or a figure of the body. Reads the encyclopedia.
    pub fn drawing(&self, id: &str) -> Result<Option<String>, BarefootError> {
        self.read(|e| e.drawing(id))
    }

    /// The figures of the body with a disease's usual sites coloured. Reads the encyclopedia.
    pub fn figures_of(&self, slug: &str) -> Result<Vec<Figure>, BarefootError> {
        self.read(|e| e.figures_of(slug))
    }
}

/// A text in both languages.
#[uniffi::remote(Record)]
pub struct Bilingual {
    /// Chinese, simplified.
    pub zh: String,
    /// English.
    pub en: String,
}

/// One thing that is present or absent in a patient.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Finding {
    /// Fixed short name.
    pub id: String,
    /// `primary-lesion`, `symptom` and so on.
    pub category: String,
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<&knowledge::Finding> for Finding {
    fn from(f: &knowledge::Finding) -> Self {
        Self { id: f.id.clone(), category: f.category.clone(), zh: f.zh.clone(), en: f.en.clone() }
    }
}

/// What a hit was found by.
#[uniffi::remote(Enum)]
pub enum HitKind {
    /// The name as it stands.
    Name,
    /// The name's pinyin or its initials.
    Pinyin,
    /// Part of a name.
    Part,
    /// A name that is spelt nearly so.
    Typo,
    /// Findings that the query names.
    Finding,
    /// The article's text.
    Text,
}

/// One disease that a query found.
#[uniffi::remote(Record)]
pub struct Hit {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 100.
    pub score: f32,
    /// What it was found by.
    pub kind: HitKind,
    /// The name that was perhaps meant.
    pub did_you_mean: Option<String>,
}

/// Codes of WHO's classifications.
#[uniffi::remote(Record)]
pub struct Codes {
    /// ICD-10.
    pub icd10: String,
    /// WHO's title of that code.
    pub icd10_title: String,
    /// ICD-11.
    pub icd11: String,
    /// WHO's title of that code.
    pub icd11_title: String,
}

/// All names of a disease.
#[uniffi::remote(Record)]
pub struct Names {
    /// The Chinese name that is shown.
    pub zh: String,
    /// The English name that is shown.
    pub en: String,
    /// What patients call it.
    pub lay_zh: Vec<String>,
    /// What patients call it.
    pub lay_en: Vec<String>,
    /// Older or alternative medical names.
    pub former_zh: Vec<String>,
    /// Older or alternative medical names.
    pub former_en: Vec<String>,
    /// Abbreviations.
    pub abbr: Vec<String>,
}

/// A look-alike: the other disease, and the difference between the two.
#[uniffi::remote(Record)]
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

/// Where a statement comes from.
#[uniffi::remote(Record)]
pub struct Source {
    /// What the text cites in brackets.
    pub key: String,
    /// Author or body, title, publisher or journal.
    pub text: String,
    /// Year of publication.
    pub year: u16,
}

/// A figure of the body with the usual sites of a disease coloured.
#[uniffi::remote(Record)]
pub struct Figure {
    /// `body`, `head` or `hands-foot`.
    pub id: String,
    /// The drawing.
    pub svg: String,
    /// The findings that are coloured.
    pub sites: Vec<String>,
}

/// One section of an article.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Section {
    /// The fixed key.
    pub key: String,
    /// Title.
    pub title: Bilingual,
    /// Text.
    pub text: Bilingual,
}

/// One article.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Article {
    /// Disease.
    pub slug: String,
    /// How much hurry it is in by itself.
    pub triage: crate::Triage,
    /// All names.
    pub names: Names,
    /// WHO's codes.
    pub codes: Codes,
    /// In reading order; the keys are fixed.
    pub sections: Vec<Section>,
    /// Diseases that look alike.
    pub look_alikes: Vec<Lookalike>,
    /// Ids of the drawings of its usual shapes and arrangements, commonest first.
    pub drawings: Vec<String>,
    /// Sources.
    pub sources: Vec<Source>,
    /// The dermatologist who signed; empty until then.
    pub reviewed_by: String,
    /// Counts up with each change of content.
    pub version: u32,
}

impl Article {
    fn new(a: knowledge::Article, look_alikes: Vec<Lookalike>, drawings: Vec<String>) -> Self {
        let section = |s: knowledge::Section<'_>| Section {
            key: s.key.to_owned(),
            title: Bilingual { zh: s.title_zh.to_owned(), en: s.title_en.to_owned() },
            text: s.text.clone(),
        };
        Self {
            sections: a.sections().into_iter().map(section).collect(),
            slug: a.slug,
            triage: a.triage,
            names: a.names,
            codes: a.codes,
            look_alikes,
            drawings,
            sources: a.sources,
            reviewed_by: a.reviewed_by,
            version: a.version,
        }
    }
}

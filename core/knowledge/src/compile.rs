//! Content files -> the read-only encyclopedia. The same content gives the same bytes.

use crate::drawings::drawn;
use crate::fold::{fold, pinyin_variants, tokens};
use crate::helpers::{DrugReactions, LupusCriteria};
use crate::likelihood::Likelihoods;
use crate::reasoning::KnowledgeBase;
use crate::urgency::UrgencyRules;
use crate::vocabulary::{Finding, FindingFile};
use crate::{Article, KnowledgeError, Lookalike, check};
use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Counts up when the tables change.
pub(crate) const SCHEMA_VERSION: i64 = 2;

/// All content, as written.
#[derive(Debug, Clone)]
pub struct Content {
    /// Articles by slug, in alphabetical order.
    pub articles: Vec<Article>,
    /// The vocabulary of findings, in file order.
    pub findings: Vec<Finding>,
    /// What is expected of each disease.
    pub likelihoods: Vec<Likelihoods>,
    /// Red flags and advice.
    pub urgency: UrgencyRules,
    /// The lupus score.
    pub lupus_score: LupusCriteria,
    /// Drug reactions and their latencies.
    pub drug_eruptions: DrugReactions,
    /// Drawings (SVG) by name.
    pub drawings: BTreeMap<String, String>,
}

impl Content {
    /// Reads `content/`. Does I/O.
    ///
    /// # Errors
    /// When a file cannot be read or is not the TOML that the guide describes.
    pub fn read(folder: &Path) -> Result<Self, KnowledgeError> {
        let articles = files(&folder.join("articles"), "toml")?
            .into_iter()
            .map(|path| read_toml::<Article>(&path))
            .collect::<Result<_, _>>()?;
        let likelihoods = files(&folder.join("likelihoods"), "toml")?
            .into_iter()
            .map(|path| read_toml::<Likelihoods>(&path))
            .collect::<Result<_, _>>()?;
        let mut findings = Vec::new();
        for path in files(&folder.join("findings"), "toml")? {
            let FindingFile { category, findings: list } = read_toml(&path)?;
            findings.extend(list.into_iter().map(|f| Finding { category: category.clone(), ..f }));
        }
        let urgency = read_toml(&folder.join("red_flags.toml"))?;
        let lupus_score = read_toml(&folder.join("lupus_score.toml"))?;
        let drug_eruptions = read_toml(&folder.join("drug_eruptions.toml"))?;
        let drawings = files(&folder.join("drawings"), "svg")?
            .into_iter()
            .map(|path| Ok((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), read_text(&path)?)))
            .collect::<Result<_, KnowledgeError>>()?;
        Ok(Self { articles, findings, likelihoods, urgency, lupus_score, drug_eruptions, drawings })
    }

    /// Each disease's look-alikes, made symmetric: a difference is written once and shown on both sides.
    #[must_use]
    pub fn look_alikes(&self) -> BTreeMap<String, Vec<Lookalike>> {
        let mut all: BTreeMap<String, Vec<Lookalike>> = BTreeMap::new();
        let names: BTreeMap<&str, &Article> = self.articles.iter().map(|a| (a.slug.as_str(), a)).collect();
        let mut add = |of: &str, other: &str, zh: &str, en: &str| {
            let list = all.entry(of.to_owned()).or_default();
            if let Some(article) = names.get(other)
                && list.iter().all(|l| l.slug != other)
            {
                list.push(Lookalike {
                    slug: other.to_owned(),
                    name_zh: article.names.zh.clone(),
                    name_en: article.names.en.clone(),
                    zh: zh.to_owned(),
                    en: en.to_owned(),
                });
            }
        };
        for article in &self.articles {
            for l in &article.look_alikes {
                add(&article.slug, &l.slug, &l.zh, &l.en);
            }
        }
        for article in &self.articles {
            for l in &article.look_alikes {
                add(&l.slug, &article.slug, &l.zh, &l.en);
            }
        }
        for article in &self.articles {
            all.entry(article.slug.clone()).or_default();
        }
        all
    }
}

/// Checks the content and compiles it into a new SQLite file at `out`. Does I/O.
///
/// # Errors
/// When the content breaks a rule, or the file cannot be written.
pub fn compile(content: &Content, out: &Path) -> Result<(), KnowledgeError> {
    let complaints = check(content);
    if !complaints.is_empty() {
        return Err(KnowledgeError::Content(complaints.len()));
    }
    write(content, out)
}

/// Writes content that has been checked.
pub(crate) fn write(content: &Content, out: &Path) -> Result<(), KnowledgeError> {
    let io = |source| KnowledgeError::Io { path: out.to_owned(), source };
    if out.exists() {
        fs::remove_file(out).map_err(io)?;
    }
    let mut db = Connection::open(out)?;
    db.pragma_update(None, "journal_mode", "OFF")?;
    let tx = db.transaction()?;
    tx.execute_batch(include_str!("encyclopedia.sql"))?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let base = KnowledgeBase {
        findings: content.findings.clone(),
        likelihoods: content.likelihoods.clone(),
        urgency: content.urgency.clone(),
        triage: content.articles.iter().map(|a| (a.slug.clone(), a.triage)).collect(),
        names: content.articles.iter().map(|a| (a.slug.clone(), (a.names.zh.clone(), a.names.en.clone()))).collect(),
    };
    let tables = [
        ("knowledge_base", serde_json::to_string(&base)?),
        ("lupus_score", serde_json::to_string(&content.lupus_score)?),
        ("drug_eruptions", serde_json::to_string(&content.drug_eruptions)?),
    ];
    for (key, value) in tables {
        tx.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [key, &value])?;
    }
    for (id, svg) in &content.drawings {
        tx.execute("INSERT INTO drawing (id, svg) VALUES (?1, ?2)", [id, svg])?;
    }
    let look_alikes = content.look_alikes();
    let likelihoods: BTreeMap<&str, &Likelihoods> = content.likelihoods.iter().map(|l| (l.slug.as_str(), l)).collect();
    for (id, article) in (1i64..).zip(&content.articles) {
        let drawn = likelihoods
            .get(article.slug.as_str())
            .map(|file| drawn(file, &content.findings, &content.drawings))
            .unwrap_or_default();
        tx.execute(
            "INSERT INTO disease (id, slug, zh, en, article, look_alikes, drawn) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                article.slug,
                article.names.zh,
                article.names.en,
                serde_json::to_string(article)?,
                serde_json::to_string(&look_alikes[&article.slug])?,
                serde_json::to_string(&drawn)?
            ],
        )?;
        for (kind, name) in names(article) {
            let folded = fold(&name);
            let pinyin = pinyin_variants(&folded);
            let joined: Vec<String> = pinyin.iter().map(|syllables| syllables.concat()).collect();
            let initials: Vec<String> =
                pinyin.iter().map(|s| s.iter().filter_map(|syllable| syllable.chars().next()).collect()).collect();
            tx.execute(
                "INSERT INTO name (disease, kind, folded, pinyin, initials) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, kind, folded, joined.join(" "), initials.join(" ")],
            )?;
        }
        let text = searchable(article);
        tx.execute(
            "INSERT INTO article_text (rowid, names, names_en, features, body, body_en) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, text[0], text[1], text[2], text[3], text[4]],
        )?;
    }
    tx.execute_batch("INSERT INTO article_text (article_text) VALUES ('optimize')")?;
    tx.commit()?;
    db.execute_batch("VACUUM")?;
    Ok(())
}

/// Kind and text of everything that a disease is called. A shown name such as `头癣／脓癣` or `Corns (clavus)` is several names.
fn names(article: &Article) -> Vec<(&'static str, String)> {
    let n = &article.names;
    let mut all = Vec::new();
    for shown in [&n.zh, &n.en] {
        all.push(("name", shown.clone()));
        all.extend(parts(shown).into_iter().map(|part| ("name", part)));
    }
    let mut add = |kind, list: &[String]| all.extend(list.iter().map(|name| (kind, name.clone())));
    add("lay", &n.lay_zh);
    add("lay", &n.lay_en);
    add("former", &n.former_zh);
    add("former", &n.former_en);
    add("abbr", &n.abbr);
    add("code", &[article.codes.icd10.clone(), article.codes.icd11.clone(), article.slug.clone()]);
    all.sort();
    all.dedup();
    all
}

fn parts(name: &str) -> Vec<String> {
    let pieces: Vec<String> = name
        .split(['／', '/', '（', '）', '(', ')', '、', ','])
        .map(str::trim)
        .filter(|p| p.chars().count() > 1 && !p.starts_with("incl") && !p.starts_with('含'))
        .map(str::to_owned)
        .collect();
    if pieces.len() > 1 { pieces } else { Vec::new() }
}

/// The columns of `article_text`.
fn searchable(article: &Article) -> [String; 5] {
    let n = &article.names;
    let tokenised = |texts: &[&str]| tokens(&fold(&texts.join("\n"))).join(" ");
    let list = |head: &str, lists: [&[String]; 2]| {
        let mut all = vec![head.to_owned()];
        all.extend(lists.into_iter().flatten().cloned());
        all.join("\n")
    };
    let feature = |key: &str| matches!(key, "card" | "features" | "examine" | "red_flags");
    let sections = article.sections();
    let join = |wanted: bool, zh: bool| -> String {
        sections
            .iter()
            .filter(|s| feature(s.key) == wanted)
            .map(|s| if zh { s.text.zh.as_str() } else { s.text.en.as_str() })
            .collect::<Vec<_>>()
            .join("\n")
    };
    [
        tokenised(&[&list(&n.zh, [&n.lay_zh, &n.former_zh])]),
        tokenised(&[&list(&n.en, [&n.lay_en, &n.former_en]), &n.abbr.join("\n")]),
        tokenised(&[&join(true, true), &join(true, false)]),
        tokenised(&[&join(false, true)]),
        tokenised(&[&join(false, false)]),
    ]
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, KnowledgeError> {
    let io = |source| KnowledgeError::Io { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    paths.retain(|path| path.extension().is_some_and(|e| e == ending));
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, KnowledgeError> {
    fs::read_to_string(path).map_err(|source| KnowledgeError::Io { path: path.to_owned(), source })
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, KnowledgeError> {
    toml::from_str(&read_text(path)?)
        .map_err(|source| KnowledgeError::Toml { path: path.to_owned(), source: Box::new(source) })
}

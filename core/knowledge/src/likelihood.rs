//! What is expected of each disease (`content/likelihoods/SLUG.toml`), in bands that a dermatologist can read and correct.

use crate::extract::Sex;
use crate::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often a disease is the reason for a skin consultation in a village clinic. Orders of magnitude by the authors' judgement, not counts:
/// no survey of village clinics stands behind them yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// About 1 in 30.
    VeryCommon,
    /// About 1 in 100.
    Common,
    /// About 1 in 500.
    Uncommon,
    /// About 1 in 3,000.
    Rare,
    /// About 1 in 20,000.
    VeryRare,
}

impl Frequency {
    pub(crate) fn share(self) -> f32 {
        match self {
            Self::VeryCommon => 1.0 / 30.0,
            Self::Common => 1.0 / 100.0,
            Self::Uncommon => 1.0 / 500.0,
            Self::Rare => 1.0 / 3_000.0,
            Self::VeryRare => 1.0 / 20_000.0,
        }
    }
}

/// Upper age limits in years (exclusive) of the age bands, and their names in the files.
pub(crate) const AGE_BANDS: [(&str, f32); 7] = [
    ("newborn", 28.0 / 365.0),
    ("infant", 2.0),
    ("child", 12.0),
    ("teen", 18.0),
    ("adult", 40.0),
    ("middle", 65.0),
    ("old", f32::INFINITY),
];

/// The bands of P(finding | disease) and the probability each stands for.
pub(crate) const BANDS: [(&str, f32); 6] =
    [("always", 0.95), ("usual", 0.75), ("often", 0.5), ("sometimes", 0.22), ("rare", 0.06), ("never", 0.002)];

/// One disease's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Likelihoods {
    /// Disease.
    pub slug: String,
    /// How often it is seen.
    pub frequency: Frequency,
    /// Share of women among patients, 0 to 1.
    pub female_share: f32,
    /// Relative frequency per age band (`newborn` to `old`); a band that is not named counts 1, 0 means never.
    pub age: BTreeMap<String, f32>,
    /// Findings per band (`always` 95 %, `usual` 75 %, `often` 50 %, `sometimes` 22 %, `rare` 6 %, `never` 0.2 %).
    pub findings: BTreeMap<String, Vec<String>>,
    /// Keys of the article's sources behind the bands.
    pub sources: Vec<String>,
}

impl Likelihoods {
    /// How much more (or less) often than average patients of this age and sex have it.
    pub(crate) fn patient_factor(&self, age_years: Option<f32>, sex: Option<Sex>) -> f32 {
        let age = age_years.map_or(1.0, |years| {
            let band = AGE_BANDS.iter().find(|(_, limit)| years < *limit).map_or("old", |(name, _)| name);
            self.age.get(band).copied().unwrap_or(1.0)
        });
        let sex = match sex {
            Some(Sex::Female) => 2.0 * self.female_share,
            Some(Sex::Male) => 2.0 * (1.0 - self.female_share),
            None => 1.0,
        };
        age * sex
    }

    /// What is wrong with the file.
    pub(crate) fn complaints(&self, vocabulary: &Vocabulary, article_sources: &BTreeSet<&str>) -> Vec<String> {
        let mut out = Vec::new();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (band, findings) in &self.findings {
            if !BANDS.iter().any(|(name, _)| name == band) {
                out.push(format!("knows no band {band}"));
            }
            for id in findings {
                if vocabulary.get(id).is_none() {
                    out.push(format!("{band} names the unknown finding {id}"));
                }
                if let Some(other) = seen.insert(id, band) {
                    out.push(format!("{id} stands in {other} and in {band}"));
                }
            }
        }
        // What is narrower cannot be commoner than what it implies.
        let probability = |band: &str| BANDS.iter().find(|(name, _)| *name == band).map_or(0.0, |(_, p)| *p);
        for (id, band) in &seen {
            let Some(at) = vocabulary.position(id) else { continue };
            for &broader in vocabulary.broader(at) {
                let broader = &vocabulary.findings()[broader].id;
                if let Some(other) = seen.get(broader.as_str())
                    && probability(other) < probability(band)
                {
                    out.push(format!("{id} is {band} but implies {broader}, which is only {other}"));
                }
            }
        }
        for band in self.age.keys().filter(|band| !AGE_BANDS.iter().any(|(name, _)| name == band)) {
            out.push(format!("knows no age band {band}"));
        }
        if self.age.values().any(|factor| !(0.0..=20.0).contains(factor)) || !(0.0..=1.0).contains(&self.female_share) {
            out.push("an age factor is not within 0-20, or female_share not within 0-1".to_owned());
        }
        if self.age.len() == AGE_BANDS.len() && self.age.values().all(|factor| *factor == 0.0) {
            out.push("no age has it".to_owned());
        }
        if seen.len() < 8 {
            out.push(format!("has {} findings, needs 8", seen.len()));
        }
        if self.sources.is_empty() {
            out.push("has no source".to_owned());
        }
        for key in self.sources.iter().filter(|key| !article_sources.contains(key.as_str())) {
            out.push(format!("cites {key}, which is not among the article's sources"));
        }
        out
    }
}

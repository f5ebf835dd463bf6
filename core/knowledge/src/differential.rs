//! From findings to a ranked differential: Bayes over the bands of `likelihood.rs`, with reasons.
//!
//! Dependence is treated so: a finding that is implied by another present one counts once; findings of one category
//! (several words for one colour, several sites) share their weight instead of adding up.

use crate::extract::{Extraction, Sex};
use crate::likelihood::{BANDS, Likelihoods};
use crate::vocabulary::{Finding, Vocabulary};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Weight of the n-th strongest finding of one category: n to the power of minus this.
const CATEGORY_DAMPING: f32 = 0.5;
/// Share of a broader finding's probability that an unlisted narrower one gets.
const NARROWER: f32 = 0.3;
/// Probability of a finding that a disease's file does not mention, as a share of the finding's mean over all diseases, within limits.
const UNMENTIONED: (f32, f32, f32) = (0.25, 0.004, 0.05);
/// The prior is flattened by this power: the doctor who asks has already set the everyday case aside.
const PRIOR_POWER: f32 = 0.5;
/// A denied finding counts less than a present one: absences are often unasked.
const DENIED_WEIGHT: f32 = 0.7;
/// Weight of the full-text agreement between the case and the disease's article, in nats at the best agreement.
const TEXT_WEIGHT: f32 = 3.0;
/// Logits are divided by this, so that `p` is about as often right as it says.
const TEMPERATURE: f32 = 1.4;
/// A reason is named from this log-likelihood ratio on.
const REASON_FROM: f32 = 0.5;
const REASONS_FOR: usize = 5;
const REASONS_AGAINST: usize = 2;
/// Diseases at the head of the list that get reasons.
const EXPLAINED: usize = 20;
/// Categories that a village doctor can ask or look for at once.
const ASKABLE_NOT: [&str; 1] = ["lab"];

/// What is known of the patient beside the text.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Patient {
    /// Age in years.
    pub age_years: Option<f32>,
    /// Sex.
    pub sex: Option<Sex>,
}

/// A line of "because".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// Finding, or `photo`, `age`.
    pub finding: String,
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Speaks for the disease; otherwise against it.
    pub supports: bool,
}

/// One disease of the differential.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 1; all diseases add up to 1.
    pub p: f32,
    /// Why, strongest first; empty far down the list.
    pub because: Vec<Reason>,
}

/// A question worth asking next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// Finding.
    pub finding: String,
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Expected information, bits.
    pub bits: f32,
}

/// What is believed of one finding in one disease.
#[derive(Debug, Clone, PartialEq)]
pub struct Belief {
    /// The finding.
    pub finding: Finding,
    /// P(finding | disease).
    pub p: f32,
    /// P(finding) over all diseases.
    pub elsewhere: f32,
}

/// One disease's row of the model.
#[derive(Debug)]
struct Row {
    likelihoods: Likelihoods,
    zh: String,
    en: String,
    /// P(finding | disease), by position in the vocabulary.
    p: Vec<f32>,
}

/// All diseases against all findings.
#[derive(Debug)]
pub(crate) struct Model {
    rows: Vec<Row>,
    /// P(finding) over all diseases, each weighted by its flattened prior.
    background: Vec<f32>,
}

impl Model {
    /// Builds the table from the files and the diseases' names `(slug -> zh, en)`.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        files: Vec<Likelihoods>,
        names: &BTreeMap<String, (String, String)>,
    ) -> Self {
        let count = vocabulary.findings().len();
        let mut rows: Vec<Row> = files
            .into_iter()
            .map(|likelihoods| {
                let p = listed(vocabulary, &likelihoods);
                let (zh, en) = names.get(&likelihoods.slug).cloned().unwrap_or_default();
                Row { likelihoods, zh, en, p }
            })
            .collect();
        let (share, least, most) = UNMENTIONED;
        for at in 0..count {
            let mean = rows.iter().map(|r| r.p[at]).sum::<f32>() / rows.len().max(1) as f32;
            let unmentioned = (mean * share).clamp(least, most);
            for row in rows.iter_mut().filter(|r| r.p[at] == 0.0) {
                row.p[at] = unmentioned;
            }
        }
        let weights: Vec<f32> = rows.iter().map(|r| r.likelihoods.frequency.share().powf(PRIOR_POWER)).collect();
        let total: f32 = weights.iter().sum();
        let background =
            (0..count).map(|at| rows.iter().zip(&weights).map(|(r, w)| r.p[at] * w).sum::<f32>() / total).collect();
        Self { rows, background }
    }

    /// Ranks all diseases. `text_agreement` is 0 to 1 per slug, `photo` the log-likelihood of the photo per slug.
    pub(crate) fn rank(
        &self,
        vocabulary: &Vocabulary,
        evidence: &Evidence,
        text_agreement: &BTreeMap<String, f32>,
        photo: &BTreeMap<String, f32>,
    ) -> Vec<Ranked> {
        let weights = self.weights(vocabulary, evidence);
        let logits: Vec<f32> = self
            .rows
            .iter()
            .map(|row| {
                let slug = &row.likelihoods.slug;
                let findings: f32 = weights.iter().map(|w| w.weight * row.log_p(w)).sum();
                row.log_prior(&evidence.patient)
                    + findings
                    + TEXT_WEIGHT * text_agreement.get(slug).copied().unwrap_or(0.0)
                    + photo.get(slug).copied().unwrap_or(0.0)
            })
            .collect();
        let p = softmax(&logits);
        let mut ranked: Vec<(usize, f32)> = p.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
            .into_iter()
            .enumerate()
            .map(|(place, (at, p))| {
                let row = &self.rows[at];
                let because = if place < EXPLAINED {
                    self.reasons(vocabulary, row, &weights, evidence, photo)
                } else {
                    Vec::new()
                };
                Ranked { slug: row.likelihoods.slug.clone(), zh: row.zh.clone(), en: row.en.clone(), p, because }
            })
            .collect()
    }

    /// The unasked findings that would tell the leading diseases apart best, by expected information.
    pub(crate) fn ask_next(
        &self,
        vocabulary: &Vocabulary,
        evidence: &Evidence,
        ranked: &[Ranked],
        limit: usize,
    ) -> Vec<Question> {
        const LEADERS: usize = 12;
        let leaders: Vec<(&Row, f32)> = ranked
            .iter()
            .take(LEADERS)
            .filter_map(|r| Some((self.rows.iter().find(|row| row.likelihoods.slug == r.slug)?, r.p)))
            .collect();
        let total: f32 = leaders.iter().map(|l| l.1).sum();
        let known: BTreeSet<usize> =
            evidence.present.iter().chain(&evidence.denied).flat_map(|&at| vocabulary.with_broader(at)).collect();
        let mut questions: Vec<Question> = vocabulary
            .findings()
            .iter()
            .enumerate()
            .filter(|(at, f)| !known.contains(at) && !ASKABLE_NOT.contains(&f.category.as_str()))
            .map(|(at, f)| {
                let bits = information(leaders.iter().map(|(row, p)| (p / total, row.p[at])));
                Question { finding: f.id.clone(), zh: f.zh.clone(), en: f.en.clone(), bits }
            })
            .collect();
        questions.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.finding.cmp(&b.finding)));
        questions.truncate(limit);
        questions
    }

    /// What is believed of one disease, likeliest finding first.
    pub(crate) fn beliefs(&self, vocabulary: &Vocabulary, slug: &str) -> Option<(Likelihoods, Vec<Belief>)> {
        let row = self.rows.iter().find(|r| r.likelihoods.slug == slug)?;
        let listed = row.likelihoods.findings.values().flatten().filter_map(|id| vocabulary.position(id));
        let mut beliefs: Vec<Belief> = listed
            .map(|at| Belief {
                finding: vocabulary.findings()[at].clone(),
                p: row.p[at],
                elsewhere: self.background[at],
            })
            .collect();
        beliefs.sort_by(|a, b| b.p.total_cmp(&a.p).then_with(|| a.finding.id.cmp(&b.finding.id)));
        Some((row.likelihoods.clone(), beliefs))
    }

    /// Findings that count, with their weights.
    fn weights(&self, vocabulary: &Vocabulary, evidence: &Evidence) -> Vec<Weighted> {
        let implied: BTreeSet<usize> =
            evidence.present.iter().flat_map(|&at| vocabulary.broader(at).iter().copied()).collect();
        let mut by_category: BTreeMap<(&str, bool), Vec<usize>> = BTreeMap::new();
        for &at in evidence.present.difference(&implied) {
            by_category.entry((&vocabulary.findings()[at].category, true)).or_default().push(at);
        }
        for &at in &evidence.denied {
            by_category.entry((&vocabulary.findings()[at].category, false)).or_default().push(at);
        }
        let mut out = Vec::new();
        for ((_, present), mut list) in by_category {
            // The most telling first: rare ones among the present, common ones among the denied.
            list.sort_by(|&a, &b| {
                let order = self.background[a].total_cmp(&self.background[b]);
                if present { order } else { order.reverse() }
            });
            for (rank, at) in list.into_iter().enumerate() {
                let damping = ((rank + 1) as f32).powf(-CATEGORY_DAMPING);
                out.push(Weighted { at, present, weight: damping * if present { 1.0 } else { DENIED_WEIGHT } });
            }
        }
        out
    }

    fn reasons(
        &self,
        vocabulary: &Vocabulary,
        row: &Row,
        weights: &[Weighted],
        evidence: &Evidence,
        photo: &BTreeMap<String, f32>,
    ) -> Vec<Reason> {
        let mut all: Vec<(f32, Reason)> = weights
            .iter()
            .map(|w| {
                let f = &vocabulary.findings()[w.at];
                let background = Row::log_of(self.background[w.at], w.present);
                let ratio = w.weight * (row.log_p(w) - background);
                let (zh, en) = if w.present {
                    (f.zh.clone(), f.en.clone())
                } else {
                    (format!("没有{}", f.zh), format!("no {}", f.en))
                };
                (ratio, Reason { finding: f.id.clone(), zh, en, supports: ratio > 0.0 })
            })
            .collect();
        // Against the model's other labels: the photo speaks for what it shows, not for everything that it could show.
        let even = (photo.values().map(|v| v.exp()).sum::<f32>() / photo.len().max(1) as f32).ln();
        if let Some(ratio) = photo.get(&row.likelihoods.slug).map(|said| said - even) {
            let (zh, en) = if ratio > 0.0 {
                ("照片相符", "the photo fits")
            } else {
                ("照片不符", "the photo does not fit")
            };
            all.push((ratio, Reason { finding: "photo".into(), zh: zh.into(), en: en.into(), supports: ratio > 0.0 }));
        }
        let age = row.likelihoods.patient_factor(evidence.patient.age_years, None).max(1e-3).ln();
        if let Some(years) = evidence.patient.age_years {
            let (zh, en) = if age > 0.0 { ("年龄相符", "typical age") } else { ("年龄少见", "unusual age") };
            let shown = if years < 2.0 { format!("{:.0} months", years * 12.0) } else { format!("{years:.0} years") };
            all.push((
                age,
                Reason { finding: "age".into(), zh: zh.into(), en: format!("{en} ({shown})"), supports: age > 0.0 },
            ));
        }
        all.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        let pick = |supports: bool, most: usize| {
            all.iter()
                .filter(move |(r, reason)| r.abs() >= REASON_FROM && reason.supports == supports)
                .take(most)
                .map(|(_, r)| r.clone())
        };
        pick(true, REASONS_FOR).chain(pick(false, REASONS_AGAINST)).collect()
    }
}

#[derive(Debug, Clone, Copy)]
struct Weighted {
    at: usize,
    present: bool,
    weight: f32,
}

impl Row {
    fn log_prior(&self, patient: &Patient) -> f32 {
        let factor = self.likelihoods.patient_factor(patient.age_years, patient.sex).max(1e-3);
        PRIOR_POWER * self.likelihoods.frequency.share().ln() + factor.ln()
    }

    fn log_p(&self, w: &Weighted) -> f32 {
        Self::log_of(self.p[w.at], w.present)
    }

    fn log_of(p: f32, present: bool) -> f32 {
        if present { p.ln() } else { (1.0 - p).ln() }
    }
}

/// P(finding | disease) where a file says it, or says it of a broader or narrower finding; 0 elsewhere.
fn listed(vocabulary: &Vocabulary, likelihoods: &Likelihoods) -> Vec<f32> {
    let mut p = vec![0f32; vocabulary.findings().len()];
    let said: Vec<(usize, f32)> = BANDS
        .iter()
        .flat_map(|(band, value)| {
            likelihoods
                .findings
                .get(*band)
                .into_iter()
                .flatten()
                .filter_map(|id| Some((vocabulary.position(id)?, *value)))
        })
        .collect();
    for &(at, value) in &said {
        for &broader in vocabulary.broader(at) {
            p[broader] = p[broader].max(value);
        }
    }
    let spoken: BTreeMap<usize, f32> = said.iter().copied().collect();
    for (at, slot) in p.iter_mut().enumerate() {
        if *slot == 0.0
            && let Some(best) = vocabulary.broader(at).iter().filter_map(|b| spoken.get(b)).copied().reduce(f32::max)
        {
            *slot = NARROWER * best;
        }
    }
    for (at, value) in said {
        p[at] = value;
    }
    p
}

/// Mutual information between the disease and one yes/no finding, bits.
fn information(diseases: impl Iterator<Item = (f32, f32)> + Clone) -> f32 {
    let entropy = |p: f32| if p <= 0.0 || p >= 1.0 { 0.0 } else { -p * p.log2() - (1.0 - p) * (1.0 - p).log2() };
    let yes: f32 = diseases.clone().map(|(p, f)| p * f).sum();
    entropy(yes) - diseases.map(|(p, f)| p * entropy(f)).sum::<f32>()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|l| ((l - top) / TEMPERATURE).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.into_iter().map(|e| e / sum).collect()
}

/// What the differential reasons from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) present: BTreeSet<usize>,
    pub(crate) denied: BTreeSet<usize>,
    pub(crate) patient: Patient,
}

impl Evidence {
    /// Text first; what was typed into fields overrides what the text says.
    pub(crate) fn new(vocabulary: &Vocabulary, extraction: &Extraction, patient: Patient) -> Self {
        let of = |present: bool| {
            extraction
                .findings
                .iter()
                .filter(|f| f.present == present)
                .filter_map(|f| vocabulary.position(&f.id))
                .collect::<BTreeSet<_>>()
        };
        let present = of(true);
        // What a present finding implies is not absent: "no fever, high fever since today".
        let implied: BTreeSet<usize> = present.iter().flat_map(|&at| vocabulary.with_broader(at)).collect();
        let denied = of(false).difference(&implied).copied().collect();
        let patient =
            Patient { age_years: patient.age_years.or(extraction.age_years), sex: patient.sex.or(extraction.sex) };
        Self { present, denied, patient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_splits_evenly_tells_most() {
        let even = information([(0.5, 0.95), (0.5, 0.05)].into_iter());
        let useless = information([(0.5, 0.5), (0.5, 0.5)].into_iter());
        assert!(even > 0.7 && useless.abs() < 1e-6);
    }
}

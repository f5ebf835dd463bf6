//! The vocabulary of findings (`content/findings/*.toml`): what can be seen, felt, asked or measured, and how people say it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One thing that is present or absent in a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Fixed short name.
    pub id: String,
    /// Filled from the file's `category`.
    #[serde(default)]
    pub category: String,
    /// Shown name, Chinese.
    pub zh: String,
    /// Shown name, English.
    pub en: String,
    /// How it is said.
    #[serde(default)]
    pub syn_zh: Vec<String>,
    /// How it is said.
    #[serde(default)]
    pub syn_en: Vec<String>,
    /// Broader findings that are then present too.
    #[serde(default)]
    pub implies: Vec<String>,
    /// Findings that are then absent, as "no itch" denies itch.
    #[serde(default)]
    pub denies: Vec<String>,
}

/// One file of the vocabulary.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingFile {
    pub(crate) category: String,
    #[serde(rename = "finding")]
    pub(crate) findings: Vec<Finding>,
}

/// All findings, with their broader ones worked out.
#[derive(Debug)]
pub struct Vocabulary {
    findings: Vec<Finding>,
    by_id: HashMap<String, usize>,
    broader: Vec<Vec<usize>>,
}

impl Vocabulary {
    /// Builds the vocabulary; unknown references are left out here and refused by the content checker.
    #[must_use]
    pub fn new(findings: Vec<Finding>) -> Self {
        let by_id: HashMap<String, usize> = findings.iter().enumerate().map(|(i, f)| (f.id.clone(), i)).collect();
        let broader = (0..findings.len())
            .map(|start| {
                let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
                while let Some(at) = todo.pop() {
                    for next in findings[at].implies.iter().filter_map(|id| by_id.get(id)) {
                        if *next != start && seen.insert(*next) {
                            todo.push(*next);
                        }
                    }
                }
                seen.into_iter().collect()
            })
            .collect();
        Self { findings, by_id, broader }
    }

    /// All findings, in file order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// A finding by its fixed name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Finding> {
        self.by_id.get(id).map(|&at| &self.findings[at])
    }

    /// Position of a finding in [`Vocabulary::findings`].
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// A finding and all broader ones: what is present when it is.
    pub(crate) fn with_broader(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.broader[at].iter().copied().chain([at])
    }

    /// Positions of all broader findings.
    #[must_use]
    pub fn broader(&self, at: usize) -> &[usize] {
        &self.broader[at]
    }
}

/// What is wrong with the vocabulary files, as `(finding, complaint)`.
pub(crate) fn complaints(findings: &[Finding]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let ids: BTreeSet<&str> = findings.iter().map(|f| f.id.as_str()).collect();
    let mut said: BTreeMap<String, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for finding in findings {
        let mut say = |what: String| out.push((finding.id.clone(), what));
        if !seen.insert(&finding.id) {
            say("stands twice".to_owned());
        }
        if finding.zh.trim().is_empty() || finding.en.trim().is_empty() {
            say("lacks a language".to_owned());
        }
        for id in finding.implies.iter().chain(&finding.denies).filter(|id| !ids.contains(id.as_str())) {
            say(format!("refers to the unknown finding {id}"));
        }
        let own: BTreeSet<String> = [&finding.zh, &finding.en]
            .into_iter()
            .chain(&finding.syn_zh)
            .chain(&finding.syn_en)
            .map(|phrase| crate::extract::pattern(phrase))
            .collect();
        for phrase in own {
            if let Some(other) = said.insert(phrase.clone(), &finding.id) {
                say(format!("shares the phrase {phrase} with {other}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn finding(id: &str, zh: &str, en: &str, implies: &[&str]) -> Finding {
        Finding {
            id: id.into(),
            category: "test".into(),
            zh: zh.into(),
            en: en.into(),
            syn_zh: Vec::new(),
            syn_en: Vec::new(),
            implies: implies.iter().map(|s| (*s).to_owned()).collect(),
            denies: Vec::new(),
        }
    }

    #[test]
    fn broader_findings_are_followed_to_the_end_and_circles_stop() {
        let v = Vocabulary::new(vec![
            finding("a", "甲", "a", &["b"]),
            finding("b", "乙", "b", &["c", "a"]),
            finding("c", "丙", "c", &[]),
        ]);
        assert_eq!(v.broader(0), [1, 2]);
    }

    #[test]
    fn shared_phrases_and_unknown_references_are_complaints() {
        let list = [finding("a", "甲", "a", &["z"]), finding("b", "甲", "b", &[])];
        assert_eq!(complaints(&list).len(), 2);
    }
}

//! Two helpers for the bedside: the lupus score, and which drug reactions fit a latency. Their tables are content files.

use crate::KnowledgeError;
use crate::encyclopedia::Encyclopedia;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `content/lupus_score.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LupusCriteria {
    /// The finding without which the score does not apply.
    pub entry: String,
    /// Points from which a patient classifies.
    pub threshold: u32,
    /// Domains.
    #[serde(rename = "domain")]
    pub domains: Vec<LupusDomain>,
}

/// A domain: only its heaviest item counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LupusDomain {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Clinical, otherwise immunological.
    pub clinical: bool,
    /// Items.
    pub items: Vec<LupusItem>,
}

/// An item, met by any of `any` together with all of `all`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LupusItem {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Points.
    pub weight: u32,
    /// Findings, one of which is needed.
    pub any: Vec<String>,
    /// Findings that are all needed.
    #[serde(default)]
    pub all: Vec<String>,
}

/// The score of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LupusScore {
    /// ANA at 1:80 or more is in the text.
    pub entry_met: bool,
    /// Points, one item per domain.
    pub points: u32,
    /// Entry met, at least the threshold, and at least one clinical item.
    pub classifies: bool,
    /// What counted.
    pub items: Vec<LupusItem>,
    /// Domains of which the text says nothing: what to ask or test.
    pub unknown: Vec<LupusDomain>,
}

/// `content/drug_eruptions.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrugReactions {
    /// Reactions.
    #[serde(rename = "reaction")]
    pub reactions: Vec<DrugReaction>,
}

/// A reaction and its usual latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrugReaction {
    /// Disease.
    pub slug: String,
    /// Earliest, days after the first dose.
    pub from_days: f32,
    /// Latest, days after the first dose.
    pub to_days: f32,
    /// Where the times come from.
    pub source: String,
}

impl Encyclopedia {
    /// The 2019 EULAR/ACR score of what a text says; what it does not say is listed, not assumed. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn lupus_score(&self, text: &str) -> Result<LupusScore, KnowledgeError> {
        let criteria: LupusCriteria = self.table("lupus_score")?;
        let vocabulary = &self.reasoner()?.vocabulary;
        let found = self.extract(text)?.findings.into_iter().filter(|f| f.present);
        let present = found
            .filter_map(|f| vocabulary.position(&f.id))
            .flat_map(|at| vocabulary.with_broader(at))
            .map(|at| vocabulary.findings()[at].id.clone())
            .collect();
        Ok(score(criteria, &present))
    }

    /// The drug reactions whose usual latency holds `days` after the first dose. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn drug_reactions(&self, days: f32) -> Result<Vec<DrugReaction>, KnowledgeError> {
        let table: DrugReactions = self.table("drug_eruptions")?;
        Ok(table.reactions.into_iter().filter(|r| (r.from_days..=r.to_days).contains(&days)).collect())
    }
}

fn score(criteria: LupusCriteria, present: &BTreeSet<String>) -> LupusScore {
    let met = |item: &LupusItem| {
        item.any.iter().any(|id| present.contains(id)) && item.all.iter().all(|id| present.contains(id))
    };
    let mut items = Vec::new();
    let mut unknown = Vec::new();
    let mut clinical = false;
    for domain in criteria.domains {
        match domain.items.iter().filter(|item| met(item)).max_by_key(|item| item.weight) {
            Some(item) => {
                clinical |= domain.clinical;
                items.push(item.clone());
            }
            None => unknown.push(domain),
        }
    }
    let points = items.iter().map(|item| item.weight).sum();
    let entry_met = present.contains(&criteria.entry);
    LupusScore { entry_met, points, classifies: entry_met && clinical && points >= criteria.threshold, items, unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_per_domain_counts_and_the_entry_is_needed() {
        let criteria: LupusCriteria = toml::from_str(include_str!("../content/lupus_score.toml")).expect("readable");
        let present = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let full = score(criteria.clone(), &present(&["ana-positive", "malar-rash", "hair-loss", "arthritis"]));
        assert_eq!((full.points, full.classifies), (12, true));
        let without_entry = score(criteria.clone(), &present(&["malar-rash", "arthritis"]));
        assert_eq!((without_entry.points, without_entry.classifies), (12, false));
        let laboratory_only =
            score(criteria, &present(&["ana-positive", "anti-dsdna", "low-complement", "antiphospholipid"]));
        assert_eq!((laboratory_only.points, laboratory_only.classifies), (11, false));
    }
}

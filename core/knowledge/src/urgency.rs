//! Red flags and the degree of hurry (`content/red_flags.toml`). Rules override every model: a model raises the level, never lowers it.

use crate::article::{Bilingual, Triage};
use crate::search::contains_whole;
use crate::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Share of the differential in diseases of at least a level that raises the urgency to it.
pub(crate) type RaiseFrom = [(Triage, f32); 3];
/// For a doctor, who sees the differential too.
pub(crate) const FOR_DOCTORS: RaiseFrom = [(Triage::E, 0.30), (Triage::U, 0.45), (Triage::R, 0.5)];
/// For a patient, who sees only the level: more careful, within 35 % of over-triage on tests/data/triage_tune.jsonl.
pub(crate) const FOR_PATIENTS: RaiseFrom = [(Triage::E, 0.08), (Triage::U, 0.13), (Triage::R, 0.25)];

/// One red flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedFlag {
    /// Fixed short name.
    pub id: String,
    /// The level it raises to.
    pub level: Triage,
    /// What the doctor or patient reads, Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Groups of findings; a group is met by any one of its findings.
    pub groups: Vec<Vec<String>>,
    /// How many groups must be met; all when not given.
    #[serde(default)]
    pub at_least: Option<usize>,
    /// Only under this age in years.
    #[serde(default)]
    pub age_under: Option<f32>,
    /// Only from this age in years; an unknown age passes, since who writes is mostly an adult.
    #[serde(default)]
    pub age_from: Option<f32>,
    /// Guideline or textbook, year.
    pub source: String,
}

/// Patients for whom the level is raised by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frailty {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Any of these findings.
    #[serde(default)]
    pub any: Vec<String>,
    /// Or an age under this, in years.
    #[serde(default)]
    pub age_under: Option<f32>,
}

/// What a patient is told at a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Where to go.
    #[serde(rename = "where")]
    pub place: Bilingual,
    /// By when.
    pub when: Bilingual,
    /// What to watch for meanwhile.
    pub warn: Vec<Bilingual>,
}

/// `content/red_flags.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrgencyRules {
    /// Red flags.
    #[serde(rename = "red_flag")]
    pub red_flags: Vec<RedFlag>,
    /// Who is raised by one level.
    pub frailty: Vec<Frailty>,
    /// Categories of the vocabulary whose findings mean that there is a skin problem.
    pub skin_categories: Vec<String>,
    /// Single findings of other categories that mean so too.
    pub skin_findings: Vec<String>,
    /// Words that mean so even where no finding was understood: a complaint of the skin must not be waved away.
    pub skin_words: Vec<String>,
    /// Per level E, U, R, P, N.
    pub advice: BTreeMap<String, Advice>,
}

/// How urgent, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Urgency {
    /// The level.
    pub level: Triage,
    /// Strongest first.
    pub reasons: Vec<Bilingual>,
}

impl UrgencyRules {
    /// The level of the red flags alone, with their reasons; `None` when none fires.
    pub(crate) fn red_flags(
        &self,
        vocabulary: &Vocabulary,
        present: &BTreeSet<usize>,
        age: Option<f32>,
    ) -> Option<Urgency> {
        let present: BTreeSet<&str> = present
            .iter()
            .flat_map(|&at| vocabulary.with_broader(at))
            .map(|at| vocabulary.findings()[at].id.as_str())
            .collect();
        let mut fired: Vec<&RedFlag> = self
            .red_flags
            .iter()
            .filter(|flag| {
                let met = flag.groups.iter().filter(|g| g.iter().any(|id| present.contains(id.as_str()))).count();
                met >= flag.at_least.unwrap_or(flag.groups.len())
                    && flag.age_under.is_none_or(|limit| age.is_some_and(|a| a < limit))
                    && flag.age_from.is_none_or(|limit| age.is_none_or(|a| a >= limit))
            })
            .collect();
        fired.sort_by_key(|flag| std::cmp::Reverse(flag.level));
        let level = fired.first()?.level;
        let reasons = fired.into_iter().map(|f| Bilingual { zh: f.zh.clone(), en: f.en.clone() }).collect();
        Some(Urgency { level, reasons })
    }

    /// Is there a skin problem at all? `folded` is the complaint as [`crate::fold::fold`] gives it.
    pub(crate) fn concerns_skin(&self, vocabulary: &Vocabulary, present: &BTreeSet<usize>, folded: &str) -> bool {
        if self.skin_words.iter().any(|word| contains_whole(folded, word)) {
            return true;
        }
        present
            .iter()
            .map(|&at| &vocabulary.findings()[at])
            .any(|f| self.skin_categories.contains(&f.category) || self.skin_findings.contains(&f.id))
    }

    /// Raises a level by one where the patient is frail.
    pub(crate) fn raise_for_frailty(
        &self,
        vocabulary: &Vocabulary,
        present: &BTreeSet<usize>,
        age: Option<f32>,
        mut urgency: Urgency,
    ) -> Urgency {
        let has = |id: &String| vocabulary.position(id).is_some_and(|at| present.contains(&at));
        let frail = self
            .frailty
            .iter()
            .find(|f| f.any.iter().any(has) || f.age_under.is_some_and(|limit| age.is_some_and(|a| a < limit)));
        if let Some(frail) = frail {
            urgency.level = match urgency.level {
                Triage::P => Triage::R,
                Triage::R => Triage::U,
                Triage::U | Triage::E => Triage::E,
            };
            urgency.reasons.push(Bilingual { zh: frail.zh.clone(), en: frail.en.clone() });
        }
        urgency
    }

    /// What is wrong with the rules.
    pub(crate) fn complaints(&self, vocabulary: &Vocabulary) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let unknown = |id: &&String| vocabulary.get(id).is_none();
        for flag in &self.red_flags {
            for id in flag.groups.iter().flatten().filter(unknown) {
                out.push((flag.id.clone(), format!("names the unknown finding {id}")));
            }
            if flag.groups.is_empty()
                || flag.groups.iter().any(Vec::is_empty)
                || flag.at_least.is_some_and(|n| n == 0 || n > flag.groups.len())
            {
                out.push((flag.id.clone(), "would fire always or never".to_owned()));
            }
            if flag.source.trim().is_empty() {
                out.push((flag.id.clone(), "has no source".to_owned()));
            }
        }
        let mut ids = BTreeSet::new();
        for flag in self.red_flags.iter().filter(|flag| !ids.insert(&flag.id)) {
            out.push((flag.id.clone(), "stands twice".to_owned()));
        }
        let categories: BTreeSet<&String> = vocabulary.findings().iter().map(|f| &f.category).collect();
        for name in self.skin_categories.iter().filter(|name| !categories.contains(name)) {
            out.push(("skin_categories".to_owned(), format!("names the unknown category {name}")));
        }
        for id in self.frailty.iter().flat_map(|f| &f.any).chain(&self.skin_findings).filter(unknown) {
            out.push(("frailty or skin_findings".to_owned(), format!("names the unknown finding {id}")));
        }
        for level in ["E", "U", "R", "P", "N"].iter().filter(|level| !self.advice.contains_key(**level)) {
            out.push(("advice".to_owned(), format!("lacks the level {level}")));
        }
        out
    }
}

/// Joins the red flags with what the differential fears: the higher level counts. `told` words the model's fear of a disease.
pub(crate) fn urgency(
    red_flags: Option<Urgency>,
    feared: &[(f32, Triage, Bilingual)],
    raise_from: RaiseFrom,
    told: impl Fn(&Bilingual) -> Bilingual,
) -> Urgency {
    let mut urgency = red_flags.unwrap_or(Urgency { level: Triage::P, reasons: Vec::new() });
    let share = |level: Triage| feared.iter().filter(|(_, t, _)| *t >= level).map(|(p, ..)| p).sum::<f32>();
    let model = raise_from.iter().find(|(level, from)| share(*level) >= *from).map(|(level, _)| *level);
    if let Some(level) = model.filter(|level| *level > urgency.level) {
        urgency.level = level;
        if let Some((.., name)) = feared.iter().filter(|(_, t, _)| *t >= level).max_by(|a, b| a.0.total_cmp(&b.0)) {
            urgency.reasons.insert(0, told(name));
        }
    }
    urgency
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn level() -> impl Strategy<Value = Triage> {
        prop_oneof![Just(Triage::P), Just(Triage::R), Just(Triage::U), Just(Triage::E)]
    }

    proptest! {
        /// Whatever the differential says, it never lowers what the rules say.
        #[test]
        fn the_model_never_lowers_the_rules(
            rule in proptest::option::of(level()),
            feared in proptest::collection::vec((0f32..1.0, level()), 0..20),
        ) {
            let name = Bilingual { zh: "甲".into(), en: "a".into() };
            let feared: Vec<_> = feared.into_iter().map(|(p, t)| (p, t, name.clone())).collect();
            let flags = rule.map(|level| Urgency { level, reasons: vec![name.clone()] });
            let joined = urgency(flags, &feared, FOR_PATIENTS, Bilingual::clone);
            prop_assert!(joined.level >= rule.unwrap_or(Triage::P));
            if rule.is_some() {
                prop_assert!(joined.reasons.contains(&name));
            }
        }
    }
}

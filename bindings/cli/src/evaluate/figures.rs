//! The figures of an image model: the same definitions as models/training/evaluate.py.

use serde::Serialize;
use std::collections::BTreeMap;

/// Bins of equal width for the calibration error.
pub(super) const ECE_BINS: usize = 15;
/// Recall above which a disease counts as recognised (the bar of the 2018 platform).
const WELL_RECOGNISED: f64 = 0.95;

/// One picture with its true label and what the model said.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) label: usize,
    pub(super) p: Vec<f32>,
    pub(super) set: Vec<usize>,
    pub(super) named: bool,
    /// Column -> value, for the tables per group.
    pub(super) groups: BTreeMap<&'static str, String>,
}

impl Case {
    pub(super) fn guess(&self) -> usize {
        // The first of equals, as numpy's argmax.
        (0..self.p.len()).rev().max_by(|&a, &b| self.p[a].total_cmp(&self.p[b])).unwrap_or(0)
    }

    fn right(&self) -> bool {
        self.guess() == self.label
    }
}

#[derive(Debug, Serialize)]
pub(super) struct PerClass {
    n: usize,
    recall: f64,
    precision: f64,
    coverage90: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct PerGroup {
    n: usize,
    accuracy: f64,
    coverage90: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    n: usize,
    pub(super) accuracy: f64,
    pub(super) balanced_accuracy: f64,
    macro_f1: f64,
    top3: f64,
    auc_malignant: Option<f64>,
    ece: f64,
    coverage90: f64,
    mean_set_size: f64,
    named_fraction: f64,
    accuracy_when_named: Option<f64>,
    per_class: BTreeMap<String, PerClass>,
    per_group: BTreeMap<&'static str, BTreeMap<String, PerGroup>>,
    classes_over_95: usize,
    best_class: Option<String>,
}

impl Figures {
    /// Figures over cases in scope. `labels` are the names, `malignant` which of them are.
    pub(super) fn of(cases: &[Case], labels: &[String], malignant: &[bool]) -> Self {
        let share = |hit: &dyn Fn(&Case) -> bool, of: &[&Case]| ratio(of.iter().filter(|c| hit(c)).count(), of.len());
        let all: Vec<&Case> = cases.iter().collect();
        let covered = |c: &Case| c.set.contains(&c.label);
        let mut per_class = BTreeMap::new();
        let mut f1 = Vec::new();
        for (at, label) in labels.iter().enumerate() {
            let truly: Vec<&Case> = cases.iter().filter(|c| c.label == at).collect();
            if truly.is_empty() {
                continue;
            }
            let said: Vec<&Case> = cases.iter().filter(|c| c.guess() == at).collect();
            let recall = share(&|c| c.right(), &truly);
            let precision = if said.is_empty() { 0.0 } else { share(&|c| c.right(), &said) };
            f1.push(if recall + precision == 0.0 { 0.0 } else { 2.0 * recall * precision / (recall + precision) });
            per_class.insert(
                label.clone(),
                PerClass { n: truly.len(), recall, precision, coverage90: share(&covered, &truly) },
            );
        }
        let mut grouped: BTreeMap<&'static str, BTreeMap<String, Vec<&Case>>> = BTreeMap::new();
        for case in cases {
            for (column, value) in &case.groups {
                grouped.entry(column).or_default().entry(value.clone()).or_default().push(case);
            }
        }
        let per_group = grouped
            .into_iter()
            .map(|(column, values)| {
                let table = values
                    .into_iter()
                    .map(|(value, of)| {
                        (
                            value,
                            PerGroup {
                                n: of.len(),
                                accuracy: share(&|c| c.right(), &of),
                                coverage90: share(&covered, &of),
                            },
                        )
                    })
                    .collect();
                (column, table)
            })
            .collect();
        let named: Vec<&Case> = cases.iter().filter(|c| c.named).collect();
        let suspicion = |c: &Case| c.p.iter().zip(malignant).filter(|(_, m)| **m).map(|(p, _)| f64::from(*p)).sum();
        Self {
            n: cases.len(),
            accuracy: share(&|c| c.right(), &all),
            balanced_accuracy: mean(per_class.values().map(|c: &PerClass| c.recall)),
            macro_f1: mean(f1.into_iter()),
            top3: share(&|c| c.p.iter().filter(|p| **p > c.p[c.label]).count() < 3, &all),
            auc_malignant: auc(&cases.iter().map(|c| (suspicion(c), malignant[c.label])).collect::<Vec<_>>()),
            ece: calibration_error(cases),
            coverage90: share(&covered, &all),
            mean_set_size: mean(cases.iter().map(|c| c.set.len() as f64)),
            named_fraction: ratio(named.len(), cases.len()),
            accuracy_when_named: (!named.is_empty()).then(|| share(&|c| c.right(), &named)),
            classes_over_95: per_class.values().filter(|c| c.recall > WELL_RECOGNISED).count(),
            best_class: per_class
                .iter()
                .rev()
                .max_by(|a, b| a.1.recall.total_cmp(&b.1.recall))
                .map(|(label, _)| label.clone()),
            per_class,
            per_group,
        }
    }
}

/// Area under the ROC curve by ranks, ties counted half; `None` when one side is empty.
pub(super) fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<&(f64, bool)> = scored.iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|s| s.1).count();
    let negatives = scored.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut at = 0;
    while at < sorted.len() {
        let tied = sorted[at..].iter().take_while(|s| s.0 == sorted[at].0).count();
        let rank = at as f64 + (tied as f64 + 1.0) / 2.0;
        rank_sum += rank * sorted[at..at + tied].iter().filter(|s| s.1).count() as f64;
        at += tied;
    }
    let (p, n) = (positives as f64, negatives as f64);
    Some((rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// Mean confidence, accuracy and count per bin of the top probability.
pub(super) fn reliability(cases: &[Case]) -> Vec<(f64, f64, usize)> {
    let mut bins = vec![(0.0, 0.0, 0usize); ECE_BINS];
    for case in cases {
        let top = f64::from(case.p[case.guess()]);
        let bin = &mut bins[((top * ECE_BINS as f64) as usize).min(ECE_BINS - 1)];
        bin.0 += top;
        bin.1 += f64::from(u8::from(case.right()));
        bin.2 += 1;
    }
    bins.into_iter().map(|(top, right, n)| (top / n.max(1) as f64, right / n.max(1) as f64, n)).collect()
}

fn calibration_error(cases: &[Case]) -> f64 {
    let total = cases.len().max(1) as f64;
    reliability(cases)
        .into_iter()
        .map(|(confidence, accuracy, n)| n as f64 / total * (confidence - accuracy).abs())
        .sum()
}

pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(label: usize, p: &[f32], named: bool) -> Case {
        Case { label, p: p.to_vec(), set: vec![0], named, groups: BTreeMap::from([("sex", "female".to_owned())]) }
    }

    #[test]
    fn figures_by_hand() {
        let labels = ["A".to_owned(), "B".to_owned()];
        let cases = [case(0, &[0.9, 0.1], true), case(0, &[0.4, 0.6], false), case(1, &[0.2, 0.8], true)];
        let f = Figures::of(&cases, &labels, &[false, true]);
        assert!((f.accuracy - 2.0 / 3.0).abs() < 1e-9 && (f.balanced_accuracy - 0.75).abs() < 1e-9);
        assert_eq!(f.accuracy_when_named, Some(1.0));
        assert_eq!(f.auc_malignant, Some(1.0));
        assert_eq!((f.best_class.as_deref(), f.classes_over_95), (Some("B"), 1));
        assert!((f.coverage90 - 2.0 / 3.0).abs() < 1e-9);
        // |.9-1|/3 + |.6-0|/3 + |.8-1|/3
        assert!((f.ece - 0.3).abs() < 1e-6, "{}", f.ece);
    }

    #[test]
    fn auc_counts_ties_half() {
        assert_eq!(auc(&[(0.1, false), (0.9, true)]), Some(1.0));
        assert_eq!(auc(&[(0.5, false), (0.5, true)]), Some(0.5));
        assert_eq!(auc(&[(0.5, true)]), None);
    }
}

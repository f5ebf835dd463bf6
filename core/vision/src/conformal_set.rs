//! The 90 % set: the labels that cannot be ruled out. Its level is chosen in models/training (calibrate.py, `COVERAGE`);
//! the pack's manifest carries one threshold per label, found on pictures that the network had not seen.

use serde::Deserialize;

/// Class-conditional split-conformal thresholds (Vovk 2012, "Conditional validity of inductive conformal predictors").
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct ConformalSet {
    /// Largest `1 - p`, per label, at which the label stays in the set (models/PACK_FORMAT.md).
    thresholds: Vec<f32>,
}

impl ConformalSet {
    /// Number of labels that the thresholds are for.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.thresholds.len()
    }

    /// Indices of the labels in the set, likeliest first. The likeliest is always in it: an empty set tells a doctor nothing.
    /// `shift` is what the patient's groups add to the log-probabilities: above 0 the set is wider.
    #[must_use]
    pub fn of(&self, probabilities: &[f32], shift: f32) -> Vec<usize> {
        /// Rounding of the manifest's six decimals.
        const ROUNDING: f32 = 1e-6;
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let top = order.first().copied();
        let widened = shift.exp();
        order.retain(|&i| Some(i) == top || 1.0 - widened * probabilities[i] <= self.thresholds[i] + ROUNDING);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_reaches_its_threshold_and_always_the_likeliest() {
        let set = ConformalSet { thresholds: vec![0.5, 0.8, 0.95] };
        assert_eq!(set.of(&[0.6, 0.3, 0.1], 0.0), [0, 1, 2]);
        assert_eq!(set.of(&[0.3, 0.66, 0.04], 0.0), [1]);
        assert_eq!(set.of(&[0.45, 0.15, 0.04], 0.0), [0]);
        // A shift of ln 2 doubles what is compared, one of -ln 2 halves it.
        assert_eq!(set.of(&[0.45, 0.15, 0.04], 0.7), [0, 1, 2]);
        assert_eq!(set.of(&[0.6, 0.3, 0.1], -0.7), [0]);
    }
}

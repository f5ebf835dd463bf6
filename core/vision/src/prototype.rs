//! Classes that a hospital adds from its own confirmed pictures, without training: a class is the mean place of its pictures in the
//! space of the out-of-scope score (Snell, Swersky, Zemel 2017, "Prototypical networks for few-shot learning").
//! What it brings and costs was measured: models/REPORT.md, "Prototypes".

use crate::model::{Label, Scope, squared_distance};
use serde::{Deserialize, Serialize};

/// Fewest confirmed pictures. With fewer, no threshold keeps nine of ten unseen pictures: the rank `ceil(0.9 (n + 1))` exceeds `n`.
pub const LEAST_PICTURES: usize = 10;

/// Share of unseen pictures of the class that its set and its reach keep, as for the trained classes (models/training, `COVERAGE`).
const COVERAGE: f32 = 0.9;

/// A class made of confirmed pictures, as it stands in the manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prototype {
    /// The data's own name of it.
    pub label: String,
    /// The disease's slug in the encyclopedia.
    pub slug: String,
    /// Counts as malignant in evaluation.
    pub malignant: bool,
    /// How many confirmed pictures it was made of.
    pub pictures: usize,
    /// Their mean place.
    pub(crate) centre: Vec<f32>,
    /// Log-odds of the class against all trained ones: `slope * excess + offset`.
    slope: f32,
    offset: f32,
    /// Largest `1 - p` at which the class is in the set.
    set_threshold: f32,
    /// Largest squared distance to the centre at which a picture counts as in scope.
    reach: f32,
}

/// How a new class fared on what it was made of: every picture judged by a prototype of the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trial {
    /// Confirmed pictures.
    pub pictures: usize,
    /// Of these, put in the new class.
    pub recognised: usize,
    /// Share of the pack's own training pictures that the new class would take.
    pub taken: f32,
}

/// Why pictures do not make a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrototypeError {
    /// See [`LEAST_PICTURES`].
    #[error("a new class needs at least 10 confirmed pictures, these are {0}: collect more")]
    TooFew(usize),
    /// The pack has no `scope.reference`.
    #[error("this pack cannot be extended: fetch a newer one")]
    NoReference,
    /// Not even half of the pictures are recognised by the others: such a class would sit in most sets and tell nothing.
    #[error(
        "the pack cannot tell these pictures from the diseases that it knows (or from each other): they do not make a class of their own"
    )]
    Alike,
}

impl PrototypeError {
    /// The same sentence in Chinese.
    #[must_use]
    pub fn zh(self) -> String {
        match self {
            Self::TooFew(n) => format!("新类别至少需要10张已确诊的照片，现在只有{n}张：请继续收集"),
            Self::NoReference => "这个模型包不能扩展：请获取新版本".to_owned(),
            Self::Alike => "模型包分不清这些照片和它已认识的疾病，不能单独成为一类".to_owned(),
        }
    }
}

impl Prototype {
    /// A class of the places of confirmed pictures. `scope` holds the trained classes and the places of the training pictures, `trained`
    /// is the number of trained classes.
    pub(crate) fn fit(
        label: Label,
        places: &[Vec<f32>],
        scope: &Scope,
        trained: usize,
    ) -> Result<(Self, Trial), PrototypeError> {
        let n = places.len();
        if n < LEAST_PICTURES {
            return Err(PrototypeError::TooFew(n));
        }
        let reference = scope.reference().ok_or(PrototypeError::NoReference)?;
        let sum = (0..places[0].len()).map(|at| places.iter().map(|p| p[at]).sum::<f32>()).collect::<Vec<_>>();
        let centre: Vec<f32> = sum.iter().map(|s| s / n as f32).collect();
        // Each picture against the mean of the others, so that it does not vouch for itself.
        let alone: Vec<f32> = places
            .iter()
            .map(|place| {
                let others: Vec<f32> = sum.iter().zip(place).map(|(s, p)| (s - p) / (n - 1) as f32).collect();
                squared_distance(place, &others)
            })
            .collect();
        let own: Vec<f32> = places.iter().zip(&alone).map(|(place, alone)| scope.nearest(place) - alone).collect();
        let other: Vec<f32> = reference.map(|place| scope.nearest(place) - squared_distance(place, &centre)).collect();
        let ((own_mean, own_spread), (other_mean, other_spread)) = (moments(&own), moments(&other));
        let spread = f32::midpoint(own_spread, other_spread);
        if own_mean <= other_mean || spread <= 0.0 {
            return Err(PrototypeError::Alike);
        }
        // Two normal distributions of one spread; the new class is a priori as likely as any one of the trained.
        let slope = (own_mean - other_mean) / spread;
        let offset = -(own_mean * own_mean - other_mean * other_mean) / (2.0 * spread) - (trained as f32).ln();
        let mut made = Self {
            label: label.label,
            slug: label.slug,
            malignant: label.malignant,
            pictures: n,
            centre,
            slope,
            offset,
            set_threshold: 0.0,
            reach: quantile(alone),
        };
        let share = |excess: &f32| chance(made.odds_of(*excess));
        let trial = Trial {
            pictures: n,
            recognised: own.iter().filter(|e| share(e) > 0.5).count(),
            taken: other.iter().filter(|e| share(e) > 0.5).count() as f32 / other.len().max(1) as f32,
        };
        if trial.recognised * 2 < n {
            return Err(PrototypeError::Alike);
        }
        made.set_threshold = quantile(own.iter().map(|e| 1.0 - share(e)).collect());
        Ok((made, trial))
    }

    fn odds_of(&self, excess: f32) -> f32 {
        // e^60 is certain, and a sum of several stays finite.
        (self.slope * excess + self.offset).clamp(-60.0, 60.0).exp()
    }

    /// Odds of the class against all trained ones for a picture at `place` whose nearest trained class is `nearest` away, and whether it
    /// is within reach.
    pub(crate) fn judge(&self, place: &[f32], nearest: f32) -> Judged {
        let distance = squared_distance(place, &self.centre);
        Judged { odds: self.odds_of(nearest - distance), within_reach: distance <= self.reach }
    }

    /// Whether the class is in the 90 % set at these odds; other prototypes do not matter to it.
    pub(crate) fn in_set(&self, odds: f32) -> bool {
        /// Rounding of 32-bit floats.
        const ROUNDING: f32 = 1e-6;
        1.0 - chance(odds) <= self.set_threshold + ROUNDING
    }
}

/// A picture in the eyes of one prototype.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) odds: f32,
    pub(crate) within_reach: bool,
}

fn chance(odds: f32) -> f32 {
    odds / (1.0 + odds)
}

/// Mean and variance.
fn moments(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / (n - 1.0).max(1.0))
}

/// The split-conformal quantile at [`COVERAGE`]; needs [`LEAST_PICTURES`] values.
fn quantile(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    let rank = (COVERAGE * (values.len() + 1) as f32).ceil() as usize;
    values[rank.min(values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flat space with the identity as projection, one trained class at the origin, and training pictures around it.
    fn scope() -> Scope {
        let reference = (0..40).flat_map(|i| [0.1 * (i % 7) as f32 - 0.3, 0.1 * (i % 5) as f32 - 0.2]).collect();
        Scope { mean: vec![0.0; 2], projection: vec![1.0, 0.0, 0.0, 1.0], centres: vec![0.0, 0.0], reference }
    }

    fn label() -> Label {
        Label { label: "NEW".into(), slug: "new".into(), malignant: false, prototype_of: None }
    }

    fn around(x: f32, n: usize) -> Vec<Vec<f32>> {
        (0..n).map(|i| vec![x + 0.1 * (i % 4) as f32, 0.1 * (i % 3) as f32]).collect()
    }

    #[test]
    fn distant_pictures_make_a_class_that_takes_nothing_from_the_others() {
        let (made, trial) = Prototype::fit(label(), &around(4.0, 12), &scope(), 6).expect("a class");
        assert_eq!(trial, Trial { pictures: 12, recognised: 12, taken: 0.0 });
        let judge = |x: f32, y: f32| made.judge(&[x, y], scope().nearest(&[x, y]));
        assert!(judge(4.1, 0.1).odds > 1.0 && judge(4.1, 0.1).within_reach && made.in_set(judge(4.1, 0.1).odds));
        assert!(judge(0.1, 0.1).odds < 0.01 && !judge(0.1, 0.1).within_reach && !made.in_set(judge(0.1, 0.1).odds));
        // Nearer to the class than to the others, and yet like neither.
        assert!(judge(40.0, 0.0).odds > 1.0 && !judge(40.0, 0.0).within_reach);
    }

    #[test]
    fn the_share_grows_with_nearness_and_nine_of_ten_are_in_the_set() {
        let places = around(2.0, 20);
        let (made, _) = Prototype::fit(label(), &places, &scope(), 6).expect("a class");
        let odds = |x: f32| made.judge(&[x, 0.0], scope().nearest(&[x, 0.0])).odds;
        assert!(odds(0.5) < odds(1.0) && odds(1.0) < odds(2.0));
        let inside = places.iter().filter(|p| made.in_set(made.judge(p, scope().nearest(p)).odds)).count();
        assert!(inside >= 18, "{inside} of 20");
    }

    #[test]
    fn too_few_or_look_alikes_or_a_pack_without_reference_are_refused() {
        let fit = |places: &[Vec<f32>], scope: &Scope| Prototype::fit(label(), places, scope, 6).map(|_| ());
        assert_eq!(fit(&around(4.0, 9), &scope()), Err(PrototypeError::TooFew(9)));
        assert_eq!(fit(&around(-0.1, 12), &scope()), Err(PrototypeError::Alike));
        let bare = Scope { reference: Vec::new(), ..scope() };
        assert_eq!(fit(&around(4.0, 12), &bare), Err(PrototypeError::NoReference));
    }

    #[test]
    fn the_quantile_of_ten_is_the_largest() {
        assert_eq!(quantile((1..=10).map(|v| v as f32).collect()), 10.0);
        assert_eq!(quantile((1..=20).map(|v| v as f32).collect()), 19.0);
    }
}

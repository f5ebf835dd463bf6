//! The image model of a pack: preprocessing, network, calibration, scope, and the decision between naming and "cannot tell".

use crate::prototype::{Judged, Prototype, PrototypeError, Trial};
use crate::{ConformalSet, HeatMap, Picture, Quality, QualityReason};
use barefoot_nn::{Answer, Network, NetworkError};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a model pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest lacks something or has it twice.
    #[error("the model pack's manifest is not readable: {0}")]
    Manifest(#[from] serde_json::Error),
    /// The manifest, the network and the weights disagree.
    #[error("the model pack does not fit together: {0}")]
    Inconsistent(&'static str),
    /// The network does not run.
    #[error("the model pack's network is unusable: {0}")]
    Network(#[from] NetworkError),
}

/// One thing that the model can name.
#[derive(Debug, Clone, Deserialize)]
pub struct Label {
    /// The label in the training data, such as `BCC`.
    pub label: String,
    /// The disease's slug in the encyclopedia.
    pub slug: String,
    /// Counts as malignant in evaluation.
    #[serde(default)]
    pub malignant: bool,
    /// Where the class was not trained but added as a prototype: the number of confirmed pictures that it was made of.
    #[serde(skip)]
    pub prototype_of: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    id: String,
    version: String,
    input: Input,
    labels: Vec<Label>,
    calibration: Calibration,
    scope: ScopeLimits,
    metadata: Option<Metadata>,
    /// Findings that the photo itself gives a guess of; their likelihoods come from [`Guess`].
    #[serde(default)]
    guesses: Vec<String>,
    #[serde(default)]
    prototypes: Vec<Prototype>,
}

#[derive(Debug, Deserialize)]
struct Input {
    size: u32,
    fit: Fit,
    mean: [f32; 3],
    std: [f32; 3],
    /// Average the logits with those of the mirror image.
    #[serde(default)]
    flip_average: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fit {
    /// Shorter side to size, then the centre.
    Cover,
    /// Both sides to size.
    Squash,
}

#[derive(Debug, Deserialize)]
struct Calibration {
    temperature: f32,
    set_thresholds: ConformalSet,
    /// What known findings (for the photo alone: guessed ones) add to the log-probabilities before they are compared with `set_thresholds`.
    #[serde(default)]
    set_shifts: BTreeMap<String, f32>,
    /// Least calibrated probability, per label, at which the likeliest label is named; above 1 means never.
    named_thresholds: Vec<f32>,
}

#[derive(Debug, Deserialize)]
struct ScopeLimits {
    threshold: f32,
}

/// What is known of the patient and lesion, as additive logits.
#[derive(Debug, Deserialize)]
struct Metadata {
    photo_weight: f32,
    bias: Vec<f32>,
    indicators: BTreeMap<String, Vec<f32>>,
    calibration: Calibration,
}

/// What the model dares to say of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The likeliest label is well enough supported to be named.
    Named,
    /// A skin lesion that the model cannot put a name to.
    CannotTell,
    /// No skin in the picture.
    NotSkin,
    /// Not good enough to look at.
    BadPhoto,
}

/// A label with its calibrated probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassProbability {
    /// Disease slug.
    pub slug: String,
    /// 0 to 1; all of one photo add up to 1.
    pub p: f32,
    /// Added by a hospital from confirmed pictures, not trained.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prototype: bool,
}

/// The model's look at one photo.
#[derive(Debug, Clone)]
pub struct Look {
    /// What it dares to say.
    pub outcome: Outcome,
    /// Whether the picture resembles what the model was trained on.
    pub in_scope: bool,
    /// Squared distance to the training pictures; larger is stranger.
    pub scope_score: f32,
    /// Every label in the pack's order; for a photo that is out of scope, only what a forced answer would be.
    pub probabilities: Vec<f32>,
    /// Indices of the 90 % set, likeliest first.
    pub set: Vec<usize>,
    /// Of the trained labels among themselves, from the photo alone.
    trained: Vec<f32>,
    /// Whether the picture resembles what the network was trained on.
    trained_in_scope: bool,
    /// In the eyes of each prototype.
    judged: Vec<Judged>,
}

/// A pack's model, ready to look at photos. A look does no I/O.
#[derive(Debug)]
pub struct ImageModel {
    manifest: Manifest,
    /// The trained labels, then the prototypes.
    labels: Vec<Label>,
    network: Network,
    scope: Scope,
    guess: Guess,
    /// `[labels][channels]`, for the heat map.
    head: Vec<f32>,
}

/// Distance to the training pictures in a whitened feature space (Lee et al. 2018, Mahalanobis score).
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) mean: Vec<f32>,
    pub(crate) projection: Vec<f32>,
    pub(crate) centres: Vec<f32>,
    /// Places of training pictures, for a pack that can be extended.
    pub(crate) reference: Vec<f32>,
}

impl Scope {
    /// Dimensions of the space.
    fn dimensions(&self) -> usize {
        self.projection.len() / self.mean.len()
    }

    /// Where a picture lies in the space.
    fn place(&self, features: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = features.iter().zip(&self.mean).map(|(f, m)| f - m).collect();
        self.projection.chunks_exact(centred.len()).map(|row| dot(row, &centred)).collect()
    }

    /// Squared distance to the nearest class.
    pub(crate) fn nearest(&self, place: &[f32]) -> f32 {
        let distances = self.centres.chunks_exact(place.len()).map(|centre| squared_distance(centre, place));
        distances.fold(f32::INFINITY, f32::min)
    }

    /// Places of training pictures; `None` where the pack has none.
    pub(crate) fn reference(&self) -> Option<impl Iterator<Item = &[f32]>> {
        (!self.reference.is_empty()).then(|| self.reference.chunks_exact(self.dimensions()))
    }
}

/// How likely each of the manifest's `guesses` is, from where a picture lies in the scope's space: softmax of a linear map.
#[derive(Debug, Default)]
struct Guess {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Guess {
    /// One share for each guess; together 1.
    fn shares(&self, place: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(place.len());
        let said: Vec<f32> = rows.zip(&self.bias).map(|(row, bias)| dot(row, place) + bias).collect();
        softmax(&said, 1.0)
    }
}

pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

impl ImageModel {
    /// Builds the model from a verified pack's `manifest.json`, `network.json` and `weights.safetensors`. No I/O.
    ///
    /// # Errors
    /// When the three are not readable or do not fit together.
    pub fn from_pack(manifest: &str, network: &str, weights: &[u8]) -> Result<Self, ModelError> {
        let manifest: Manifest = serde_json::from_str(manifest)?;
        let network = Network::new(network, weights, manifest.input.size as usize)?;
        let extra = |name| {
            let (shape, values) = network
                .extra(name)
                .ok_or(ModelError::Inconsistent("a tensor of the scope or of the guesses is missing"))?;
            Ok::<_, ModelError>((shape.to_vec(), values.to_vec()))
        };
        let (_, mean) = extra("scope.mean")?;
        let (projection_shape, projection) = extra("scope.projection")?;
        let (centres_shape, centres) = extra("scope.centres")?;
        let (head_shape, head) = extra("head.weight")?;
        let reference = network.extra("scope.reference").map_or(Vec::new(), |(_, values)| values.to_vec());
        let classes = manifest.labels.len();
        let calibrated = |c: &Calibration| {
            c.set_thresholds.labels() == classes && c.named_thresholds.len() == classes && c.temperature > 0.0
        };
        let metadata_fits = manifest.metadata.as_ref().is_none_or(|m| {
            m.bias.len() == classes && m.indicators.values().all(|v| v.len() == classes) && calibrated(&m.calibration)
        });
        if classes == 0 || !calibrated(&manifest.calibration) || !metadata_fits {
            return Err(ModelError::Inconsistent("the labels and the calibration differ in number"));
        }
        let scope_fits = matches!((&projection_shape[..], &centres_shape[..]),
            ([k, n], [c, m]) if *n == mean.len() && k == m && *c > 0 && *k > 0 && *n > 0
                && reference.len().is_multiple_of(*k) && manifest.prototypes.iter().all(|p| p.centre.len() == *k));
        if !scope_fits || head_shape.first() != Some(&classes) || manifest.input.size == 0 {
            return Err(ModelError::Inconsistent("the tensors' shapes differ"));
        }
        let mut guess = Guess::default();
        if !manifest.guesses.is_empty() {
            let (weight_shape, weight) = extra("guess.weight")?;
            let (_, bias) = extra("guess.bias")?;
            if weight_shape != [manifest.guesses.len(), projection_shape[0]] || bias.len() != manifest.guesses.len() {
                return Err(ModelError::Inconsistent("the guesses and their tensors differ in number"));
            }
            guess = Guess { weight, bias };
        }
        let added = manifest.prototypes.iter().map(|p| Label {
            label: p.label.clone(),
            slug: p.slug.clone(),
            malignant: p.malignant,
            prototype_of: Some(p.pictures),
        });
        let labels = manifest.labels.iter().cloned().chain(added).collect();
        Ok(Self { manifest, labels, network, scope: Scope { mean, projection, centres, reference }, guess, head })
    }

    /// The pack's id and version.
    #[must_use]
    pub fn pack(&self) -> String {
        format!("{} {}", self.manifest.id, self.manifest.version)
    }

    /// What the model can name, in the order of [`Look::probabilities`].
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The shorter side, pixels, from which on a photo has all the detail that a look uses: half as much again as the network's input, so
    /// that the last reduction still averages.
    #[must_use]
    pub fn least_side(&self) -> u32 {
        self.manifest.input.size.saturating_mul(3) / 2
    }

    /// Looks at a photo alone. No I/O.
    ///
    /// # Errors
    /// When the network does not run.
    pub fn look(&self, picture: &Picture, quality: &Quality) -> Result<Look, ModelError> {
        Ok(self.look_closely(picture, quality)?.0)
    }

    /// As [`ImageModel::look`], with the map of where the likeliest trained label of the photo alone was seen.
    ///
    /// # Errors
    /// As [`ImageModel::look`].
    pub fn look_with_map(&self, picture: &Picture, quality: &Quality) -> Result<(Look, HeatMap), ModelError> {
        let (look, answer) = self.look_closely(picture, quality)?;
        let map = self.heat_map(&answer, argmax(&look.trained), picture);
        Ok((look, map))
    }

    fn look_closely(&self, picture: &Picture, quality: &Quality) -> Result<(Look, Answer), ModelError> {
        let input = self.input(picture);
        let mirrored = self.manifest.input.flip_average.then(|| mirror(&input, self.manifest.input.size as usize));
        let answer = self.answer(input)?;
        let mut logits = answer.logits.clone();
        if let Some(mirrored) = mirrored {
            let other = self.network.forward(mirrored)?;
            for (logit, other) in logits.iter_mut().zip(other.logits) {
                *logit = f32::midpoint(*logit, other);
            }
        }
        // Temperature scaling (Guo et al. 2017).
        let trained = softmax(&logits, self.manifest.calibration.temperature);
        let place = self.scope.place(&answer.features);
        let scope_score = self.scope.nearest(&place);
        let look = Look {
            outcome: match quality.reasons[..] {
                [] => Outcome::CannotTell,
                [QualityReason::NoSkin] => Outcome::NotSkin,
                _ => Outcome::BadPhoto,
            },
            in_scope: false,
            scope_score,
            probabilities: Vec::new(),
            set: Vec::new(),
            trained_in_scope: scope_score <= self.manifest.scope.threshold,
            judged: self.manifest.prototypes.iter().map(|p| p.judge(&place, scope_score)).collect(),
            trained: trained.clone(),
        };
        let shifts = &self.manifest.calibration.set_shifts;
        let guesses = self.manifest.guesses.iter().zip(self.guess.shares(&place));
        let shift = guesses.map(|(name, share)| share * shifts.get(name).unwrap_or(&0.0)).sum();
        Ok((self.decided(look, &trained, &self.manifest.calibration, shift), answer))
    }

    /// The network's answer, its sizes checked.
    fn answer(&self, input: Vec<f32>) -> Result<Answer, ModelError> {
        let answer = self.network.forward(input)?;
        let classes = self.manifest.labels.len();
        if answer.logits.len() != classes
            || answer.features.len() != self.scope.mean.len()
            || self.head.len() != classes * answer.map_shape.2
        {
            return Err(ModelError::Inconsistent("the network's answers and the tables differ in size"));
        }
        Ok(answer)
    }

    /// The same photo with what else is known: `indicators` are the pack's names, such as `region=FACE` or `itch=true`;
    /// names that the pack lacks add nothing, and so does a pack without such a table. Prototypes know no findings. No I/O.
    #[must_use]
    pub fn reconsider(&self, look: &Look, indicators: &[String]) -> Look {
        let Some(metadata) = self.manifest.metadata.as_ref().filter(|_| !indicators.is_empty()) else {
            return look.clone();
        };
        let mut sum: Vec<f32> = look
            .trained
            .iter()
            .zip(&metadata.bias)
            .map(|(p, bias)| metadata.photo_weight * p.max(f32::MIN_POSITIVE).ln() + bias)
            .collect();
        for shift in indicators.iter().filter_map(|name| metadata.indicators.get(name)) {
            for (logit, shift) in sum.iter_mut().zip(shift) {
                *logit += shift;
            }
        }
        let trained = softmax(&sum, metadata.calibration.temperature);
        let shift = indicators.iter().filter_map(|name| metadata.calibration.set_shifts.get(name)).sum();
        self.decided(look.clone(), &trained, &metadata.calibration, shift)
    }

    /// A class made of confirmed pictures, given by their [`ImageModel::place`]s, and how it fares on them. No I/O.
    ///
    /// # Errors
    /// When there are too few, they make no class, or the pack cannot be extended.
    pub fn prototype(&self, label: Label, places: &[Vec<f32>]) -> Result<(Prototype, Trial), PrototypeError> {
        Prototype::fit(label, places, &self.scope, self.manifest.labels.len())
    }

    /// Where a photo lies in the space of the out-of-scope score. No I/O.
    ///
    /// # Errors
    /// When the network does not run.
    pub fn place(&self, picture: &Picture) -> Result<Vec<f32>, ModelError> {
        Ok(self.scope.place(&self.answer(self.input(picture))?.features))
    }

    /// Joins trained labels and prototypes, fills in the 90 % set, and names the likeliest label of a usable photo in scope when it is
    /// sure enough. `trained` are the trained labels' probabilities among themselves; `shift` widens their set.
    ///
    /// A prototype enters the set but never leaves anything out of it, and is never named: of 10 to 50 pictures of one hospital nobody can
    /// say that it is right in 85 %. A likely prototype does keep a trained label from being named.
    fn decided(&self, mut look: Look, trained: &[f32], calibration: &Calibration, shift: f32) -> Look {
        let share = 1.0 + look.judged.iter().map(|j| j.odds).sum::<f32>();
        look.probabilities =
            trained.iter().copied().chain(look.judged.iter().map(|j| j.odds)).map(|p| p / share).collect();
        let best = argmax(&look.probabilities);
        let first_prototype = trained.len();
        let reached = best.checked_sub(first_prototype).is_some_and(|at| look.judged[at].within_reach);
        look.in_scope = look.trained_in_scope || reached;

        // A picture that only a prototype knows gets none of the others' names.
        look.set =
            if reached && !look.trained_in_scope { Vec::new() } else { calibration.set_thresholds.of(trained, shift) };
        let joining = self.manifest.prototypes.iter().zip(&look.judged).enumerate();
        look.set.extend(joining.filter(|(_, (p, j))| p.in_set(j.odds)).map(|(at, _)| first_prototype + at));
        if !look.set.contains(&best) {
            look.set.push(best);
        }
        look.set.sort_by(|&a, &b| look.probabilities[b].total_cmp(&look.probabilities[a]));

        if matches!(look.outcome, Outcome::Named | Outcome::CannotTell) {
            let threshold = calibration.named_thresholds.get(best).copied();
            let sure = look.trained_in_scope && threshold.is_some_and(|t| look.probabilities[best] >= t);
            look.outcome = if sure { Outcome::Named } else { Outcome::CannotTell };
        }
        look
    }

    /// The part of the photo that the network sees, at the network's size. No I/O.
    #[must_use]
    pub fn fitted(&self, picture: &Picture) -> RgbImage {
        let Input { size, fit, .. } = self.manifest.input;
        let rgb = picture.rgb();
        match fit {
            Fit::Squash => resize(rgb, size, size),
            Fit::Cover => {
                // A strip of 8192 x 1 must not be blown up: what is far outside the centre is cut off first.
                let rgb = &centre(rgb);
                let (width, height) = cover(rgb.dimensions(), size);
                let scaled = resize(rgb, width, height);
                image::imageops::crop_imm(&scaled, (width - size) / 2, (height - size) / 2, size, size).to_image()
            }
        }
    }

    /// The photo as the network wants it: `[3][size][size]`.
    fn input(&self, picture: &Picture) -> Vec<f32> {
        let Input { size, mean, std, .. } = self.manifest.input;
        let small = self.fitted(picture);
        let plane = (size * size) as usize;
        let mut input = vec![0f32; 3 * plane];
        for (at, pixel) in small.pixels().enumerate() {
            for channel in 0..3 {
                input[channel * plane + at] = (f32::from(pixel.0[channel]) / 255.0 - mean[channel]) / std[channel];
            }
        }
        input
    }

    /// Class activation map (Zhou et al. 2016): exact for a network that ends in pooling and one linear layer.
    fn heat_map(&self, answer: &Answer, class: usize, picture: &Picture) -> HeatMap {
        let (rows, columns, channels) = answer.map_shape;
        let weights = &self.head[class * channels..(class + 1) * channels];
        let heat = answer.map.chunks_exact(channels).map(|cell| dot(cell, weights)).collect();
        let (width, height) = picture.rgb().dimensions();
        let seen = match self.manifest.input.fit {
            Fit::Squash => (0, 0, width, height),
            Fit::Cover => {
                let side = width.min(height);
                ((width - side) / 2, (height - side) / 2, side, side)
            }
        };
        HeatMap::new(heat, columns, rows, seen)
    }
}

/// The picture, at most four times as long as wide: pixels further out never reach the centre square, nor the filter around it.
fn centre(rgb: &RgbImage) -> std::borrow::Cow<'_, RgbImage> {
    const LONGEST: u32 = 4;
    let (width, height) = rgb.dimensions();
    let limit = width.min(height).saturating_mul(LONGEST);
    if width.max(height) <= limit {
        return std::borrow::Cow::Borrowed(rgb);
    }
    let (w, h) = (width.min(limit), height.min(limit));
    std::borrow::Cow::Owned(image::imageops::crop_imm(rgb, (width - w) / 2, (height - h) / 2, w, h).to_image())
}

/// The pack's name of an age: its decade, `age=60` for 60 to 69 and `age=90` from 90 on (models/PACK_FORMAT.md, "Findings").
#[must_use]
pub fn age_indicator(years: f32) -> String {
    format!("age={}", ((years / 10.0) as i32 * 10).clamp(0, 90))
}

/// Width and height after the shorter side is brought to `size`, rounded as in models/training/data.py.
fn cover((width, height): (u32, u32), size: u32) -> (u32, u32) {
    let scale = f64::from(size) / f64::from(width.min(height));
    let scaled = |length: u32| ((f64::from(length) * scale).round_ties_even() as u32).max(size);
    (scaled(width), scaled(height))
}

/// Antialiased bilinear resize, equal to Pillow's.
pub(crate) fn resize(rgb: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut out = RgbImage::new(width, height);
    let (from_width, from_height) = rgb.dimensions();
    let source = TypedImageRef::<U8x3>::from_buffer(from_width, from_height, rgb.as_raw());
    let target = TypedImage::<U8x3>::from_buffer(width, height, &mut out);
    if let (Ok(source), Ok(mut target)) = (source, target) {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        // Fails only where the part to read lies outside of the source. Typed: `resize` would carry code for 13 kinds of pixel, 2 MB.
        let _ = Resizer::new().resize_typed(&source, &mut target, &options);
    }
    out
}

fn mirror(input: &[f32], size: usize) -> Vec<f32> {
    input.chunks_exact(size).flat_map(|row| row.iter().rev().copied()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|l| ((l - top) / temperature).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.into_iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_adds_up_to_one_and_temperature_flattens() {
        let sharp = softmax(&[1.0, 3.0, -200.0], 1.0);
        let flat = softmax(&[1.0, 3.0, -200.0], 4.0);
        assert!((sharp.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(flat[1] < sharp[1] && argmax(&flat) == 1);
    }

    #[test]
    fn a_guess_leans_to_the_direction_that_the_picture_lies_in() {
        let guess = Guess { weight: vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0], bias: vec![0.0, 0.0, 0.5] };
        let shares = guess.shares(&[2.0, 0.0]);
        let sum = 2f32.exp() + 1.0 + (-1.5f32).exp();
        for (share, expected) in shares.iter().zip([2f32.exp() / sum, 1.0 / sum, (-1.5f32).exp() / sum]) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
        assert!(Guess::default().shares(&[2.0, 0.0]).is_empty());
    }

    #[test]
    fn cover_never_leaves_a_gap() {
        for (width, height) in [(1, 1), (300, 225), (225, 300), (223, 225), (4000, 3000), (17, 8192)] {
            let (w, h) = cover((width, height), 224);
            assert!(w.min(h) == 224, "{width}x{height} -> {w}x{h}");
        }
    }

    #[test]
    fn mirror_turns_rows_around() {
        assert_eq!(mirror(&[1.0, 2.0, 3.0, 4.0], 2), [2.0, 1.0, 4.0, 3.0]);
    }
}

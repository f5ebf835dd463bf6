//! The image model of a pack: preprocessing, network, calibration, scope, and the decision between naming and "cannot tell".

use crate::{ConformalSet, HeatMap, Picture, Quality, QualityReason};
use barefoot_nn::{Answer, Network, NetworkError};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
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
    /// Least calibrated probability at which the likeliest label is named.
    named_threshold: f32,
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
    /// Where the likeliest label was seen.
    pub heat_map: HeatMap,
}

/// A pack's model, ready to look at photos. A look does no I/O.
#[derive(Debug)]
pub struct ImageModel {
    manifest: Manifest,
    network: Network,
    scope: Scope,
    /// `[labels][channels]`, for the heat map.
    head: Vec<f32>,
}

/// Distance to the training pictures in a whitened feature space (Lee et al. 2018, Mahalanobis score).
#[derive(Debug)]
struct Scope {
    mean: Vec<f32>,
    projection: Vec<f32>,
    centres: Vec<f32>,
}

impl Scope {
    fn score(&self, features: &[f32]) -> f32 {
        let centred: Vec<f32> = features.iter().zip(&self.mean).map(|(f, m)| f - m).collect();
        let projected: Vec<f32> = self.projection.chunks_exact(centred.len()).map(|row| dot(row, &centred)).collect();
        self.centres
            .chunks_exact(projected.len())
            .map(|centre| centre.iter().zip(&projected).map(|(c, p)| (c - p) * (c - p)).sum())
            .fold(f32::INFINITY, f32::min)
    }
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
            let (shape, values) = network.extra(name).ok_or(ModelError::Inconsistent("a scope tensor is missing"))?;
            Ok::<_, ModelError>((shape.to_vec(), values.to_vec()))
        };
        let (_, mean) = extra("scope.mean")?;
        let (projection_shape, projection) = extra("scope.projection")?;
        let (centres_shape, centres) = extra("scope.centres")?;
        let (head_shape, head) = extra("head.weight")?;
        let classes = manifest.labels.len();
        let calibrated = |c: &Calibration| c.set_thresholds.labels() == classes && c.temperature > 0.0;
        let metadata_fits = manifest.metadata.as_ref().is_none_or(|m| {
            m.bias.len() == classes && m.indicators.values().all(|v| v.len() == classes) && calibrated(&m.calibration)
        });
        if classes == 0 || !calibrated(&manifest.calibration) || !metadata_fits {
            return Err(ModelError::Inconsistent("the labels and the calibration differ in number"));
        }
        let scope_fits = matches!((&projection_shape[..], &centres_shape[..]),
            ([k, n], [c, m]) if *n == mean.len() && k == m && *c > 0 && *k > 0);
        if !scope_fits || head_shape.first() != Some(&classes) || manifest.input.size == 0 {
            return Err(ModelError::Inconsistent("the tensors' shapes differ"));
        }
        Ok(Self { manifest, network, scope: Scope { mean, projection, centres }, head })
    }

    /// The pack's id and version.
    #[must_use]
    pub fn pack(&self) -> String {
        format!("{} {}", self.manifest.id, self.manifest.version)
    }

    /// What the model can name, in the order of [`Look::probabilities`].
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.manifest.labels
    }

    /// Looks at a photo alone. No I/O.
    ///
    /// # Errors
    /// When the network does not run.
    pub fn look(&self, picture: &Picture, quality: &Quality) -> Result<Look, ModelError> {
        let input = self.input(picture);
        let answer = self.network.forward(&input)?;
        let mut logits = answer.logits.clone();
        let classes = self.labels().len();
        if logits.len() != classes
            || answer.features.len() != self.scope.mean.len()
            || self.head.len() != classes * answer.map_shape.0
        {
            return Err(ModelError::Inconsistent("the network's answers and the tables differ in size"));
        }
        if self.manifest.input.flip_average {
            let mirrored = mirror(&input, self.manifest.input.size as usize);
            let other = self.network.forward(&mirrored)?;
            for (logit, other) in logits.iter_mut().zip(other.logits) {
                *logit = f32::midpoint(*logit, other);
            }
        }
        // Temperature scaling (Guo et al. 2017).
        let probabilities = softmax(&logits, self.manifest.calibration.temperature);
        let scope_score = self.scope.score(&answer.features);
        let heat_map = self.heat_map(&answer, argmax(&probabilities), picture);
        let look = Look {
            outcome: match quality.reasons[..] {
                [] => Outcome::CannotTell,
                [QualityReason::NoSkin] => Outcome::NotSkin,
                _ => Outcome::BadPhoto,
            },
            in_scope: scope_score <= self.manifest.scope.threshold,
            scope_score,
            probabilities,
            set: Vec::new(),
            heat_map,
        };
        Ok(decided(look, &self.manifest.calibration))
    }

    /// The same photo with what else is known: `indicators` are the pack's names, such as `region=FACE` or `itch=true`;
    /// names that the pack lacks add nothing, and so does a pack without such a table. No I/O.
    #[must_use]
    pub fn reconsider(&self, look: &Look, indicators: &[String]) -> Look {
        let Some(metadata) = self.manifest.metadata.as_ref().filter(|_| !indicators.is_empty()) else {
            return look.clone();
        };
        let mut sum: Vec<f32> = look
            .probabilities
            .iter()
            .zip(&metadata.bias)
            .map(|(p, bias)| metadata.photo_weight * p.max(f32::MIN_POSITIVE).ln() + bias)
            .collect();
        for shift in indicators.iter().filter_map(|name| metadata.indicators.get(name)) {
            for (logit, shift) in sum.iter_mut().zip(shift) {
                *logit += shift;
            }
        }
        let probabilities = softmax(&sum, metadata.calibration.temperature);
        decided(Look { probabilities, ..look.clone() }, &metadata.calibration)
    }

    /// The photo as the network wants it: `[3][size][size]`.
    fn input(&self, picture: &Picture) -> Vec<f32> {
        let Input { size, fit, mean, std, .. } = self.manifest.input;
        let rgb = picture.rgb();
        let small = match fit {
            Fit::Squash => resize(rgb, size, size),
            Fit::Cover => {
                // A strip of 8192 x 1 must not be blown up: what is far outside the centre is cut off first.
                let rgb = &centre(rgb);
                let (width, height) = cover(rgb.dimensions(), size);
                let scaled = resize(rgb, width, height);
                image::imageops::crop_imm(&scaled, (width - size) / 2, (height - size) / 2, size, size).to_image()
            }
        };
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
        let (channels, rows, columns) = answer.map_shape;
        let weights = &self.head[class * channels..(class + 1) * channels];
        let mut heat = vec![0f32; rows * columns];
        for (plane, weight) in answer.map.chunks_exact(rows * columns).zip(weights) {
            for (cell, value) in heat.iter_mut().zip(plane) {
                *cell += weight * value;
            }
        }
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

/// Fills in the 90 % set, and names the likeliest label of a usable photo in scope when it is sure enough.
fn decided(mut look: Look, calibration: &Calibration) -> Look {
    look.set = calibration.set_thresholds.of(&look.probabilities);
    if matches!(look.outcome, Outcome::Named | Outcome::CannotTell) {
        let sure = look.in_scope && look.probabilities[argmax(&look.probabilities)] >= calibration.named_threshold;
        look.outcome = if sure { Outcome::Named } else { Outcome::CannotTell };
    }
    look
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
    let mut pixels = rgb.as_raw().clone();
    let source = Image::from_slice_u8(from_width, from_height, &mut pixels, PixelType::U8x3);
    let target = Image::from_slice_u8(width, height, &mut out, PixelType::U8x3);
    if let (Ok(source), Ok(mut target)) = (source, target) {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        // Fails only where source and target differ in pixel type.
        let _ = Resizer::new().resize(&source, &mut target, &options);
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

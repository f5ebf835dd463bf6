//! 8-bit layers: `real = scale * (byte - zero)` for activations, one scale per output channel and no zero for weights. Sums are exact in 32
//! bits, so every instruction set gives the same bytes.
//!
//! A layer's answer is `round(sum * scale) + zero` at the nearest byte. What an activation cuts off (below 0, above 6) lies outside of the
//! bytes' range, so no clamping is left to do.

pub(crate) mod conv;
pub(crate) mod convert;
pub(crate) mod depthwise;

use crate::memory::Aligned;
use crate::simd::int8::{Simd8, channel};
use std::ops::Range;

/// Bytes of a pixel are a multiple of this: the most lanes that a vector of sums has.
pub(crate) const PIXEL: usize = 16;

/// Numbers stay below this, so that sums and conversions are exact: 2^30.
const LIMIT: f64 = (1u32 << 30) as f64;

/// What the bytes of a value mean: `real = scale * (byte - zero)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quant {
    pub(crate) scale: f32,
    /// The byte of 0.0; whole, but for the picture, whose own grey levels need not hold 0.0.
    pub(crate) zero: f32,
}

impl Quant {
    /// Bytes that reach from `low` to `high`, widened to hold 0.0 (which borders are made of); `None` for no such range.
    pub(crate) fn of([low, high]: [f32; 2]) -> Option<Self> {
        let quant = Self::exact([low, high])?;
        Some(Self { zero: quant.zero.round_ties_even(), ..quant })
    }

    /// The same, where the ends themselves are bytes.
    pub(crate) fn exact([low, high]: [f32; 2]) -> Option<Self> {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / 255.0;
        (scale.is_normal() && scale.is_finite()).then(|| Self { scale, zero: -low / scale })
    }

    /// The byte nearest to 0.0.
    pub(crate) fn zero(self) -> i32 {
        self.zero.round_ties_even() as i32
    }
}

/// What one layer reads and writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) input: Quant,
    /// `None`: floats.
    pub(crate) output: Option<Quant>,
}

/// A layer's weights in 8 bits, its bias and its scales, per output channel.
pub(crate) struct Layer8 {
    /// As the weights that it was made of.
    weights: Vec<i8>,
    bias: Vec<i32>,
    scales: Vec<f32>,
}

impl Layer8 {
    /// Quantises `weights` (`[outputs][...]`) and `bias`; `None` where the ranges are so far apart that 32 bits do not hold the sums.
    /// `shift` is [`Simd8::SHIFT`].
    pub(crate) fn of(weights: &[f32], bias: &[f32], ends: Ends, shift: i32) -> Option<Self> {
        let each = weights.len() / bias.len();
        let mut this = Self { weights: Vec::with_capacity(weights.len()), bias: Vec::new(), scales: Vec::new() };
        let input = f64::from(ends.input.scale);
        for (row, &bias) in weights.chunks_exact(each).zip(bias) {
            let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
            // A channel of tiny weights and a large bias is mostly its bias.
            let scale = f64::from(largest / 127.0).max(f64::from(bias.abs()) / (input * f64::from(1 << 24)));
            let scale = if scale > 0.0 { scale } else { 1.0 };
            let own = row.iter().map(|&w| (f64::from(w) / scale).round_ties_even() as i8);
            this.weights.extend(own);
            let own = &this.weights[this.weights.len() - each..];
            let (sum, size) = own.iter().fold((0i64, 0i64), |(sum, size), &w| {
                let w = i64::from(w);
                (sum + w, size + w.abs())
            });
            let zero = f64::from(ends.input.zero) * sum as f64;
            let start = (f64::from(bias) / (input * scale) - zero).round_ties_even() as i64 - i64::from(shift) * sum;
            let step = input * scale / ends.output.map_or(1.0, |output| f64::from(output.scale));
            let most = (start.abs() + 255 * size) as f64;
            // A sum of bytes must fit; and what it comes to, unless floats are wanted.
            if !(most < LIMIT && (ends.output.is_none() || most * step < LIMIT)) {
                return None;
            }
            this.bias.push(start as i32);
            this.scales.push(step as f32);
        }
        Some(this)
    }
}

/// Some vectors of output channels that are computed together: four, and fewer at the end.
#[derive(Debug, Clone, Copy)]
struct Panel {
    first: usize,
    vectors: usize,
}

fn panels(channels: usize, lanes: usize) -> Vec<Panel> {
    let all = channels.div_ceil(lanes);
    (0..all).step_by(4).map(|first| Panel { first, vectors: (all - first).min(4) }).collect()
}

/// Weights packed for one instruction set: panel by panel, the four products of every lane that belong to one step, then the next step's.
#[derive(Debug)]
pub(crate) struct Packed {
    weights: Aligned<i8>,
    bias: Aligned<i32>,
    scales: Aligned<f32>,
    panels: Vec<Panel>,
    lanes: usize,
    /// Steps of four products.
    steps: usize,
}

impl Packed {
    /// Packs `weight(layer's weights, output channel, step, product)`.
    fn new<S: Simd8>(layer: &Layer8, steps: usize, weight: impl Fn(&[i8], usize, usize, usize) -> i8) -> Self {
        let channels = layer.bias.len();
        let all = channels.div_ceil(S::LANES) * S::LANES;
        let mut this = Self {
            weights: Aligned::zeroed(all * steps * 4),
            bias: Aligned::zeroed(all),
            scales: Aligned::zeroed(all),
            panels: panels(channels, S::LANES),
            lanes: S::LANES,
            steps,
        };
        let mut at = 0;
        for panel in &this.panels {
            let first = panel.first * S::LANES;
            let lanes = (0..panel.vectors).flat_map(|v| (0..S::LANES).map(move |i| (v, i)));
            let outputs: Vec<usize> = lanes.map(|(v, i)| first + channel(S::LANES, panel.vectors, v, i)).collect();
            for (place, &o) in outputs.iter().enumerate().filter(|&(_, &o)| o < channels) {
                this.bias[first + place] = layer.bias[o];
                this.scales[first + place] = layer.scales[o];
            }
            for step in 0..steps {
                for &o in &outputs {
                    if o < channels {
                        for product in 0..4 {
                            this.weights[at + product] = weight(&layer.weights, o, step, product);
                        }
                    }
                    at += 4;
                }
            }
        }
        this
    }

    pub(crate) fn panels(&self) -> usize {
        self.panels.len()
    }

    /// Which vectors of output channels a panel holds.
    fn vectors(&self, panel: usize) -> Range<usize> {
        let Panel { first, vectors } = self.panels[panel];
        first..first + vectors
    }

    /// Where a panel's weights, biases and scales begin.
    fn panel(&self, panel: usize) -> (*const i8, *const i32, *const f32) {
        let first = self.panels[panel].first * self.lanes;
        (
            self.weights[first * self.steps * 4..].as_ptr(),
            self.bias[first..].as_ptr(),
            self.scales[first..].as_ptr(),
        )
    }
}

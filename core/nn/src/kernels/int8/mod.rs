//! 8-bit layers: `real = step * (byte - zero)` for activations, channel by channel; one step per output channel and no zero for weights. Sums are
//! exact in 32 bits, so every instruction set gives the same bytes.
//!
//! A layer's answer is `round(sum * scale)` at the nearest byte: bias and zeros are what the sum begins with, and the steps of the input's
//! channels are multiplied into the weights before these are rounded. What an activation cuts off (below 0, above 6) lies outside of the bytes'
//! range, so no clamping is left to do.

pub(crate) mod conv;
pub(crate) mod convert;
pub(crate) mod depthwise;
#[cfg(test)]
mod tests;

use crate::memory::Aligned;
use crate::simd::int8::{Simd8, channel};
use std::ops::Range;

/// Bytes of a pixel are a multiple of this: the most lanes that a vector of sums has.
pub(crate) const PIXEL: usize = 16;

/// Numbers stay below this, so that sums and conversions are exact: 2^30.
const LIMIT: f64 = (1u32 << 30) as f64;

/// How many times the widest channel's step may be the finest's.
const FINEST: f32 = 256.0;

/// What the bytes of a value mean, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quant {
    channels: Vec<Channel>,
}

/// `real = step * (byte - zero)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Channel {
    pub(crate) step: f32,
    /// The byte of 0.0.
    pub(crate) zero: f32,
    /// The mean of the channel's numbers, in reals.
    mean: f32,
}

/// What a channel's numbers are known to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f32,
    pub(crate) high: f32,
    pub(crate) mean: f32,
}

impl Quant {
    /// Bytes that reach from each channel's low end to its high end, both moved to hold 0.0 (which borders are made of) and to what an
    /// activation leaves. `None` for no such range.
    ///
    /// With `exact` the ends themselves are bytes; else 0.0 is one. With `whole` all channels have the widest one's.
    pub(crate) fn of(spreads: &[Spread], [least, most]: [f32; 2], exact: bool, whole: bool) -> Option<Self> {
        let low = |spread: &Spread| spread.low.max(least).min(0.0);
        let high = |spread: &Spread| spread.high.min(most).max(0.0);
        let (lowest, highest) =
            (spreads.iter().map(low).fold(0.0, f32::min), spreads.iter().map(high).fold(0.0, f32::max));
        let widest = spreads.iter().map(|spread| high(spread) - low(spread)).fold(0.0, f32::max);
        let channels = spreads.iter().map(|spread| {
            let (low, high) = if whole { (lowest, highest) } else { (low(spread), high(spread)) };
            // A channel that never stirred gets no finer a step than this: the sums that it is rounded from must stay small.
            let step = (high - low).max(widest / FINEST) / 255.0;
            let zero = if exact { -low / step } else { (-low / step).round_ties_even() };
            let channel = Channel { step, zero, mean: spread.mean };
            (step.is_normal() && zero.is_finite() && spread.mean.is_finite()).then_some(channel)
        });
        channels.collect::<Option<Vec<_>>>().filter(|channels| !channels.is_empty()).map(|channels| Self { channels })
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn channel(&self, channel: usize) -> Channel {
        self.channels[channel]
    }

    /// The byte nearest to 0.0, of the first channel: all have one, where it matters.
    pub(crate) fn zero(&self) -> u8 {
        self.channels[0].zero.round_ties_even() as u8
    }
}

/// What one layer reads and writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends<'a> {
    pub(crate) input: &'a Quant,
    /// Added before rounding.
    pub(crate) residual: Option<&'a Quant>,
    /// `None`: floats.
    pub(crate) output: Option<&'a Quant>,
}

/// A layer's weights in 8 bits, and per output channel its bias and scales.
pub(crate) struct Layer8 {
    /// As the weights that it was made of.
    weights: Vec<i8>,
    /// What a sum begins with: the bias, and what bytes that stand for 0.0 add.
    starts: Vec<i32>,
    /// Steps of the output in one of the sum.
    scales: Vec<f32>,
    /// Steps of the output in one of the residual.
    residual: Vec<f32>,
}

impl Layer8 {
    /// Quantises `weights` (`[outputs][inputs][taps]`) and `bias`; `None` where the ranges are so far apart that 32 bits do not hold the sums.
    /// A depthwise layer has one input per output, `own`. `shift` is [`Simd8::SHIFT`].
    pub(crate) fn of(
        weights: &[f32],
        bias: &[f32],
        [inputs, taps]: [usize; 2],
        own: bool,
        ends: Ends<'_>,
        shift: i32,
    ) -> Option<Self> {
        let mut this = Self { weights: Vec::new(), starts: Vec::new(), scales: Vec::new(), residual: Vec::new() };
        this.weights.reserve(weights.len());
        for (o, (row, &bias)) in weights.chunks_exact(inputs * taps).zip(bias).enumerate() {
            let numbers = |channel: Channel| (f64::from(channel.step), f64::from(channel.zero));
            let input = |at: usize| ends.input.channel(if own { o } else { at / taps });
            let (step, zero) = ends.output.map_or((1.0, 0.0), |output| numbers(output.channel(o)));
            let (more, more_zero) = ends.residual.map_or((0.0, 0.0), |residual| numbers(residual.channel(o)));
            // In steps of the input, so that one scale serves the whole row.
            let row = || row.iter().enumerate().map(|(at, &w)| f64::from(w) * f64::from(input(at).step));
            let largest = row().map(f64::abs).fold(0.0, f64::max);
            // What is added to the sum whatever the input.
            let constant = f64::from(bias) + zero * step - more_zero * more;
            // A channel of tiny weights and a large bias is mostly its bias.
            let scale = (largest / 127.0).max(constant.abs() / f64::from(1 << 24));
            let scale = if scale > 0.0 { scale } else { 1.0 };
            let (mut start, mut sum, mut size) = (constant / scale, 0i64, 0i64);
            for (at, w) in row().map(|w| w / scale).enumerate() {
                let rounded = w.round_ties_even();
                let (step, zero) = numbers(input(at));
                // The bytes of 0.0 add nothing; and what rounding takes from the weight is missed, on average, by the mean of the input.
                start += (w - rounded) * f64::from(input(at).mean) / step - rounded * zero;
                this.weights.push(rounded as i8);
                (sum, size) = (sum + rounded as i64, size + rounded.abs() as i64);
            }
            let start = start.round_ties_even() as i64 - i64::from(shift) * sum;
            let most = (start.abs() + 255 * size) as f64;
            // Sums of bytes must fit; and what they come to, unless floats are wanted.
            if !(most < LIMIT && (ends.output.is_none() || (most * scale + 255.0 * more) / step < LIMIT)) {
                return None;
            }
            this.starts.push(start as i32);
            this.scales.push((scale / step) as f32);
            this.residual.push((more / step) as f32);
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
    starts: Aligned<i32>,
    scales: Aligned<f32>,
    residual: Aligned<f32>,
    panels: Vec<Panel>,
    lanes: usize,
    /// Steps of four products.
    steps: usize,
}

impl Packed {
    /// Packs `weight(layer's weights, output channel, step, product)`.
    fn new<S: Simd8>(layer: &Layer8, steps: usize, weight: impl Fn(&[i8], usize, usize, usize) -> i8) -> Self {
        let channels = layer.starts.len();
        let all = channels.div_ceil(S::LANES) * S::LANES;
        let mut this = Self {
            weights: Aligned::zeroed(all * steps * 4),
            starts: Aligned::zeroed(all),
            scales: Aligned::zeroed(all),
            residual: Aligned::zeroed(all),
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
                this.starts[first + place] = layer.starts[o];
                this.scales[first + place] = layer.scales[o];
                this.residual[first + place] = layer.residual[o];
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

    /// Where a panel's numbers begin.
    fn panel(&self, panel: usize) -> Numbers {
        let first = self.panels[panel].first * self.lanes;
        Numbers {
            weights: self.weights[first * self.steps * 4..].as_ptr(),
            starts: self.starts[first..].as_ptr(),
            scales: self.scales[first..].as_ptr(),
            residual: self.residual[first..].as_ptr(),
        }
    }
}

/// A panel's packed numbers.
#[derive(Clone, Copy)]
struct Numbers {
    weights: *const i8,
    starts: *const i32,
    scales: *const f32,
    residual: *const f32,
}

//! Depthwise convolution: every channel with a filter of its own.
//!
//! A row of output pixels at a time, one vector of channels at a time, so that the filter stays in registers and neighbouring pixels share
//! what they read.

use super::{Epilogue, Layout};
use crate::memory::Floats;
use crate::simd::Simd;

/// One depthwise convolution, ready to run.
#[derive(Debug)]
pub(crate) struct Depthwise {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    /// Per vector of channels: the taps' weights in running order, a vector each.
    weights: Floats,
    bias: Floats,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    /// Floats from an output pixel's place in the input back to the first tap (the padding).
    pub(crate) first_tap: isize,
    pub(crate) epilogue: Epilogue,
}

/// What a depthwise convolution is made of.
pub(crate) struct Parts<'a> {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    /// `[channels][rows][columns]` of the filter.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) first_tap: isize,
    pub(crate) epilogue: Epilogue,
}

impl Depthwise {
    pub(crate) fn pack<S: Simd>(parts: &Parts<'_>) -> Self {
        let channels = parts.input.channels;
        let padded = channels.next_multiple_of(S::LANES);
        let taps = parts.kernel[0] * parts.kernel[1];
        let mut weights = Floats::zeroed(padded * taps);
        let mut bias = Floats::zeroed(padded);
        bias[..channels].copy_from_slice(&parts.bias[..channels]);
        for c in 0..channels {
            for tap in 0..taps {
                weights[(c / S::LANES * taps + tap) * S::LANES + c % S::LANES] = parts.weights[c * taps + tap];
            }
        }
        let &Parts { input, output, kernel, stride, first_tap, epilogue, .. } = parts;
        Self { input, output, weights, bias, kernel, stride, first_tap, epilogue }
    }

    /// Computes the output rows `rows`.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; the weights are packed for `S`; nobody else writes what is
    /// read or touches these rows of the output.
    pub(crate) unsafe fn run<S: Simd>(&self, simd: S, arena: *mut f32, rows: std::ops::Range<usize>) {
        // SAFETY: as promised by the caller.
        unsafe {
            match (self.kernel, self.stride) {
                ([3, 3], 1) => simd.vectorize(
                    #[inline(always)]
                    || self.rows::<S>(arena, rows, 3, 3, 1),
                ),
                ([3, 3], 2) => simd.vectorize(
                    #[inline(always)]
                    || self.rows::<S>(arena, rows, 3, 3, 2),
                ),
                ([kh, kw], stride) => simd.vectorize(
                    #[inline(always)]
                    || self.rows::<S>(arena, rows, kh, kw, stride),
                ),
            }
        }
    }

    /// Inlined with constant sizes for the common filters, so that their loops unroll.
    #[inline(always)]
    unsafe fn rows<S: Simd>(
        &self,
        arena: *mut f32,
        rows: std::ops::Range<usize>,
        kh: usize,
        kw: usize,
        stride: usize,
    ) {
        let (row, pixel) = (self.input.row(), self.input.pixel);
        for y in rows {
            for vector in 0..self.output.channels.div_ceil(S::LANES) {
                // SAFETY: the caller's promise; vectors past the channels are padding inside of the pixel.
                unsafe {
                    let filter = self.weights.as_ptr().add(vector * kh * kw * S::LANES);
                    let bias = S::load(self.bias.as_ptr().add(vector * S::LANES));
                    let from = arena.add(self.input.origin() + y * stride * row + vector * S::LANES).cast_const();
                    let from = from.offset(self.first_tap);
                    let to = arena.add(self.output.origin() + y * self.output.row() + vector * S::LANES);
                    let mut x = 0;
                    while x + 4 <= self.output.columns {
                        self.pixels::<S, 4>(from, to, x, filter, bias, [kh, kw, stride, row, pixel]);
                        x += 4;
                    }
                    while x < self.output.columns {
                        self.pixels::<S, 1>(from, to, x, filter, bias, [kh, kw, stride, row, pixel]);
                        x += 1;
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn pixels<S: Simd, const N: usize>(
        &self,
        from: *const f32,
        to: *mut f32,
        x: usize,
        filter: *const f32,
        bias: S::V,
        [kh, kw, stride, row, pixel]: [usize; 5],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [bias; N];
            for ky in 0..kh {
                for kx in 0..kw {
                    let w = S::load(filter.add((ky * kw + kx) * S::LANES));
                    for (n, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(S::load(from.add(ky * row + ((x + n) * stride + kx) * pixel)), w, *sum);
                    }
                }
            }
            for (n, sum) in sums.iter().enumerate() {
                S::store(to.add((x + n) * self.output.pixel), self.epilogue.apply::<S>(*sum));
            }
        }
    }
}

//! Dense convolution, 1x1 and larger, as a matrix product that reads its rows where they lie.
//!
//! A tile of `ROWS` output pixels by up to three vectors of output channels stays in registers while the input channels of every tap pass by:
//! one broadcast per pixel, one vector of weights per column. Weights are packed so that a tile reads them front to back ([`Weights`]).

use super::{Epilogue, Layout};
use crate::memory::Floats;
use crate::simd::Simd;

/// Weights of one dense layer, packed for one instruction set: panels of up to three vectors of output channels; in a panel, for every tap and
/// input channel in running order, the panel's vectors.
#[derive(Debug)]
pub(crate) struct Weights {
    packed: Floats,
    bias: Floats,
    panels: Vec<Panel>,
    lanes: usize,
    /// Taps times input channels.
    depth: usize,
}

#[derive(Debug, Clone, Copy)]
struct Panel {
    first: usize,
    vectors: usize,
}

impl Weights {
    /// Packs `weight(output, tap, input channel)`.
    pub(crate) fn pack<S: Simd>(
        outputs: usize,
        taps: usize,
        inputs: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: &[f32],
    ) -> Self {
        let vectors = outputs.div_ceil(S::LANES);
        let count = vectors.div_ceil(S::VECTORS);
        // As even as can be: 4 vectors are 2 + 2, not 3 + 1.
        let panels: Vec<Panel> = (0..count)
            .map(|i| {
                let first = i * vectors / count;
                Panel { first, vectors: (i + 1) * vectors / count - first }
            })
            .collect();
        let mut packed = Floats::zeroed(vectors * S::LANES * taps * inputs);
        let mut at = 0;
        for panel in &panels {
            let (from, to) = (panel.first * S::LANES, (panel.first + panel.vectors) * S::LANES);
            for tap in 0..taps {
                for input in 0..inputs {
                    for (i, output) in (from..to.min(outputs)).enumerate() {
                        packed[at + i] = weight(output, tap, input);
                    }
                    at += to - from;
                }
            }
        }
        let mut all_bias = Floats::zeroed(vectors * S::LANES);
        all_bias[..outputs].copy_from_slice(&bias[..outputs]);
        Self { packed, bias: all_bias, panels, lanes: S::LANES, depth: taps * inputs }
    }

    pub(crate) fn panels(&self) -> usize {
        self.panels.len()
    }
}

/// One dense convolution, ready to run.
#[derive(Debug)]
pub(crate) struct Conv {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    /// Added before the epilogue.
    pub(crate) residual: Option<Layout>,
    pub(crate) weights: Weights,
    pub(crate) stride: usize,
    /// Floats from an output pixel's place in the input to each tap, and how many floats are read there.
    pub(crate) taps: Vec<isize>,
    pub(crate) run: usize,
    pub(crate) epilogue: Epilogue,
}

impl Conv {
    /// Computes the output pixels `pixels` of the output channels of `panels`.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; weights are packed for `S`; nobody else writes what is read
    /// or touches what is written: these pixels of these panels.
    pub(crate) unsafe fn run<S: Simd>(
        &self,
        simd: S,
        arena: *mut f32,
        pixels: std::ops::Range<usize>,
        panels: std::ops::Range<usize>,
    ) {
        debug_assert_eq!(self.weights.lanes, S::LANES);
        debug_assert_eq!(self.weights.depth, self.taps.len() * self.run);
        for panel in &self.weights.panels[panels] {
            // SAFETY: as promised by the caller; a panel's weights and biases lie within their buffers.
            unsafe {
                let weights = self.weights.packed.as_ptr().add(panel.first * S::LANES * self.weights.depth);
                let first = panel.first * S::LANES;
                match panel.vectors {
                    1 => simd.vectorize(
                        #[inline(always)]
                        || self.columns::<S, 1>(arena, pixels.clone(), weights, first),
                    ),
                    2 => simd.vectorize(
                        #[inline(always)]
                        || self.columns::<S, 2>(arena, pixels.clone(), weights, first),
                    ),
                    _ => simd.vectorize(
                        #[inline(always)]
                        || self.columns::<S, 3>(arena, pixels.clone(), weights, first),
                    ),
                }
            }
        }
    }

    /// All `pixels` of one panel, in tiles of 8, 4 and single pixels.
    #[inline(always)]
    unsafe fn columns<S: Simd, const N: usize>(
        &self,
        arena: *mut f32,
        pixels: std::ops::Range<usize>,
        weights: *const f32,
        first: usize,
    ) {
        let mut at = pixels.start;
        // SAFETY: the caller's promise; every tile lies within `pixels`.
        unsafe {
            if S::ROWS >= 8 {
                while at + 8 <= pixels.end {
                    self.tile::<S, 8, N>(arena, at, weights, first);
                    at += 8;
                }
            }
            while at + 4 <= pixels.end {
                self.tile::<S, 4, N>(arena, at, weights, first);
                at += 4;
            }
            while at < pixels.end {
                self.tile::<S, 1, N>(arena, at, weights, first);
                at += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const N: usize>(
        &self,
        arena: *mut f32,
        at: usize,
        weights: *const f32,
        first: usize,
    ) {
        let place = |layout: &Layout, stride: usize| -> [usize; R] {
            let (mut y, mut x) = (at / self.output.columns, at % self.output.columns);
            std::array::from_fn(|_| {
                let here = layout.origin() + y * stride * layout.row() + x * stride * layout.pixel;
                x += 1;
                if x == self.output.columns {
                    (x, y) = (0, y + 1);
                }
                here
            })
        };
        // SAFETY: the caller's promise.
        unsafe {
            let from = place(&self.input, self.stride).map(|at| arena.cast_const().add(at));
            let mut w = [S::splat(0.0); N];
            for (n, w) in w.iter_mut().enumerate() {
                *w = S::load(self.weights.bias.as_ptr().add(first + n * S::LANES));
            }
            let mut sums = [w; R];
            let mut weights = weights;
            for &tap in &self.taps {
                let rows = from.map(|row| row.offset(tap));
                for k in 0..self.run {
                    for w in &mut w {
                        *w = S::load(weights);
                        weights = weights.add(S::LANES);
                    }
                    for (row, sum) in rows.iter().zip(&mut sums) {
                        let a = S::splat(*row.add(k));
                        for n in 0..N {
                            sum[n] = S::fma(a, w[n], sum[n]);
                        }
                    }
                }
            }
            if let Some(residual) = &self.residual {
                let more = place(residual, 1).map(|at| arena.cast_const().add(at + first));
                for (row, sum) in more.iter().zip(&mut sums) {
                    for n in 0..N {
                        sum[n] = S::add(sum[n], S::load(row.add(n * S::LANES)));
                    }
                }
            }
            let to = place(&self.output, 1).map(|at| arena.add(at + first));
            for (row, sum) in to.iter().zip(&sums) {
                for n in 0..N {
                    S::store(row.add(n * S::LANES), self.epilogue.apply::<S>(sum[n]));
                }
            }
        }
    }
}

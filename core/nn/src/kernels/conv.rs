//! Dense convolution, 1x1 and larger, as a matrix product that reads its rows where they lie.
//!
//! A tile of `ROWS` output pixels by up to three vectors of output channels stays in registers while the input channels of every tap pass by:
//! one broadcast per pixel, one vector of weights per column. Weights are packed so that a tile reads them front to back ([`Weights`]).

use super::{Epilogue, Layout};
use crate::memory::Floats;
use crate::simd::Simd;
use std::ops::Range;

/// Steps of the innermost loop until a second-level cache has answered.
const SOON: usize = 8;

/// Floats in a cache line.
const LINE: usize = 16;

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
    /// Packs `weight(output, tap, input channel)`, in a number of panels that `threads` share evenly.
    pub(crate) fn pack<S: Simd>(
        outputs: usize,
        taps: usize,
        inputs: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: &[f32],
        threads: usize,
    ) -> Self {
        let vectors = outputs.div_ceil(S::LANES);
        let count = vectors.div_ceil(S::VECTORS).next_multiple_of(threads).min(vectors);
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

    /// Which vectors of output channels a panel holds.
    pub(crate) fn vectors(&self, panel: usize) -> Range<usize> {
        let Panel { first, vectors } = self.panels[panel];
        first..first + vectors
    }

    /// Where a panel's weights begin; null past the last panel.
    pub(crate) fn panel_start(&self, panel: usize) -> *const f32 {
        self.panels.get(panel).map_or(std::ptr::null(), |p| self.packed[p.first * self.lanes * self.depth..].as_ptr())
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

/// Where the tiles of one panel read and write.
struct Tiles<'a> {
    arena: *mut f32,
    to: *mut f32,
    place: &'a Layout,
    first_row: usize,
    weights: *const f32,
    bias: *const f32,
    /// The panel's first output channel.
    first: usize,
    /// Weights to fetch meanwhile, and how many floats of them are still to be fetched.
    next: *const f32,
    wanted: usize,
    /// The output pixel that the next tile begins with.
    row: usize,
    column: usize,
}

impl Conv {
    /// Computes the output pixels `pixels` of the output channels of `panels`. `next` is what the thread will probably read after a panel's
    /// weights, or null.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; weights are packed for `S`; nobody else writes what is read
    /// or touches what is written: these pixels of these panels.
    pub(crate) unsafe fn run<S: Simd>(
        &self,
        simd: S,
        arena: *mut f32,
        pixels: Range<usize>,
        panels: Range<usize>,
        next: *const f32,
    ) {
        for panel in panels {
            let first = self.weights.panels[panel].first * S::LANES;
            let place = Layout { offset: self.output.offset + first, ..self.output };
            // SAFETY: the caller's promise.
            unsafe { self.panel(simd, arena, arena, &place, 0, pixels.clone(), panel, next) };
        }
    }

    /// Computes `pixels` of one panel into `to`, where `place` says: its pixel (0, 0) is the pixel (`first_row`, 0) of the output.
    ///
    /// # Safety
    /// As [`Conv::run`]; `place` lies within `to`.
    #[allow(clippy::too_many_arguments, reason = "what, where from, where to")]
    pub(crate) unsafe fn panel<S: Simd>(
        &self,
        simd: S,
        arena: *mut f32,
        to: *mut f32,
        place: &Layout,
        first_row: usize,
        pixels: Range<usize>,
        panel: usize,
        next: *const f32,
    ) {
        debug_assert_eq!(self.weights.lanes, S::LANES);
        debug_assert_eq!(self.weights.depth, self.taps.len() * self.run);
        let Panel { first, vectors } = self.weights.panels[panel];
        let first = first * S::LANES;
        // SAFETY: as promised by the caller; a panel's weights and biases lie within their buffers.
        unsafe {
            let weights = self.weights.packed.as_ptr().add(first * self.weights.depth);
            let bias = self.weights.bias.as_ptr().add(first);
            let columns = self.output.columns;
            let (row, column) = (pixels.start / columns, pixels.start % columns);
            let wanted = if next.is_null() { 0 } else { vectors * S::LANES * self.weights.depth };
            let tiles = Tiles { arena, to, place, first_row, weights, bias, first, next, wanted, row, column };
            match vectors {
                1 => simd.vectorize(
                    #[inline(always)]
                    || self.tiles::<S, 1>(tiles, pixels),
                ),
                2 => simd.vectorize(
                    #[inline(always)]
                    || self.tiles::<S, 2>(tiles, pixels),
                ),
                _ => simd.vectorize(
                    #[inline(always)]
                    || self.tiles::<S, 3>(tiles, pixels),
                ),
            }
        }
    }

    /// All `pixels` of one panel, in tiles of 8, 4 and single pixels.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const N: usize>(&self, mut tiles: Tiles<'_>, pixels: Range<usize>) {
        let mut at = pixels.start;
        // SAFETY: the caller's promise; every tile lies within `pixels`.
        unsafe {
            if S::ROWS >= 8 {
                while at + 8 <= pixels.end {
                    self.tile::<S, 8, N>(&mut tiles);
                    at += 8;
                }
            }
            while at + 4 <= pixels.end {
                self.tile::<S, 4, N>(&mut tiles);
                at += 4;
            }
            while at < pixels.end {
                self.tile::<S, 1, N>(&mut tiles);
                at += 1;
            }
        }
    }

    // Indices, not iterators: an array that is only indexed with constants stays in registers.
    #[allow(clippy::needless_range_loop, reason = "see above")]
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const N: usize>(&self, tiles: &mut Tiles<'_>) {
        let (columns, row, column) = (self.output.columns, tiles.row, tiles.column);
        let places = |layout: &Layout, stride: usize, first_row: usize| -> [usize; R] {
            layout.places([row - first_row, column], columns, stride)
        };
        // SAFETY: the caller's promise.
        unsafe {
            let arena = tiles.arena.cast_const();
            let from = places(&self.input, self.stride, 0).map(|at| arena.add(at));
            let mut w = [S::splat(0.0); N];
            for n in 0..N {
                w[n] = S::load(tiles.bias.add(n * S::LANES));
            }
            let mut sums = [w; R];
            let mut weights = tiles.weights;
            // One line a step; what has been fetched before is asked for again when nothing is wanted.
            let mut ahead = if tiles.wanted > 0 { tiles.next } else { weights };
            for &tap in &self.taps {
                let rows = from.map(|row| row.offset(tap));
                for k in 0..self.run {
                    for n in 0..N {
                        w[n] = S::load(weights.add(n * S::LANES));
                        S::prefetch_near(weights.wrapping_add((SOON * N + n) * S::LANES));
                    }
                    weights = weights.add(N * S::LANES);
                    S::prefetch(ahead);
                    ahead = ahead.wrapping_add(LINE);
                    for r in 0..R {
                        let a = S::splat(*rows[r].add(k));
                        for n in 0..N {
                            sums[r][n] = S::fma(a, w[n], sums[r][n]);
                        }
                    }
                }
            }
            if tiles.wanted > 0 {
                tiles.next = ahead;
                tiles.wanted = tiles.wanted.saturating_sub(self.weights.depth * LINE);
            }
            if let Some(residual) = &self.residual {
                let more = places(residual, 1, 0).map(|at| arena.add(at + tiles.first));
                for r in 0..R {
                    for n in 0..N {
                        sums[r][n] = S::add(sums[r][n], S::load(more[r].add(n * S::LANES)));
                    }
                }
            }
            let to = places(tiles.place, 1, tiles.first_row).map(|at| tiles.to.add(at));
            tiles.column += R;
            while tiles.column >= columns {
                tiles.column -= columns;
                tiles.row += 1;
            }
            // The choice stands outside of the loops so that each stays small enough to be unrolled: else `sums` would lie in memory.
            match self.epilogue {
                Epilogue::Clamp { low, high } => {
                    let (low, high) = (S::splat(low), S::splat(high));
                    for r in 0..R {
                        for n in 0..N {
                            S::store(to[r].add(n * S::LANES), S::min(S::max(sums[r][n], low), high));
                        }
                    }
                }
                other => {
                    for r in 0..R {
                        for n in 0..N {
                            S::store(to[r].add(n * S::LANES), sums[r][n]);
                        }
                    }
                    for row in to {
                        for n in 0..N {
                            let place = row.add(n * S::LANES);
                            S::store(place, other.apply::<S>(S::load(place)));
                        }
                    }
                }
            }
        }
    }
}

//! Dense convolution of bytes, 1x1 and larger, as a matrix product that reads its rows where they lie (as `kernels/conv.rs` does for floats).
//!
//! A tile of output pixels by up to four vectors of output channels stays in registers while the input channels of every tap pass by, four at
//! a time.

use super::super::Layout;
use super::{Ends, Layer8, Numbers, Packed};
use crate::simd::int8::{Simd8, channel};
use std::ops::Range;

/// One dense convolution, ready to run. Layouts of bytes count bytes, those of floats count floats.
#[derive(Debug)]
pub(crate) struct Conv8 {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    pub(crate) packed: Packed,
    stride: usize,
    /// Bytes from an output pixel's place in the input to each tap, and how many bytes are read there: a multiple of 4.
    taps: Vec<isize>,
    run: usize,
    /// Added before rounding.
    residual: Option<Layout>,
    /// What the activation leaves, where floats are wanted.
    floats: Option<[f32; 2]>,
}

/// What a dense convolution is made of.
pub(crate) struct Parts<'a> {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    pub(crate) residual: Option<Layout>,
    pub(crate) ends: Ends<'a>,
    /// `[outputs][inputs][rows][columns]`.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    /// Rows and columns of padding before the first.
    pub(crate) pad: [usize; 2],
    /// What the activation leaves, for floats.
    pub(crate) clamp: [f32; 2],
}

/// Where the tiles of one panel read and write.
struct Tiles<'a> {
    arena: *const u8,
    to: *mut u8,
    place: &'a Layout,
    first_row: usize,
    numbers: Numbers,
    /// The panel's first output channel.
    first: usize,
    /// The output pixel that the next tile begins with.
    row: usize,
    column: usize,
}

impl Conv8 {
    /// `None` where [`Layer8::of`] says so.
    pub(crate) fn pack<S: Simd8>(parts: Parts<'_>) -> Option<Self> {
        let Parts { input, output, ends, kernel: [kh, kw], stride, pad, .. } = parts;
        let inputs = input.channels;
        let layer = Layer8::of(parts.weights, parts.bias, [inputs, kh * kw], false, ends, S::SHIFT)?;
        let tap = |ky: usize, kx: usize| {
            (ky as isize - pad[0] as isize) * input.row() as isize
                + (kx as isize - pad[1] as isize) * input.pixel as isize
        };
        let weight = |weights: &[i8], o: usize, ky: usize, kx: usize, i: usize| {
            if i < inputs { weights[((o * inputs + i) * kh + ky) * kw + kx] } else { 0 }
        };
        let (packed, taps, run) = if input.pixel == 4 {
            // A row of the filter is one run of pixels.
            let packed = Packed::new::<S>(&layer, kh * kw, |w, o, step, i| weight(w, o, step / kw, step % kw, i));
            (packed, (0..kh).map(|ky| tap(ky, 0)).collect(), kw * 4)
        } else {
            let each = inputs.div_ceil(4);
            let packed = Packed::new::<S>(&layer, kh * kw * each, |w, o, step, i| {
                let at = step / each;
                weight(w, o, at / kw, at % kw, step % each * 4 + i)
            });
            (packed, (0..kh * kw).map(|at| tap(at / kw, at % kw)).collect(), each * 4)
        };
        let floats = ends.output.is_none().then_some(parts.clamp);
        Some(Self { input, output, packed, stride, taps, run, residual: parts.residual, floats })
    }

    /// Computes the output pixels `pixels` of the output channels of `panels`.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; weights are packed for `S`; nobody else writes what is read
    /// or touches what is written: these pixels of these panels.
    pub(crate) unsafe fn run<S: Simd8>(&self, simd: S, arena: *mut f32, pixels: Range<usize>, panels: Range<usize>) {
        for panel in panels {
            let first = self.packed.vectors(panel).start * S::LANES;
            let place = Layout { offset: self.output.offset + first, ..self.output };
            // SAFETY: the caller's promise.
            unsafe { self.panel(simd, arena.cast_const().cast(), arena.cast(), &place, 0, pixels.clone(), panel) };
        }
    }

    /// Computes `pixels` of one panel into `to`, where `place` says: its pixel (0, 0) is the pixel (`first_row`, 0) of the output.
    ///
    /// # Safety
    /// As [`Conv8::run`]; `place` lies within `to`.
    #[allow(clippy::too_many_arguments, reason = "what, where from, where to")]
    pub(crate) unsafe fn panel<S: Simd8>(
        &self,
        simd: S,
        arena: *const u8,
        to: *mut u8,
        place: &Layout,
        first_row: usize,
        pixels: Range<usize>,
        panel: usize,
    ) {
        debug_assert_eq!(self.packed.lanes, S::LANES);
        debug_assert_eq!(self.packed.steps * 4, self.taps.len() * self.run);
        let numbers = self.packed.panel(panel);
        let vectors = self.packed.vectors(panel);
        let first = vectors.start * S::LANES;
        let columns = self.output.columns;
        let (row, column) = (pixels.start / columns, pixels.start % columns);
        let tiles = Tiles { arena, to, place, first_row, numbers, first, row, column };
        macro_rules! tiles {
            ($rows:literal, $vectors:literal) => {
                simd.vectorize(
                    #[inline(always)]
                    || {
                        // SAFETY: the caller's promise.
                        unsafe { self.tiles::<S, $rows, $vectors>(tiles, pixels) }
                    },
                )
            };
        }
        match (S::MANY_REGISTERS, vectors.len()) {
            (true, 1) => tiles!(8, 1),
            (true, 2) => tiles!(8, 2),
            (true, 3) => tiles!(8, 3),
            (true, _) => tiles!(6, 4),
            (false, 1) => tiles!(4, 1),
            (false, 2) => tiles!(2, 2),
            (false, 3) => tiles!(2, 3),
            (false, _) => tiles!(2, 4),
        }
    }

    /// All `pixels` of one panel, in tiles of `R` and single pixels.
    #[inline(always)]
    unsafe fn tiles<S: Simd8, const R: usize, const N: usize>(&self, mut tiles: Tiles<'_>, pixels: Range<usize>) {
        let mut at = pixels.start;
        // SAFETY: the caller's promise; every tile lies within `pixels`.
        unsafe {
            while at + R <= pixels.end {
                self.tile::<S, R, N>(&mut tiles);
                at += R;
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
    unsafe fn tile<S: Simd8, const R: usize, const N: usize>(&self, tiles: &mut Tiles<'_>) {
        let (columns, row, column) = (self.output.columns, tiles.row, tiles.column);
        let places = |layout: &Layout, stride: usize, first_row: usize| -> [usize; R] {
            layout.places([row - first_row, column], columns, stride)
        };
        // SAFETY: the caller's promise.
        unsafe {
            let from = places(&self.input, self.stride, 0).map(|at| tiles.arena.add(at));
            let mut starts = [S::start(tiles.numbers.starts); N];
            for n in 1..N {
                starts[n] = S::start(tiles.numbers.starts.add(n * S::LANES));
            }
            let mut sums = [starts; R];
            let mut weights = tiles.numbers.weights;
            for &tap in &self.taps {
                let rows = from.map(|row| row.offset(tap));
                let mut k = 0;
                while k < self.run {
                    let mut w = [S::weights(weights); N];
                    for n in 1..N {
                        w[n] = S::weights(weights.add(n * S::LANES * 4));
                    }
                    weights = weights.add(N * S::LANES * 4);
                    for r in 0..R {
                        let a = S::splat(rows[r].add(k));
                        for n in 0..N {
                            sums[r][n] = S::dot(sums[r][n], a, w[n]);
                        }
                    }
                    k += 4;
                }
            }
            let mut x = [[S::load(tiles.numbers.scales); N]; R];
            for n in 0..N {
                let scale = S::load(tiles.numbers.scales.add(n * S::LANES));
                for r in 0..R {
                    x[r][n] = S::mul(S::floats(sums[r][n]), scale);
                }
            }
            if let Some(layout) = &self.residual {
                let more = places(layout, 1, 0).map(|at| tiles.arena.add(at + tiles.first));
                for r in 0..R {
                    let own = S::widen::<N>(more[r]);
                    for n in 0..N {
                        let scale = S::load(tiles.numbers.residual.add(n * S::LANES));
                        x[r][n] = S::add(x[r][n], S::mul(own[n], scale));
                    }
                }
            }
            let to = places(tiles.place, 1, tiles.first_row);
            tiles.column += R;
            while tiles.column >= columns {
                tiles.column -= columns;
                tiles.row += 1;
            }
            match self.floats {
                None => {
                    for r in 0..R {
                        S::narrow::<N>(x[r], tiles.to.add(to[r]));
                    }
                }
                Some([low, high]) => {
                    let (low, high) = (S::number(low), S::number(high));
                    for r in 0..R {
                        let to = tiles.to.cast::<f32>().add(to[r]);
                        for n in 0..N {
                            let mut line = [0.0; super::PIXEL];
                            S::store(line.as_mut_ptr(), S::min(S::max(x[r][n], low), high));
                            // Channels lie together in fours, whatever their order.
                            for i in (0..S::LANES).step_by(4) {
                                let four = line[i..].as_ptr();
                                std::ptr::copy_nonoverlapping(four, to.add(channel(S::LANES, N, n, i)), 4);
                            }
                        }
                    }
                }
            }
        }
    }
}

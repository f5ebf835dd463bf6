//! Depthwise convolution: every channel with a filter of its own; and its fusion with the convolution that makes its input.
//!
//! A few vectors of channels at a time: over all rows, so that what one row has read is still in the first-level cache for the next. The
//! convolution before it shares its work out by channels too, so the two run strip by strip and the wide value between them never becomes
//! whole: it passes through a window of some rows.

use super::conv::{Conv, Weights};
use super::{Epilogue, Layout, SMALL_PLANE};
use crate::memory::Floats;
use crate::simd::Simd;
use std::ops::Range;

/// Floats of a window: half of the second-level cache of a small core.
const WINDOW: usize = 32 * 1024;

/// One depthwise convolution, ready to run.
#[derive(Debug)]
pub(crate) struct Depthwise {
    /// What it reads: in the arena, or what the window shows a part of.
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    /// Makes `input`, panel by panel, when the two are fused.
    producer: Option<Conv>,
    /// Per vector of channels: the taps' weights in running order, a vector each.
    weights: Floats,
    bias: Floats,
    kernel: [usize; 2],
    stride: usize,
    /// Rows and columns of padding before the first.
    pad: [usize; 2],
    epilogue: Epilogue,
    /// Into how many parts the output's rows are shared out.
    parts: usize,
}

/// What a depthwise convolution is made of.
pub(crate) struct Parts<'a> {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    pub(crate) producer: Option<Conv>,
    /// `[channels][rows][columns]` of the filter.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) pad: [usize; 2],
    pub(crate) epilogue: Epilogue,
    pub(crate) threads: usize,
}

/// Where an output row's first tap lies, and how far it is to the next row and pixel.
#[derive(Clone, Copy)]
struct Source {
    first: *const f32,
    row: usize,
    pixel: usize,
}

impl Depthwise {
    pub(crate) fn pack<S: Simd>(parts: Parts<'_>) -> Self {
        let Parts { input, output, producer, kernel, stride, pad, epilogue, threads, .. } = parts;
        let channels = input.channels;
        let padded = channels.next_multiple_of(S::LANES);
        let taps = kernel[0] * kernel[1];
        let mut weights = Floats::zeroed(padded * taps);
        let mut bias = Floats::zeroed(padded);
        bias[..channels].copy_from_slice(&parts.bias[..channels]);
        for c in 0..channels {
            for tap in 0..taps {
                weights[(c / S::LANES * taps + tap) * S::LANES + c % S::LANES] = parts.weights[c * taps + tap];
            }
        }
        let mut this = Self { input, output, producer, weights, bias, kernel, stride, pad, epilogue, parts: 1 };
        // Rows of a large plane go to the thread that makes the same rows of the next step. A small plane is cut only as far as the threads
        // need it: each cut makes some rows of the input twice.
        let groups = this.groups::<S>();
        let even = |parts: &usize| (groups * parts).is_multiple_of(threads) || groups * parts >= 4 * threads;
        this.parts = if output.pixels() > SMALL_PLANE { threads } else { (1..=threads).find(even).unwrap_or(threads) };
        this
    }

    /// Groups of vectors: the producer's panels, or up to three.
    fn groups<S: Simd>(&self) -> usize {
        self.producer.as_ref().map_or(self.output.channels.div_ceil(3 * S::LANES), |conv| conv.weights.panels())
    }

    pub(crate) fn units<S: Simd>(&self) -> usize {
        self.groups::<S>() * self.parts
    }

    /// The producer's weights, and whether a unit is one panel of them.
    pub(crate) fn producer_weights(&self) -> Option<(&Weights, bool)> {
        self.producer.as_ref().map(|conv| (&conv.weights, self.parts == 1))
    }

    /// Floats that a fused unit works in, beside the arena's values.
    pub(crate) fn scratch<S: Simd>(&self) -> usize {
        match &self.producer {
            None => 0,
            // A narrower panel has a narrower window of more rows, which may be the larger one.
            Some(_) => {
                let window = |vectors| self.window_rows::<S>(vectors) * self.window_row::<S>(vectors);
                (1..=S::VECTORS).map(window).max().unwrap_or(0) + S::LANES
            }
        }
    }

    /// Floats from one row of a window of `vectors` vectors to the next.
    fn window_row<S: Simd>(&self, vectors: usize) -> usize {
        (self.input.columns + self.input.border[1] + self.input.border[3]) * vectors * S::LANES
    }

    /// Rows of a window: as many as fit, and at least one filter's.
    fn window_rows<S: Simd>(&self, vectors: usize) -> usize {
        let all = (self.output.rows - 1) * self.stride + self.kernel[0];
        (WINDOW / self.window_row::<S>(vectors)).clamp(self.kernel[0], all.max(self.kernel[0]))
    }

    /// Computes one unit: some rows of a group of channels.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; `scratch` has [`Depthwise::scratch`] floats of this thread's
    /// own; weights are packed for `S`; nobody else writes what is read or touches these rows and channels of the output.
    pub(crate) unsafe fn run<S: Simd>(
        &self,
        simd: S,
        arena: *mut f32,
        scratch: *mut f32,
        unit: usize,
        next: *const f32,
    ) {
        let groups = self.groups::<S>();
        let (group, part) = (unit % groups, unit / groups);
        let rows = self.output.rows * part / self.parts..self.output.rows * (part + 1) / self.parts;
        let vectors = match &self.producer {
            Some(conv) => conv.weights.vectors(group),
            None => group * 3..(group * 3 + 3).min(self.output.channels.div_ceil(S::LANES)),
        };
        // SAFETY: as promised by the caller.
        unsafe {
            match &self.producer {
                None => {
                    let (row, pixel) = (self.input.row(), self.input.pixel);
                    let origin = self.input.origin() + rows.start * self.stride * row + vectors.start * S::LANES;
                    let first = arena.cast_const().add(origin - self.pad[0] * row - self.pad[1] * pixel);
                    self.rows_of(simd, Source { first, row, pixel }, arena, rows, vectors);
                }
                Some(conv) => self.fused(simd, conv, arena, scratch, rows, (group, vectors), next),
            }
        }
    }

    /// Strip by strip: the producer fills the window's new rows, then the rows that it covers are computed.
    #[allow(clippy::too_many_arguments, reason = "all of one unit's place")]
    unsafe fn fused<S: Simd>(
        &self,
        simd: S,
        conv: &Conv,
        arena: *mut f32,
        scratch: *mut f32,
        rows: Range<usize>,
        (panel, vectors): (usize, Range<usize>),
        next: *const f32,
    ) {
        let (row, pixel) = (self.window_row::<S>(vectors.len()), vectors.len() * S::LANES);
        let capacity = self.window_rows::<S>(vectors.len());
        let strip = (capacity - self.kernel[0]) / self.stride + 1;
        let [left, right] = [self.input.border[1] * pixel, self.input.border[3] * pixel];
        let in_columns = self.input.columns;
        // Rows are counted from the padding's first, so that none is negative.
        let (top, last) = (self.pad[0], self.pad[0] + self.input.rows);
        let window = Layout {
            offset: 0,
            rows: capacity,
            columns: in_columns,
            channels: pixel,
            pixel,
            border: [0, self.input.border[1], 0, self.input.border[3]],
        };
        // SAFETY: the window's rows lie within `scratch`; the rest is the caller's promise.
        unsafe {
            for y in 0..capacity {
                std::ptr::write_bytes(scratch.add(y * row), 0, left);
                std::ptr::write_bytes(scratch.add((y + 1) * row - right), 0, right);
            }
            // The window shows the rows `begin..made` of the padded input.
            let (mut begin, mut made) = (rows.start * self.stride, rows.start * self.stride);
            let mut y = rows.start;
            while y < rows.end {
                let end = (y + strip).min(rows.end);
                let first = y * self.stride;
                if made > first {
                    std::ptr::copy(scratch.add((first - begin) * row), scratch, (made - first) * row);
                }
                (begin, made) = (first, made.max(first));
                let want = (end - 1) * self.stride + self.kernel[0];
                for zero in (made..want).filter(|y| !(top..last).contains(y)) {
                    std::ptr::write_bytes(scratch.add((zero - begin) * row), 0, row);
                }
                let (from, to) = (made.clamp(top, last), want.clamp(top, last));
                if from < to {
                    let pixels = (from - top) * in_columns..(to - top) * in_columns;
                    // The producer writes its row `from - top` at the window's row `from - begin`.
                    let place = Layout { offset: (from - begin) * row, ..window };
                    conv.panel(simd, arena, scratch, &place, from - top, pixels, panel, next);
                }
                made = want;
                let first = scratch.cast_const().add((self.input.border[1] - self.pad[1]) * pixel);
                self.rows_of(simd, Source { first, row, pixel }, arena, y..end, vectors.clone());
                y = end;
            }
        }
    }

    /// Computes the output rows `rows` of `vectors`, whose first tap lies at `source`.
    unsafe fn rows_of<S: Simd>(
        &self,
        simd: S,
        source: Source,
        arena: *mut f32,
        rows: Range<usize>,
        vectors: Range<usize>,
    ) {
        // SAFETY: as promised by the caller of `run`.
        unsafe {
            match (self.kernel, self.stride) {
                ([3, 3], 1) => simd.vectorize(
                    #[inline(always)]
                    || self.loops::<S, 1, 3>(source, arena, rows, vectors),
                ),
                ([3, 3], 2) => simd.vectorize(
                    #[inline(always)]
                    || self.loops::<S, 2, 3>(source, arena, rows, vectors),
                ),
                _ => simd.vectorize(
                    #[inline(always)]
                    || self.loops::<S, 0, 0>(source, arena, rows, vectors),
                ),
            }
        }
    }

    /// Stride and sides of the filter: constants for the common ones, so that loops over them unroll; 0 is any.
    #[inline(always)]
    fn filter<const STRIDE: usize, const SIDE: usize>(&self) -> (usize, [usize; 2]) {
        (if STRIDE == 0 { self.stride } else { STRIDE }, if SIDE == 0 { self.kernel } else { [SIDE; 2] })
    }

    #[inline(always)]
    unsafe fn loops<S: Simd, const STRIDE: usize, const SIDE: usize>(
        &self,
        source: Source,
        arena: *mut f32,
        rows: Range<usize>,
        vectors: Range<usize>,
    ) {
        let (stride, [kh, kw]) = self.filter::<STRIDE, SIDE>();
        let taps = kh * kw;
        for (v, vector) in vectors.enumerate() {
            for (i, y) in rows.clone().enumerate() {
                // SAFETY: the caller's promise; vectors past the channels are padding inside of the pixel.
                unsafe {
                    let filter = self.weights.as_ptr().add(vector * taps * S::LANES);
                    let bias = S::load(self.bias.as_ptr().add(vector * S::LANES));
                    let from = source.first.add(i * stride * source.row + v * S::LANES);
                    let to = arena.add(self.output.origin() + y * self.output.row() + vector * S::LANES);
                    let mut x = 0;
                    while x + 4 <= self.output.columns {
                        self.pixels::<S, STRIDE, SIDE, 4>(Source { first: from, ..source }, to, x, filter, bias);
                        x += 4;
                    }
                    while x < self.output.columns {
                        self.pixels::<S, STRIDE, SIDE, 1>(Source { first: from, ..source }, to, x, filter, bias);
                        x += 1;
                    }
                }
            }
        }
    }

    #[allow(clippy::needless_range_loop, reason = "as in conv.rs: indices keep the array in registers")]
    #[inline(always)]
    unsafe fn pixels<S: Simd, const STRIDE: usize, const SIDE: usize, const N: usize>(
        &self,
        source: Source,
        to: *mut f32,
        x: usize,
        filter: *const f32,
        bias: S::V,
    ) {
        let (stride, [kh, kw]) = self.filter::<STRIDE, SIDE>();
        // SAFETY: the caller's promise.
        unsafe {
            let from = source.first.add(x * stride * source.pixel);
            let mut sums = [bias; N];
            for ky in 0..kh {
                for kx in 0..kw {
                    let w = S::load(filter.add((ky * kw + kx) * S::LANES));
                    for n in 0..N {
                        let at = ky * source.row + (n * stride + kx) * source.pixel;
                        sums[n] = S::fma(S::load(from.add(at)), w, sums[n]);
                    }
                }
            }
            for n in 0..N {
                S::store(to.add((x + n) * self.output.pixel), self.epilogue.apply::<S>(sums[n]));
            }
        }
    }
}

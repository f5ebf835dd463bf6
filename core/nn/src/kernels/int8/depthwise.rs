//! Depthwise convolution of bytes, and its fusion with the convolution that makes its input (as `kernels/depthwise.rs` for floats).
//!
//! Products are taken four at a time, so four taps of a channel must lie side by side. For 3x3 filters four rows of a column are interleaved
//! once: they serve three columns and, at stride 1, two rows of the output.

use super::super::{Layout, SMALL_PLANE};
use super::conv::Conv8;
use super::{Ends, Layer8, Numbers, Packed};
use crate::simd::int8::Simd8;
use std::ops::Range;

/// Bytes of a window: half of a first-level cache.
const WINDOW: usize = 24 * 1024;

/// One depthwise convolution, ready to run. Layouts count bytes.
#[derive(Debug)]
pub(crate) struct Depthwise8 {
    /// What it reads: in the arena, or what the window shows a part of.
    input: Layout,
    output: Layout,
    /// Makes `input`, panel by panel, when the two are fused.
    producer: Option<Conv8>,
    packed: Packed,
    kernel: [usize; 2],
    stride: usize,
    /// Rows and columns of padding before the first.
    pad: [usize; 2],
    /// The stored byte of 0.0 in the input.
    zero: u8,
    /// Into how many parts the output's rows are shared out.
    parts: usize,
}

/// What a depthwise convolution is made of.
pub(crate) struct Parts<'a> {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    pub(crate) producer: Option<Conv8>,
    pub(crate) ends: Ends<'a>,
    /// `[channels][rows][columns]` of the filter.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) pad: [usize; 2],
    pub(crate) threads: usize,
}

/// Where an output row's first tap lies, and how far it is to the next row and pixel.
#[derive(Clone, Copy)]
struct Source {
    first: *const u8,
    row: usize,
    pixel: usize,
}

impl Depthwise8 {
    /// `None` where [`Layer8::of`] says so.
    pub(crate) fn pack<S: Simd8>(parts: Parts<'_>) -> Option<Self> {
        let Parts { input, output, producer, ends, kernel, stride, pad, threads, .. } = parts;
        let taps = kernel[0] * kernel[1];
        let layer = Layer8::of(parts.weights, parts.bias, [1, taps], true, ends, S::SHIFT)?;
        let packed = if Self::by_columns(kernel, stride) {
            // Steps: for the first and the second of two output rows, each column's taps of four input rows.
            let weight = |w: &[i8], channel: usize, step: usize, row: usize| {
                let (second, column) = (step / 3, step % 3);
                let own = row.checked_sub(second).filter(|row| *row < 3);
                own.map_or(0, |row| w[channel * 9 + row * 3 + column])
            };
            Packed::new::<S>(&layer, 6, weight)
        } else {
            let weight = |w: &[i8], channel: usize, step: usize, i: usize| {
                let tap = step * 4 + i;
                if tap < taps { w[channel * taps + tap] } else { 0 }
            };
            Packed::new::<S>(&layer, taps.div_ceil(4), weight)
        };
        let panels = packed.panels();
        // As in `kernels/depthwise.rs`.
        let even = |parts: &usize| (panels * parts).is_multiple_of(threads) || panels * parts >= 4 * threads;
        let few = (1..=threads).find(even).unwrap_or(threads);
        Some(Self {
            input,
            output,
            producer,
            packed,
            kernel,
            stride,
            pad,
            zero: (i32::from(ends.input.zero()) + S::SHIFT) as u8,
            parts: if output.pixels() > SMALL_PLANE { threads } else { few },
        })
    }

    fn by_columns(kernel: [usize; 2], stride: usize) -> bool {
        kernel == [3, 3] && (1..=2).contains(&stride)
    }

    pub(crate) fn units(&self) -> usize {
        self.packed.panels() * self.parts
    }

    /// Bytes that a fused unit works in, beside the arena's values.
    pub(crate) fn scratch(&self) -> usize {
        let window = |vectors| self.window_rows(vectors) * self.window_row(vectors);
        self.producer.as_ref().map_or(0, |_| (1..=4).map(window).max().unwrap_or(0))
    }

    /// Bytes from one row of a window of `vectors` vectors to the next.
    fn window_row(&self, vectors: usize) -> usize {
        (self.input.columns + self.input.border[1] + self.input.border[3]) * vectors * self.packed.lanes
    }

    /// Rows of a window: as many as fit, and at least what two output rows need.
    fn window_rows(&self, vectors: usize) -> usize {
        let least = self.kernel[0] + self.stride;
        let all = (self.output.rows - 1) * self.stride + self.kernel[0];
        (WINDOW / self.window_row(vectors)).clamp(least, all.max(least))
    }

    /// Computes one unit: some rows of a group of channels.
    ///
    /// # Safety
    /// The layouts lie within the arena and inside of it the taps of every pixel; `scratch` has [`Depthwise8::scratch`] bytes of this thread's
    /// own; weights are packed for `S`; nobody else writes what is read or touches these rows and channels of the output.
    pub(crate) unsafe fn run<S: Simd8>(&self, simd: S, arena: *mut f32, scratch: *mut f32, unit: usize) {
        let (arena, scratch) = (arena.cast::<u8>(), scratch.cast::<u8>());
        let panels = self.packed.panels();
        let (panel, part) = (unit % panels, unit / panels);
        let rows = self.output.rows * part / self.parts..self.output.rows * (part + 1) / self.parts;
        // SAFETY: as promised by the caller.
        unsafe {
            match &self.producer {
                None => {
                    let (row, pixel) = (self.input.row(), self.input.pixel);
                    let channel = self.packed.vectors(panel).start * S::LANES;
                    let origin = self.input.origin() + rows.start * self.stride * row + channel;
                    let first = arena.cast_const().add(origin - self.pad[0] * row - self.pad[1] * pixel);
                    self.rows_of(simd, Source { first, row, pixel }, arena, rows, panel);
                }
                Some(conv) => self.fused(simd, conv, arena, scratch, rows, panel),
            }
        }
    }

    /// Strip by strip: the producer fills the window's new rows, then the rows that it covers are computed.
    unsafe fn fused<S: Simd8>(
        &self,
        simd: S,
        conv: &Conv8,
        arena: *mut u8,
        scratch: *mut u8,
        rows: Range<usize>,
        panel: usize,
    ) {
        let vectors = self.packed.vectors(panel).len();
        let (row, pixel) = (self.window_row(vectors), vectors * S::LANES);
        let capacity = self.window_rows(vectors);
        let strip = (capacity - self.kernel[0]) / self.stride + 1;
        // An even number of rows, which are computed in twos.
        let strip = strip - strip % 2;
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
                std::ptr::write_bytes(scratch.add(y * row), self.zero, left);
                std::ptr::write_bytes(scratch.add((y + 1) * row - right), self.zero, right);
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
                    std::ptr::write_bytes(scratch.add((zero - begin) * row), self.zero, row);
                }
                let (from, to) = (made.clamp(top, last), want.clamp(top, last));
                if from < to {
                    let pixels = (from - top) * in_columns..(to - top) * in_columns;
                    // The producer writes its row `from - top` at the window's row `from - begin`.
                    let place = Layout { offset: (from - begin) * row, ..window };
                    conv.panel(simd, arena.cast_const(), scratch, &place, from - top, pixels, panel);
                }
                made = want;
                let first = scratch.cast_const().add((self.input.border[1] - self.pad[1]) * pixel);
                self.rows_of(simd, Source { first, row, pixel }, arena, y..end, panel);
                y = end;
            }
        }
    }

    /// Computes the output rows `rows` of a panel, whose first tap lies at `source`.
    unsafe fn rows_of<S: Simd8>(&self, simd: S, source: Source, arena: *mut u8, rows: Range<usize>, panel: usize) {
        debug_assert_eq!(self.packed.lanes, S::LANES);
        let vectors = self.packed.vectors(panel);
        let numbers = self.packed.panel(panel);
        let channel = self.output.origin() + vectors.start * S::LANES;
        macro_rules! rows {
            ($vectors:literal) => {
                simd.vectorize(
                    #[inline(always)]
                    || {
                        // SAFETY: as promised by the caller of `run`.
                        unsafe {
                            let to = arena.add(channel);
                            match (Self::by_columns(self.kernel, self.stride), self.stride) {
                                (true, 1) => self.columns::<S, $vectors, 1>(source, to, rows, numbers),
                                (true, _) => self.columns::<S, $vectors, 2>(source, to, rows, numbers),
                                (false, _) => self.taps::<S, $vectors>(source, to, rows, numbers),
                            }
                        }
                    },
                )
            };
        }
        match vectors.len() {
            1 => rows!(1),
            2 => rows!(2),
            3 => rows!(3),
            _ => rows!(4),
        }
    }

    /// 3x3 filters at stride 1, two rows of the output at a time, or 2.
    #[inline(always)]
    unsafe fn columns<S: Simd8, const N: usize, const STRIDE: usize>(
        &self,
        source: Source,
        to: *mut u8,
        rows: Range<usize>,
        numbers: Numbers,
    ) {
        let mut y = rows.start;
        // SAFETY: the caller's promise; no row of the input is read that no row of the output needs.
        unsafe {
            while y < rows.end {
                let first = source.first.add((y - rows.start) * STRIDE * source.row);
                let row = |i: usize| first.add(i * source.row);
                let place = to.add(y * self.output.row());
                if STRIDE == 1 && y + 1 < rows.end {
                    let four = [row(0), row(1), row(2), row(3)];
                    let to = [place, place.add(self.output.row())];
                    self.row_of_columns::<S, N, 2, STRIDE>(four, source.pixel, to, numbers);
                    y += 2;
                } else {
                    // The fourth row has weights of zero.
                    let four = [row(0), row(1), row(2), row(2)];
                    self.row_of_columns::<S, N, 1, STRIDE>(four, source.pixel, [place], numbers);
                    y += 1;
                }
            }
        }
    }

    // Indices, not iterators: an array that is only indexed with constants stays in registers.
    #[allow(clippy::needless_range_loop, reason = "see above")]
    #[inline(always)]
    unsafe fn row_of_columns<S: Simd8, const N: usize, const ROWS: usize, const STRIDE: usize>(
        &self,
        four: [*const u8; 4],
        pixel: usize,
        to: [*mut u8; ROWS],
        numbers: Numbers,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut before = column::<S, N>(four, 0);
            let mut middle = if STRIDE == 1 { column::<S, N>(four, pixel) } else { before };
            for x in 0..self.output.columns {
                if STRIDE == 2 {
                    middle = column::<S, N>(four, (2 * x + 1) * pixel);
                }
                let after = column::<S, N>(four, (STRIDE * x + 2) * pixel);
                for r in 0..ROWS {
                    let mut sums = [S::start(numbers.starts); N];
                    for n in 1..N {
                        sums[n] = S::start(numbers.starts.add(n * S::LANES));
                    }
                    for (step, bytes) in [before, middle, after].into_iter().enumerate() {
                        for n in 0..N {
                            let w = S::weights(numbers.weights.add(((r * 3 + step) * N + n) * S::LANES * 4));
                            sums[n] = S::dot(sums[n], bytes[n], w);
                        }
                    }
                    store::<S, N>(sums, numbers.scales, to[r].add(x * self.output.pixel));
                }
                if STRIDE == 1 {
                    (before, middle) = (middle, after);
                } else {
                    before = after;
                }
            }
        }
    }

    /// Any filter at any stride: four taps at a time.
    // Indices, not iterators: an array that is only indexed with constants stays in registers.
    #[allow(clippy::needless_range_loop, reason = "see above")]
    #[inline(always)]
    unsafe fn taps<S: Simd8, const N: usize>(&self, source: Source, to: *mut u8, rows: Range<usize>, numbers: Numbers) {
        for (i, y) in rows.enumerate() {
            for x in 0..self.output.columns {
                // SAFETY: the caller's promise; past the last tap, whose weights are zero, the last is read again.
                unsafe {
                    let from = source.first.add(i * self.stride * source.row + x * self.stride * source.pixel);
                    let mut sums = [S::start(numbers.starts); N];
                    for n in 1..N {
                        sums[n] = S::start(numbers.starts.add(n * S::LANES));
                    }
                    for step in 0..self.packed.steps {
                        let bytes = S::interleave::<N>(taps(source, self.kernel, from, step * 4));
                        for n in 0..N {
                            let w = S::weights(numbers.weights.add((step * N + n) * S::LANES * 4));
                            sums[n] = S::dot(sums[n], bytes[n], w);
                        }
                    }
                    store::<S, N>(sums, numbers.scales, to.add(y * self.output.row() + x * self.output.pixel));
                }
            }
        }
    }
}

#[allow(clippy::needless_range_loop, reason = "as above")]
#[inline(always)]
unsafe fn store<S: Simd8, const N: usize>(sums: [S::Sums; N], scales: *const f32, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut x = [S::load(scales); N];
        for n in 0..N {
            x[n] = S::mul(S::floats(sums[n]), S::load(scales.add(n * S::LANES)));
        }
        S::narrow::<N>(x, to);
    }
}

/// Four rows of a column.
#[inline(always)]
unsafe fn column<S: Simd8, const N: usize>(rows: [*const u8; 4], at: usize) -> [S::Bytes; N] {
    // SAFETY: the caller's promise: the column lies within the rows.
    unsafe { S::interleave::<N>([rows[0].add(at), rows[1].add(at), rows[2].add(at), rows[3].add(at)]) }
}

/// Where four taps lie, `first` and those after it; the last one again past the end.
#[inline(always)]
fn taps(source: Source, [kh, kw]: [usize; 2], from: *const u8, first: usize) -> [*const u8; 4] {
    std::array::from_fn(|i| {
        let at = (first + i).min(kh * kw - 1);
        from.wrapping_add(at / kw * source.row + at % kw * source.pixel)
    })
}

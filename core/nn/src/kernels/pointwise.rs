//! What works pixel by pixel or over whole planes: sums, means, largest values, channel gates.

use super::{Epilogue, Layout};
use crate::simd::Simd;
use std::ops::Range;

/// Where pixel (`y`, `x`) of a value begins in the arena.
fn at(layout: &Layout, y: usize, x: usize) -> usize {
    layout.origin() + y * layout.row() + x * layout.pixel
}

/// Calls `work(y, x, c)` for every vector of channels of the rows `rows`.
#[inline(always)]
fn each_vector<S: Simd>(output: &Layout, rows: Range<usize>, mut work: impl FnMut(usize, usize, usize)) {
    for y in rows {
        for x in 0..output.columns {
            for c in (0..output.pixel).step_by(S::LANES) {
                work(y, x, c);
            }
        }
    }
}

/// `output = epilogue(a + b)`, rows `rows`.
///
/// # Safety
/// The layouts lie within the arena; nobody else writes `a` or `b` or touches `output`.
pub(crate) unsafe fn add<S: Simd>(
    simd: S,
    arena: *mut f32,
    [a, b]: [&Layout; 2],
    output: &Layout,
    epilogue: Epilogue,
    rows: Range<usize>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            each_vector::<S>(
                output,
                rows,
                #[inline(always)]
                |y, x, c| {
                    // SAFETY: the caller's promise; a pixel is whole vectors.
                    unsafe {
                        let read = |l: &Layout| arena.cast_const().add(at(l, y, x) + c);
                        let sum = S::add(S::load(read(a)), S::load(read(b)));
                        S::store(arena.add(at(output, y, x) + c), epilogue.apply::<S>(sum));
                    }
                },
            );
        },
    );
}

/// Rows `rows` of each channel of `input` times the channel's own number in `gate`.
///
/// # Safety
/// As [`add`].
pub(crate) unsafe fn scale<S: Simd>(
    simd: S,
    arena: *mut f32,
    [input, gate]: [&Layout; 2],
    output: &Layout,
    rows: Range<usize>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            each_vector::<S>(
                output,
                rows,
                #[inline(always)]
                |y, x, c| {
                    // SAFETY: the caller's promise; a pixel is whole vectors.
                    unsafe {
                        let (x_in, factor) = (arena.add(at(input, y, x) + c), arena.add(gate.origin() + c));
                        S::store(arena.add(at(output, y, x) + c), S::mul(S::load(x_in), S::load(factor)));
                    }
                },
            );
        },
    );
}

/// The mean over the plane of each channel of the vectors `vectors`.
///
/// # Safety
/// As [`add`].
pub(crate) unsafe fn mean<S: Simd>(simd: S, arena: *mut f32, input: &Layout, output: &Layout, vectors: Range<usize>) {
    simd.vectorize(
        #[inline(always)]
        || {
            for c in vectors.map(|vector| vector * S::LANES) {
                // SAFETY: the caller's promise; a pixel is whole vectors.
                unsafe {
                    let mut sum = S::splat(0.0);
                    for y in 0..input.rows {
                        for x in 0..input.columns {
                            sum = S::add(sum, S::load(arena.add(at(input, y, x) + c)));
                        }
                    }
                    let mean = S::mul(sum, S::splat(1.0 / input.pixels() as f32));
                    S::store(arena.add(output.origin() + c), mean);
                }
            }
        },
    );
}

/// The largest value of each channel in windows of `size` x `size` pixels; what lies outside of the picture does not count.
/// Rows `rows` of the output.
///
/// # Safety
/// As [`add`].
pub(crate) unsafe fn largest<S: Simd>(
    simd: S,
    arena: *mut f32,
    [input, output]: [&Layout; 2],
    size: usize,
    stride: usize,
    [top, left]: [usize; 2],
    rows: Range<usize>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            for y in rows {
                for x in 0..output.columns {
                    // The window's rows and columns inside of the picture.
                    let span = |at: usize, pad: usize, end: usize| {
                        (at * stride).saturating_sub(pad)..(at * stride + size).saturating_sub(pad).min(end)
                    };
                    for c in (0..output.pixel).step_by(S::LANES) {
                        // SAFETY: the caller's promise; a pixel is whole vectors.
                        unsafe {
                            let mut best = S::splat(f32::NEG_INFINITY);
                            for yy in span(y, top, input.rows) {
                                for xx in span(x, left, input.columns) {
                                    best = S::max(best, S::load(arena.add(at(input, yy, xx) + c)));
                                }
                            }
                            S::store(arena.add(at(output, y, x) + c), best);
                        }
                    }
                }
            }
        },
    );
}

/// A convolution in groups of channels that is not depthwise: plain loops, because no network here spends time on one.
#[derive(Debug)]
pub(crate) struct Grouped {
    pub(crate) input: Layout,
    pub(crate) output: Layout,
    /// `[outputs][inputs / groups][rows][columns]`.
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) groups: usize,
    /// Floats from an output pixel's place in the input back to the first tap (the padding).
    pub(crate) first_tap: isize,
    pub(crate) epilogue: Epilogue,
}

impl Grouped {
    /// Computes the output channels `channels`.
    ///
    /// # Safety
    /// As [`add`].
    pub(crate) unsafe fn run(&self, arena: *mut f32, channels: Range<usize>) {
        let (inputs, outputs) = (self.input.channels / self.groups, self.output.channels / self.groups);
        let [kh, kw] = self.kernel;
        for y in 0..self.output.rows {
            for x in 0..self.output.columns {
                for o in channels.clone() {
                    let mut sum = self.bias[o];
                    for i in 0..inputs {
                        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
                            let w = self.weights[((o * inputs + i) * kh + ky) * kw + kx];
                            let place = at(&self.input, y * self.stride + ky, x * self.stride + kx);
                            // SAFETY: the caller's promise.
                            sum += w * unsafe { *arena.add(place + o / outputs * inputs + i).offset(self.first_tap) };
                        }
                    }
                    // SAFETY: the caller's promise.
                    unsafe { *arena.add(at(&self.output, y, x) + o) = self.epilogue.plain(sum) };
                }
            }
        }
    }
}

//! Into bytes and out of them: the picture, a value that a layer of floats made, and the mean over a plane.
//!
//! Plain loops over whole rows that the compiler vectorises; the same bits everywhere.

use super::super::Layout;
use super::{Channel, PIXEL, Quant};
use crate::simd::int8::Simd8;
use std::ops::Range;

/// The nearest byte, before the shift of storage. Not a number is 0.
#[inline(always)]
fn byte(x: f32, (steps, zero): (f32, f32)) -> i32 {
    // Not `clamp`: `max` makes a number of what is none.
    #[allow(clippy::manual_clamp, reason = "see above")]
    let nearest = (x * steps + zero).round_ties_even().max(0.0).min(255.0);
    nearest as i32
}

/// Rows `rows` of the picture, plane by plane, into pixels of four bytes (the fourth means nothing).
///
/// # Safety
/// The layout lies within the arena, and nobody else touches these rows.
pub(crate) unsafe fn picture<S: Simd8>(
    simd: S,
    arena: *mut f32,
    layout: &Layout,
    quant: &Quant,
    planes: &[f32],
    rows: Range<usize>,
) {
    let size = layout.columns;
    let ways = [0, 1, 2].map(|c| quant.channel(c)).map(|c| (1.0 / c.step, c.zero));
    simd.vectorize(
        #[inline(always)]
        || {
            for y in rows {
                // SAFETY: one row of the layout; whole words, for pixels of the picture begin at multiples of four.
                let row = unsafe {
                    let start = arena.cast::<u8>().add(layout.origin() + y * layout.row());
                    std::slice::from_raw_parts_mut(start.cast::<[u8; 4]>(), size)
                };
                let line = |c: usize| &planes[c * size * layout.rows + y * size..][..size];
                let (red, green, blue) = (line(0), line(1), line(2));
                for x in 0..size {
                    let word = byte(red[x], ways[0]) | byte(green[x], ways[1]) << 8 | byte(blue[x], ways[2]) << 16;
                    // Where bytes are stored signed, 128 less is the highest bit turned.
                    row[x] = (word as u32 ^ if S::SHIFT == 0 { 0 } else { 0x80_8080 }).to_le_bytes();
                }
            }
        },
    );
}

/// Rows `rows` of a value of floats, as bytes.
///
/// # Safety
/// The layouts (`from` in floats, `to` in bytes) lie within the arena; nobody else writes `from` or touches these rows of `to`.
pub(crate) unsafe fn quantise<S: Simd8>(
    simd: S,
    arena: *mut f32,
    from: &Layout,
    to: &Layout,
    quant: &Quant,
    rows: Range<usize>,
) {
    let ways: Vec<(f32, f32)> = (0..from.channels).map(|c| quant.channel(c)).map(|c| (1.0 / c.step, c.zero)).collect();
    simd.vectorize(
        #[inline(always)]
        || {
            for y in rows {
                for x in 0..from.columns {
                    // SAFETY: one pixel of each.
                    let (floats, bytes) = unsafe {
                        let at = |l: &Layout| l.origin() + y * l.row() + x * l.pixel;
                        (
                            std::slice::from_raw_parts(arena.add(at(from)).cast_const(), from.channels),
                            std::slice::from_raw_parts_mut(arena.cast::<u8>().add(at(to)), from.channels),
                        )
                    };
                    for ((to, &from), &way) in bytes.iter_mut().zip(floats).zip(&ways) {
                        *to = (byte(from, way) + S::SHIFT) as u8;
                    }
                }
            }
        },
    );
}

/// The mean of each channel over the plane, as floats.
///
/// # Safety
/// As [`quantise`].
pub(crate) unsafe fn mean<S: Simd8>(
    simd: S,
    arena: *mut f32,
    from: &Layout,
    to: &Layout,
    quant: &Quant,
    vectors: Range<usize>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let pixels = from.pixels() as f32;
            for c in vectors.map(|vector| vector * PIXEL) {
                let mut sums = [0i32; PIXEL];
                for y in 0..from.rows {
                    for x in 0..from.columns {
                        // SAFETY: a pixel is a multiple of `PIXEL` bytes.
                        let bytes = unsafe {
                            let place = from.origin() + y * from.row() + x * from.pixel + c;
                            *arena.cast_const().cast::<u8>().add(place).cast::<[u8; PIXEL]>()
                        };
                        for (sum, byte) in sums.iter_mut().zip(bytes) {
                            *sum += i32::from(if S::SHIFT == 0 { byte } else { byte ^ 0x80 });
                        }
                    }
                }
                for (i, sum) in sums.iter().enumerate().take(from.channels - c) {
                    let Channel { step, zero, .. } = quant.channel(c + i);
                    // SAFETY: the caller's promise.
                    unsafe { *arena.add(to.origin() + c + i) = (*sum as f32 - zero * pixels) * (step / pixels) };
                }
            }
        },
    );
}

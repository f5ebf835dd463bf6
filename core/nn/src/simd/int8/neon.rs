//! NEON: 4 sums a vector, signed bytes. With `SDOT` (`DOT`) four products of a lane are one instruction; without it, as on the Cortex-A53,
//! products are widened to 16 bits, and a sum is kept as two halves until it is wanted.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, at the implementation")]
#![allow(clippy::needless_range_loop, reason = "an array that is only indexed with constants stays in registers")]

use super::Simd8;
use core::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(crate) struct Neon<const DOT: bool>(());

impl<const DOT: bool> Neon<DOT> {
    /// # Safety
    /// The processor has dot products, where `DOT` says so.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

#[target_feature(enable = "dotprod")]
fn with_features<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// With dot products `low` holds the four sums; without, lane `i`'s sum is that of lanes `2 i` and `2 i + 1` of the two in a row.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    low: int32x4_t,
    high: int32x4_t,
}

/// Bytes of four places, four channels each: place after place becomes channel after channel.
const TURN: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

/// Two vectors rounded to 16 bits and shifted.
#[inline(always)]
unsafe fn words(a: float32x4_t, b: float32x4_t) -> int16x8_t {
    unsafe {
        let low = vqmovn_s32(vcvtnq_s32_f32(a));
        vqaddq_s16(vqmovn_high_s32(low, vcvtnq_s32_f32(b)), vdupq_n_s16(-128))
    }
}

#[inline(always)]
unsafe fn word(from: *const u8) -> u32 {
    unsafe { from.cast::<u32>().read_unaligned() }
}

// SAFETY of all operations: the trait's callers hold a token and pass pointers to whole vectors; alignment is not assumed.
impl<const DOT: bool> Simd8 for Neon<DOT> {
    type Sums = Sums;
    type Floats = float32x4_t;
    type Bytes = int8x16_t;
    type Weights = int8x16_t;
    const LANES: usize = 4;
    const SHIFT: i32 = -128;
    const MANY_REGISTERS: bool = DOT;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the token exists, so the processor has the feature.
        if DOT { unsafe { with_features(work) } } else { work() }
    }

    #[inline(always)]
    unsafe fn start(from: *const i32) -> Sums {
        unsafe {
            let (x, none) = (vld1q_s32(from), vdupq_n_s32(0));
            if DOT { Sums { low: x, high: none } } else { Sums { low: vzip1q_s32(x, none), high: vzip2q_s32(x, none) } }
        }
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> int8x16_t {
        unsafe { vreinterpretq_s8_u32(vdupq_n_u32(word(from))) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> int8x16_t {
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn dot(sums: Sums, bytes: int8x16_t, weights: int8x16_t) -> Sums {
        unsafe {
            if DOT {
                // The intrinsic is not stable yet.
                let mut low = sums.low;
                core::arch::asm!(
                    "sdot {sum:v}.4s, {a:v}.16b, {w:v}.16b",
                    sum = inout(vreg) low, a = in(vreg) bytes, w = in(vreg) weights,
                    options(pure, nomem, nostack, preserves_flags)
                );
                Sums { low, ..sums }
            } else {
                Sums {
                    low: vpadalq_s16(sums.low, vmull_s8(vget_low_s8(bytes), vget_low_s8(weights))),
                    high: vpadalq_s16(sums.high, vmull_high_s8(bytes, weights)),
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn interleave<const N: usize>(from: [*const u8; 4]) -> [int8x16_t; N] {
        unsafe {
            let mut out = [vdupq_n_s8(0); N];
            if N == 4 {
                let [a, b, c, d] = from.map(|place| vld1q_u8(place));
                let (low, high) = (vzip1q_u8(a, b), vzip2q_u8(a, b));
                let (more_low, more_high) = (vzip1q_u8(c, d), vzip2q_u8(c, d));
                let words = [vreinterpretq_u16_u8(low), vreinterpretq_u16_u8(high)];
                let more = [vreinterpretq_u16_u8(more_low), vreinterpretq_u16_u8(more_high)];
                out[0] = vreinterpretq_s8_u16(vzip1q_u16(words[0], more[0]));
                out[1] = vreinterpretq_s8_u16(vzip2q_u16(words[0], more[0]));
                out[2] = vreinterpretq_s8_u16(vzip1q_u16(words[1], more[1]));
                out[3] = vreinterpretq_s8_u16(vzip2q_u16(words[1], more[1]));
            } else {
                for v in 0..N {
                    let places = from.map(|place| word(place.add(4 * v)));
                    let bytes = vreinterpretq_s8_u32(vld1q_u32(places.as_ptr()));
                    out[v] = vqtbl1q_s8(bytes, vld1q_u8(TURN.as_ptr()));
                }
            }
            out
        }
    }
    #[inline(always)]
    unsafe fn floats(sums: Sums) -> float32x4_t {
        unsafe { vcvtq_f32_s32(if DOT { sums.low } else { vpaddq_s32(sums.low, sums.high) }) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: float32x4_t) {
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    unsafe fn number(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn narrow<const N: usize>(x: [float32x4_t; N], to: *mut u8) {
        unsafe {
            if N == 4 {
                let bytes = vqmovn_high_s16(vqmovn_s16(words(x[0], x[1])), words(x[2], x[3]));
                vst1q_s8(to.cast(), bytes);
            } else {
                for v in 0..N {
                    let bytes = vqmovn_s16(words(x[v], x[v]));
                    to.add(4 * v).cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_s8(bytes)));
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn widen<const N: usize>(from: *const u8) -> [float32x4_t; N] {
        // Four bytes at a time in either case: here four vectors take their channels in natural order.
        std::array::from_fn(|v| unsafe {
            let bytes = vcreate_u8(u64::from(word(from.add(4 * v)) ^ 0x8080_8080));
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
        })
    }
}

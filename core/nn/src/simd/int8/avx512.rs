//! AVX-512 with VNNI: 16 sums a vector, 64 products an instruction.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, at the implementation")]
#![allow(clippy::needless_range_loop, reason = "an array that is only indexed with constants stays in registers")]

use super::Simd8;
use core::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni(());

impl Avx512Vnni {
    /// # Safety
    /// The processor has AVX-512F, BW and VNNI.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn with_features<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[inline(always)]
unsafe fn line(from: *const u8) -> __m512i {
    unsafe { _mm512_loadu_si512(from.cast()) }
}

/// Two vectors rounded to 16 bits.
#[inline(always)]
unsafe fn words(a: __m512, b: __m512) -> __m512i {
    unsafe { _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b)) }
}

#[inline(always)]
unsafe fn quarter(from: *const u8) -> __m128i {
    unsafe { _mm_loadu_si128(from.cast()) }
}

// SAFETY of all operations: the trait's callers hold a token and pass pointers to whole vectors; alignment is not assumed.
impl Simd8 for Avx512Vnni {
    type Sums = __m512i;
    type Floats = __m512;
    type Bytes = __m512i;
    type Weights = __m512i;
    const LANES: usize = 16;
    const SHIFT: i32 = 0;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the token exists, so the processor has the features.
        unsafe { with_features(work) }
    }

    #[inline(always)]
    unsafe fn start(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m512i {
        unsafe { line(from.cast()) }
    }
    #[inline(always)]
    unsafe fn dot(sums: __m512i, bytes: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, bytes, weights) }
    }
    #[inline(always)]
    unsafe fn interleave<const N: usize>(from: [*const u8; 4]) -> [__m512i; N] {
        unsafe {
            let mut out = [_mm512_setzero_si512(); N];
            if N == 4 {
                let [a, b, c, d] = [line(from[0]), line(from[1]), line(from[2]), line(from[3])];
                let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
                let (more_low, more_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
                out[0] = _mm512_unpacklo_epi16(low, more_low);
                out[1] = _mm512_unpackhi_epi16(low, more_low);
                out[2] = _mm512_unpacklo_epi16(high, more_high);
                out[3] = _mm512_unpackhi_epi16(high, more_high);
            } else {
                // Four channels of each place to a 128-bit lane, then their bytes in turn.
                let gather = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
                let turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
                for v in 0..N {
                    let x = _mm512_castsi128_si512(quarter(from[0].add(16 * v)));
                    let x = _mm512_inserti32x4::<1>(x, quarter(from[1].add(16 * v)));
                    let x = _mm512_inserti32x4::<2>(x, quarter(from[2].add(16 * v)));
                    let x = _mm512_inserti32x4::<3>(x, quarter(from[3].add(16 * v)));
                    out[v] = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(gather, x), turn);
                }
            }
            out
        }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(sums) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn number(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn narrow<const N: usize>(x: [__m512; N], to: *mut u8) {
        unsafe {
            if N == 4 {
                _mm512_storeu_si512(to.cast(), _mm512_packus_epi16(words(x[0], x[1]), words(x[2], x[3])));
            } else {
                for v in 0..N {
                    let least = _mm512_max_epi32(_mm512_cvtps_epi32(x[v]), _mm512_setzero_si512());
                    let bytes = _mm512_cvtusepi32_epi8(least);
                    _mm_storeu_si128(to.add(16 * v).cast(), bytes);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn widen<const N: usize>(from: *const u8) -> [__m512; N] {
        unsafe {
            let none = _mm512_setzero_si512();
            let mut out = [_mm512_setzero_ps(); N];
            if N == 4 {
                let bytes = line(from);
                let (low, high) = (_mm512_unpacklo_epi8(bytes, none), _mm512_unpackhi_epi8(bytes, none));
                out[0] = _mm512_cvtepi32_ps(_mm512_unpacklo_epi16(low, none));
                out[1] = _mm512_cvtepi32_ps(_mm512_unpackhi_epi16(low, none));
                out[2] = _mm512_cvtepi32_ps(_mm512_unpacklo_epi16(high, none));
                out[3] = _mm512_cvtepi32_ps(_mm512_unpackhi_epi16(high, none));
            } else {
                for v in 0..N {
                    out[v] = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(quarter(from.add(16 * v))));
                }
            }
            out
        }
    }
}

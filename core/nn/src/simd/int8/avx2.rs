//! AVX2: 8 sums a vector. Its byte products saturate, so bytes are widened: even ones and odd ones apart.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, at the implementation")]
#![allow(clippy::needless_range_loop, reason = "an array that is only indexed with constants stays in registers")]

use super::Simd8;
use core::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor has AVX2.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

#[target_feature(enable = "avx2")]
fn with_features<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// The even and the odd bytes of a vector, 16 bits each.
#[derive(Clone, Copy)]
pub(crate) struct Halves {
    even: __m256i,
    odd: __m256i,
}

#[inline(always)]
unsafe fn unsigned(bytes: __m256i) -> Halves {
    unsafe { Halves { even: _mm256_and_si256(bytes, _mm256_set1_epi16(255)), odd: _mm256_srli_epi16::<8>(bytes) } }
}

#[inline(always)]
unsafe fn load(from: *const u8) -> __m256i {
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// Two vectors rounded to 16 bits.
#[inline(always)]
unsafe fn words(a: __m256, b: __m256) -> __m256i {
    unsafe { _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b)) }
}

#[inline(always)]
unsafe fn eight(from: *const u8) -> __m128i {
    unsafe { _mm_loadl_epi64(from.cast()) }
}

// SAFETY of all operations: the trait's callers hold a token and pass pointers to whole vectors; alignment is not assumed.
impl Simd8 for Avx2 {
    type Sums = __m256i;
    type Floats = __m256;
    type Bytes = Halves;
    type Weights = Halves;
    const LANES: usize = 8;
    const SHIFT: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the token exists, so the processor has the features.
        unsafe { with_features(work) }
    }

    #[inline(always)]
    unsafe fn start(from: *const i32) -> __m256i {
        unsafe { load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> Halves {
        unsafe { unsigned(_mm256_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Halves {
        unsafe {
            let w = load(from.cast());
            Halves { even: _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w)), odd: _mm256_srai_epi16::<8>(w) }
        }
    }
    #[inline(always)]
    unsafe fn dot(sums: __m256i, bytes: Halves, weights: Halves) -> __m256i {
        unsafe {
            let even = _mm256_madd_epi16(bytes.even, weights.even);
            let odd = _mm256_madd_epi16(bytes.odd, weights.odd);
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }
    #[inline(always)]
    unsafe fn interleave<const N: usize>(from: [*const u8; 4]) -> [Halves; N] {
        unsafe {
            let mut out = [unsigned(_mm256_setzero_si256()); N];
            if N == 4 {
                let [a, b, c, d] = [load(from[0]), load(from[1]), load(from[2]), load(from[3])];
                let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
                let (more_low, more_high) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
                out[0] = unsigned(_mm256_unpacklo_epi16(low, more_low));
                out[1] = unsigned(_mm256_unpackhi_epi16(low, more_low));
                out[2] = unsigned(_mm256_unpacklo_epi16(high, more_high));
                out[3] = unsigned(_mm256_unpackhi_epi16(high, more_high));
            } else {
                for v in 0..N {
                    let at = |i: usize| eight(from[i].add(8 * v));
                    let (ab, cd) = (_mm_unpacklo_epi8(at(0), at(1)), _mm_unpacklo_epi8(at(2), at(3)));
                    out[v] = unsigned(_mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd)));
                }
            }
            out
        }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn number(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn narrow<const N: usize>(x: [__m256; N], to: *mut u8) {
        unsafe {
            if N == 4 {
                let (low, high) = (words(x[0], x[1]), words(x[2], x[3]));
                _mm256_storeu_si256(to.cast(), _mm256_packus_epi16(low, high));
            } else {
                for v in 0..N {
                    let words = words(x[v], x[v]);
                    let bytes = _mm256_packus_epi16(words, words);
                    let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
                    _mm_storel_epi64(to.add(8 * v).cast(), _mm_unpacklo_epi32(low, high));
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn widen<const N: usize>(from: *const u8) -> [__m256; N] {
        unsafe {
            let none = _mm256_setzero_si256();
            let mut out = [_mm256_setzero_ps(); N];
            if N == 4 {
                let bytes = load(from);
                let (low, high) = (_mm256_unpacklo_epi8(bytes, none), _mm256_unpackhi_epi8(bytes, none));
                out[0] = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(low, none));
                out[1] = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(low, none));
                out[2] = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(high, none));
                out[3] = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(high, none));
            } else {
                for v in 0..N {
                    out[v] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight(from.add(8 * v))));
                }
            }
            out
        }
    }
}

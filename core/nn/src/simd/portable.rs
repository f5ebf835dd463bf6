//! Plain Rust, eight lanes: runs everywhere, and is the yardstick of the others.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, at the implementation")]

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type Eight = [f32; 8];

#[inline(always)]
fn zip(a: Eight, b: Eight, f: impl Fn(f32, f32) -> f32) -> Eight {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY of load and store: pointers cover whole vectors; alignment is not assumed.
impl Simd for Portable {
    type V = Eight;
    const LANES: usize = 8;
    const ROWS: usize = 4;
    const VECTORS: usize = 1;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Eight {
        unsafe { from.cast::<Eight>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Eight) {
        unsafe { to.cast::<Eight>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Eight {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn fma(a: Eight, b: Eight, c: Eight) -> Eight {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn add(a: Eight, b: Eight) -> Eight {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(a: Eight, b: Eight) -> Eight {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn min(a: Eight, b: Eight) -> Eight {
        zip(a, b, f32::min)
    }
    #[inline(always)]
    unsafe fn max(a: Eight, b: Eight) -> Eight {
        zip(a, b, f32::max)
    }
}

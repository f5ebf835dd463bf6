//! Plain Rust, four lanes: runs everywhere, and is the yardstick of the others.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, at the implementation")]

use super::{Simd8, channel};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type Four<T> = [T; 4];

// SAFETY of loads and stores: pointers cover whole vectors; alignment is not assumed.
impl Simd8 for Portable {
    type Sums = Four<i32>;
    type Floats = Four<f32>;
    type Bytes = Four<[u8; 4]>;
    type Weights = Four<[i8; 4]>;
    const LANES: usize = 4;
    const SHIFT: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn start(from: *const i32) -> Four<i32> {
        unsafe { from.cast::<Four<i32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> Self::Bytes {
        unsafe { [from.cast::<[u8; 4]>().read(); 4] }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        unsafe { from.cast::<Self::Weights>().read() }
    }
    #[inline(always)]
    unsafe fn dot(sums: Four<i32>, bytes: Self::Bytes, weights: Self::Weights) -> Four<i32> {
        std::array::from_fn(|i| (0..4).fold(sums[i], |sum, t| sum + i32::from(bytes[i][t]) * i32::from(weights[i][t])))
    }
    #[inline(always)]
    unsafe fn interleave<const N: usize>(from: [*const u8; 4]) -> [Self::Bytes; N] {
        std::array::from_fn(|v| {
            std::array::from_fn(|i| from.map(|place| unsafe { *place.add(channel(Self::LANES, N, v, i)) }))
        })
    }
    #[inline(always)]
    unsafe fn floats(sums: Four<i32>) -> Four<f32> {
        sums.map(|sum| sum as f32)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Four<f32> {
        unsafe { from.cast::<Four<f32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Four<f32>) {
        unsafe { to.cast::<Four<f32>>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn number(x: f32) -> Four<f32> {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn add(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn min(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i].min(b[i]))
    }
    #[inline(always)]
    unsafe fn max(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i].max(b[i]))
    }
    #[inline(always)]
    unsafe fn narrow<const N: usize>(x: [Four<f32>; N], to: *mut u8) {
        for (v, x) in x.iter().enumerate() {
            for (i, x) in x.iter().enumerate() {
                let byte = (x.round_ties_even() as i32).clamp(0, 255) as u8;
                unsafe { *to.add(channel(Self::LANES, N, v, i)) = byte };
            }
        }
    }
    #[inline(always)]
    unsafe fn widen<const N: usize>(from: *const u8) -> [Four<f32>; N] {
        std::array::from_fn(|v| std::array::from_fn(|i| f32::from(unsafe { *from.add(channel(Self::LANES, N, v, i)) })))
    }
}

//! One vocabulary of 8-bit vector operations for every instruction set: products of bytes, summed exactly in 32 bits, and the way back to bytes.
//!
//! Everything here gives the same bits on every processor: sums are whole numbers, and of floats there is one product, at most one sum and one
//! rounding, each rounded once. Tokens and the use of `unsafe` are as in [`crate::simd`].
//!
//! A vector holds [`Simd8::LANES`] sums, one per channel; each takes four products at a time. Four vectors together take their channels in the
//! order in which bytes are packed without moving them between 128-bit lanes ([`channel`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::Isa;

/// 8-bit operations of one instruction set.
pub(crate) trait Simd8: Copy + Send + Sync + 'static {
    /// Sums of products, one per lane.
    type Sums: Copy;
    /// Floats, one per lane.
    type Floats: Copy;
    /// Four activations per lane.
    type Bytes: Copy;
    /// Four weights per lane.
    type Weights: Copy;
    /// Sums in a vector: at most 16.
    const LANES: usize;
    /// What is added to a value (0 to 255) where it is stored: 0, or -128 where the processor multiplies signed bytes.
    const SHIFT: i32;
    /// Whether 24 vectors of sums fit into the registers, or 8.
    const MANY_REGISTERS: bool;

    /// Runs `work` compiled with the instruction set's features; everything in it must be inlined to profit.
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R;

    /// Sums that begin with `LANES` numbers.
    unsafe fn start(from: *const i32) -> Self::Sums;
    /// The same four bytes for every lane.
    unsafe fn splat(from: *const u8) -> Self::Bytes;
    /// `4 * LANES` weights.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Adds each lane's four products.
    unsafe fn dot(sums: Self::Sums, bytes: Self::Bytes, weights: Self::Weights) -> Self::Sums;
    /// The bytes of `N * LANES` channels from four places: channel `channel(N, v, i)` of each in lane `i` of vector `v`.
    unsafe fn interleave<const N: usize>(from: [*const u8; 4]) -> [Self::Bytes; N];
    /// The sums as floats, rounded to nearest.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;
    unsafe fn load(from: *const f32) -> Self::Floats;
    unsafe fn store(to: *mut f32, x: Self::Floats);
    unsafe fn number(x: f32) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Stores `N * LANES` channels as bytes: rounded to nearest (half to even), at the nearest of 0 to 255, shifted. Numbers are below 2^30 in
    /// size.
    unsafe fn narrow<const N: usize>(x: [Self::Floats; N], to: *mut u8);
    /// `N * LANES` channels as they were before `narrow` shifted and stored them.
    unsafe fn widen<const N: usize>(from: *const u8) -> [Self::Floats; N];
}

/// Which of the `vectors * lanes` channels of a panel lane `lane` of vector `vector` holds.
pub(crate) fn channel(lanes: usize, vectors: usize, vector: usize, lane: usize) -> usize {
    if vectors == 4 { 16 * (lane / 4) + 4 * vector + lane % 4 } else { vector * lanes + lane }
}

/// An instruction set for 8-bit work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa8 {
    Portable,
    /// AVX2: products in 16 bits.
    Avx2,
    /// AVX-512 (F, BW) with VNNI.
    Avx512Vnni,
    /// AArch64 without dot products, as the Cortex-A53.
    Neon,
    /// AArch64 with `SDOT`.
    NeonDot,
}

impl Isa8 {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::Neon, Self::NeonDot];

    /// All that this processor can run.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The quickest that belongs to `isa` and that this processor can run.
    pub(crate) fn of(isa: Isa) -> Self {
        let candidates: &[Self] = match isa {
            Isa::Portable => &[],
            Isa::Avx2 => &[Self::Avx2],
            Isa::Avx512 => &[Self::Avx512Vnni, Self::Avx2],
            Isa::Neon => &[Self::NeonDot, Self::Neon],
        };
        candidates.iter().copied().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[allow(unreachable_patterns, reason = "which arms are left depends on the processor family")]
            _ => false,
        }
    }
}

/// Work that is written for any instruction set.
pub(crate) trait Generic8 {
    type Output;
    fn run<S: Simd8>(self, simd: S) -> Self::Output;
}

/// Runs `work` with `isa`'s operations, or with plain Rust where the processor lacks it.
pub(crate) fn dispatch<W: Generic8>(isa: Isa8, work: W) -> W::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the token stands for.
        Isa8::Avx512Vnni if isa.is_available() => work.run(unsafe { avx512::Avx512Vnni::new() }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa8::Avx2 if isa.is_available() => work.run(unsafe { avx2::Avx2::new() }),
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Isa8::NeonDot if isa.is_available() => work.run(unsafe { neon::Neon::<true>::new() }),
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Isa8::Neon => work.run(unsafe { neon::Neon::<false>::new() }),
        _ => work.run(portable::Portable),
    }
}

/// A byte as `isa` stores it.
pub(crate) fn stored(isa: Isa8, byte: i32) -> u8 {
    struct Stored(i32);
    impl Generic8 for Stored {
        type Output = u8;
        fn run<S: Simd8>(self, _: S) -> u8 {
            (self.0 + S::SHIFT) as u8
        }
    }
    dispatch(isa, Stored(byte))
}

//! One vocabulary of vector operations for every instruction set, so that each kernel is written once.
//!
//! A token of an instruction set (`Avx512`, `Avx2`, `Neon`, `Portable`) can only be had where the processor has it ([`Isa::detect`]);
//! that is what makes calling its operations sound. The operations are `unsafe` because they read and write through pointers and, outside
//! of [`Simd::vectorize`], would be compiled without the instruction set's features.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod int8;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::time::Instant;

/// Vector operations of one instruction set on 32-bit floats.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A vector register.
    type V: Copy;
    /// Floats in a vector.
    const LANES: usize;
    /// Pixels that a convolution computes at once: as many as its registers hold beside `VECTORS` columns.
    const ROWS: usize;
    /// Vectors of output channels that a convolution computes at once (at most 3).
    const VECTORS: usize;

    /// Runs `work` compiled with the instruction set's features; everything in it must be inlined to profit.
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R;

    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn splat(x: f32) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Asks for a cache line that will be read later. Any address will do: a wrong one costs nothing but the request.
    unsafe fn prefetch(_line: *const f32) {}
    /// The same for a line that will be read very soon: into the first-level cache.
    unsafe fn prefetch_near(_line: *const f32) {}
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, eight lanes; what the others are tested against.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
    /// AArch64.
    Neon,
}

impl Isa {
    /// All that this processor can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Neon].into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The quickest that this processor can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => std::arch::is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[allow(unreachable_patterns, reason = "which arms are left depends on the processor family")]
            _ => false,
        }
    }
}

/// Work that is written for any instruction set.
pub(crate) trait Generic {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `work` with `isa`'s operations, or with plain Rust where the processor lacks it.
pub(crate) fn dispatch<W: Generic>(isa: Isa, work: W) -> W::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the token stands for.
        Isa::Avx512 if isa.is_available() => work.run(unsafe { avx512::Avx512::new() }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 if isa.is_available() => work.run(unsafe { avx2::Avx2::new() }),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => work.run(neon::Neon),
        _ => work.run(portable::Portable),
    }
}

/// Multiplications with additions a second that one core reaches when nothing but its registers is touched: what no kernel can beat.
/// Takes about `seconds`. No I/O.
#[must_use]
pub fn peak(isa: Isa, seconds: f64) -> f64 {
    struct Peak(f64);
    impl Generic for Peak {
        type Output = f64;
        fn run<S: Simd>(self, simd: S) -> f64 {
            const ROUNDS: usize = 10_000;
            /// Enough sums that none waits for itself.
            const SUMS: usize = 12;
            let begin = Instant::now();
            let mut rounds = 0;
            let mut fastest = f64::INFINITY;
            while begin.elapsed().as_secs_f64() < self.0 || rounds == 0 {
                let start = Instant::now();
                // Different, so that no two sums are computed as one.
                let starts: [f32; SUMS] = std::hint::black_box(std::array::from_fn(|i| i as f32));
                // SAFETY: register operations of an instruction set that the token stands for; `store` writes one whole vector.
                let sums = simd.vectorize(
                    #[inline(always)]
                    || unsafe {
                        let (a, b) = (S::splat(0.5), S::splat(starts[1]));
                        let mut sums = starts.map(|x| S::splat(x));
                        for _ in 0..ROUNDS {
                            for sum in &mut sums {
                                *sum = S::fma(a, *sum, b);
                            }
                        }
                        let mut all = S::splat(0.0);
                        for sum in sums {
                            all = S::add(all, sum);
                        }
                        let mut total = [0.0; 64];
                        S::store(total.as_mut_ptr(), all);
                        total
                    },
                );
                std::hint::black_box(sums);
                fastest = fastest.min(start.elapsed().as_secs_f64());
                rounds += 1;
            }
            (ROUNDS * SUMS * S::LANES) as f64 / fastest
        }
    }
    dispatch(isa, Peak(seconds))
}

//! The loops that do the work, each written once for all instruction sets ([`crate::simd::Simd`]).
//!
//! They work on one arena of floats through raw pointers, because several threads write disjoint parts of it at once. Every kernel says which
//! floats it reads and writes; `program.rs` lays values out so that no two units of a step write the same float and none reads what another
//! unit of its step writes.

pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod int8;
pub(crate) mod pointwise;

use crate::simd::Simd;

/// Planes up to this many pixels are shared out by output channels, larger ones by pixels: few pixels make few blocks, and weights then
/// outweigh the picture. Under 14 x 14, where each of two cores would else wait for what the other has written (docs/inference.md).
pub(crate) const SMALL_PLANE: usize = 128;

/// What is done to a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Epilogue {
    /// `min(max(x, low), high)`: identity, ReLU and ReLU6.
    Clamp { low: f32, high: f32 },
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
}

impl Epilogue {
    /// The same for one number.
    pub(crate) fn plain(self, x: f32) -> f32 {
        let gate = ((x + 3.0).clamp(0.0, 6.0)) / 6.0;
        match self {
            Self::Clamp { low, high } => x.max(low).min(high),
            Self::HardSwish => x * gate,
            Self::HardSigmoid => gate,
        }
    }

    #[inline(always)]
    pub(crate) unsafe fn apply<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: register operations only; the caller runs where `S` may run.
        unsafe {
            match self {
                Self::Clamp { low, high } => clamp::<S>(x, low, high),
                Self::HardSwish => S::mul(x, gate::<S>(x)),
                Self::HardSigmoid => gate::<S>(x),
            }
        }
    }
}

#[inline(always)]
unsafe fn clamp<S: Simd>(x: S::V, low: f32, high: f32) -> S::V {
    // SAFETY: as in `Epilogue::apply`.
    unsafe { S::min(S::max(x, S::splat(low)), S::splat(high)) }
}

/// `relu6(x + 3) / 6`.
#[inline(always)]
unsafe fn gate<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as in `Epilogue::apply`.
    unsafe { S::mul(clamp::<S>(S::add(x, S::splat(3.0)), 0.0, 6.0), S::splat(1.0 / 6.0)) }
}

/// Where a value of `rows` x `columns` pixels lies in the arena: channels last, with a border of zeros that padded kernels read.
/// A value of bytes counts bytes wherever this says floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Floats from the arena's start to the first float, border included.
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) channels: usize,
    /// Floats from one pixel to the next: `channels` rounded up to whole vectors.
    pub(crate) pixel: usize,
    /// Rows and columns of zeros: top, left, bottom, right.
    pub(crate) border: [usize; 4],
}

impl Layout {
    /// Floats from one row to the next.
    pub(crate) fn row(&self) -> usize {
        (self.columns + self.border[1] + self.border[3]) * self.pixel
    }

    /// Floats in all, border included.
    pub(crate) fn floats(&self) -> usize {
        (self.rows + self.border[0] + self.border[2]) * self.row()
    }

    /// Where pixel (0, 0) begins.
    pub(crate) fn origin(&self) -> usize {
        self.offset + self.border[0] * self.row() + self.border[1] * self.pixel
    }

    /// Where a tile's pixels begin: `R` in running order from one at a row and column, in a plane of so many columns; `stride` apart here.
    #[inline(always)]
    pub(crate) fn places<const R: usize>(
        &self,
        [mut y, mut x]: [usize; 2],
        columns: usize,
        stride: usize,
    ) -> [usize; R] {
        std::array::from_fn(|_| {
            let here = self.origin() + y * stride * self.row() + x * stride * self.pixel;
            x += 1;
            if x == columns {
                (x, y) = (0, y + 1);
            }
            here
        })
    }

    pub(crate) fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Writes the border: bytes of `byte`, in numbers of the arena's kind.
    ///
    /// # Safety
    /// The value lies within the arena, and nobody else reads or writes its border meanwhile.
    pub(crate) unsafe fn fill_border<T>(&self, arena: *mut T, byte: u8) {
        let [top, left, bottom, right] = self.border;
        let row = self.row();
        // SAFETY: all spans lie within the value's `floats()`.
        unsafe {
            let fill = |at: usize, n: usize| std::ptr::write_bytes(arena.add(self.offset + at), byte, n);
            fill(0, top * row);
            fill((top + self.rows) * row, bottom * row);
            for y in top..top + self.rows {
                fill(y * row, left * self.pixel);
                fill(y * row + (left + self.columns) * self.pixel, right * self.pixel);
            }
        }
    }
}

//! Buffers that begin on a cache line.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Numbers of which every pattern of bits is one.
///
/// # Safety
/// Any bytes are a valid value, and an alignment of 64 is enough.
pub(crate) unsafe trait Number: Copy {}

// SAFETY: as the trait asks.
unsafe impl Number for f32 {}
// SAFETY: as the trait asks.
unsafe impl Number for i32 {}
// SAFETY: as the trait asks.
unsafe impl Number for i8 {}

/// A cache line; also the widest vector.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Numbers, the first of them on a cache line.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

/// Floats, the first of them on a cache line.
pub(crate) type Floats = Aligned<f32>;

impl<T: Number> Aligned<T> {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0; 64]); (len * size_of::<T>()).div_ceil(64)], len, of: PhantomData }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.lines.as_mut_ptr().cast()
    }
}

impl<T: Number> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: lines are whole arrays of numbers, any bytes are numbers, and `len` is at most all of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Number> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

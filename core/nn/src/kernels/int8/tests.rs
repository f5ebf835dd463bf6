//! Every instruction set gives the bytes of plain loops, on random layers of random shapes, strides and paddings.

use super::super::Layout;
use super::conv::{self, Conv8};
use super::depthwise::{self, Depthwise8};
use super::{Ends, Layer8, PIXEL, Quant, Spread};
use crate::memory::Floats;
use crate::simd::int8::{Generic8, Isa8, Simd8, dispatch};
use proptest::prelude::*;

/// Numbers in -1..1 by a linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }

    fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number()).collect()
    }

    /// Bytes for each channel; with a border, those of what an activation has cut at 0.
    fn quant(&mut self, channels: usize, cut: bool) -> Quant {
        let spreads: Vec<Spread> = (0..channels)
            .map(|_| Spread { low: self.number() * 3.0 - 1.0, high: self.number() + 1.5, mean: self.number() })
            .collect();
        let low = if cut { 0.0 } else { f32::NEG_INFINITY };
        Quant::of(&spreads, [low, f32::INFINITY], false, false).expect("ranges")
    }
}

/// A plane of bytes as plain loops see it, unshifted: `[rows][columns][channels]`.
#[derive(Clone, PartialEq, Debug)]
struct Plane {
    rows: usize,
    columns: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Plane {
    fn random(random: &mut Random, rows: usize, columns: usize, channels: usize) -> Self {
        let bytes = (0..rows * columns * channels).map(|_| (random.number() * 128.0 + 128.0) as u8).collect();
        Self { rows, columns, channels, bytes }
    }

    /// The byte at a place, or outside of the plane that of 0.0.
    fn at(&self, y: isize, x: isize, c: usize, zero: u8) -> i64 {
        let inside = (0..self.rows as isize).contains(&y) && (0..self.columns as isize).contains(&x);
        let byte = if inside { self.bytes[(y as usize * self.columns + x as usize) * self.channels + c] } else { zero };
        i64::from(byte)
    }
}

/// The shape of a layer: rows and columns of its filter, stride, padding (top, left, bottom, right).
#[derive(Clone, Copy, Debug)]
struct Shape {
    kernel: [usize; 2],
    stride: usize,
    pad: [usize; 4],
}

impl Shape {
    /// Rows and columns of the output; `None` where the filter is larger than the padded input.
    fn output(&self, rows: usize, columns: usize) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.pad;
        let count = |room: usize, size: usize| Some(room.checked_sub(size)? / self.stride + 1);
        Some([count(rows + top + bottom, self.kernel[0])?, count(columns + left + right, self.kernel[1])?])
    }

    /// One layer by plain loops: what each output would be before it is rounded.
    fn plain(&self, layer: &Layer8, input: &Plane, zero: u8, depthwise: bool, residual: Option<&Plane>) -> Vec<f32> {
        let [rows, columns] = self.output(input.rows, input.columns).expect("fits");
        let ([kh, kw], outputs) = (self.kernel, layer.starts.len());
        let inputs = if depthwise { 1 } else { input.channels };
        let mut all = Vec::new();
        for (y, x, o) in (0..rows).flat_map(|y| (0..columns).flat_map(move |x| (0..outputs).map(move |o| (y, x, o)))) {
            let mut sum = i64::from(layer.starts[o]);
            for (i, ky, kx) in (0..inputs).flat_map(|i| (0..kh).flat_map(move |ky| (0..kw).map(move |kx| (i, ky, kx))))
            {
                let (yy, xx) = ((y * self.stride + ky) as isize, (x * self.stride + kx) as isize);
                let c = if depthwise { o } else { i };
                let byte = input.at(yy - self.pad[0] as isize, xx - self.pad[1] as isize, c, zero);
                sum += byte * i64::from(layer.weights[((o * inputs + i) * kh + ky) * kw + kx]);
            }
            let sum = sum as f32 * layer.scales[o];
            let more = residual.map(|plane| plane.at(y as isize, x as isize, o, 0) as f32 * layer.residual[o]);
            all.push(more.map_or(sum, |more| sum + more));
        }
        all
    }

    fn plain_bytes(&self, layer: &Layer8, input: &Plane, zero: u8, depthwise: bool, residual: Option<&Plane>) -> Plane {
        let [rows, columns] = self.output(input.rows, input.columns).expect("fits");
        let numbers = self.plain(layer, input, zero, depthwise, residual);
        let bytes = numbers.iter().map(|x| x.round_ties_even().clamp(0.0, 255.0) as u8).collect();
        Plane { rows, columns, channels: layer.starts.len(), bytes }
    }
}

/// An arena that values are laid into, one after the other.
struct Arena {
    floats: Floats,
    end: usize,
}

impl Arena {
    fn new() -> Self {
        Self { floats: Floats::zeroed(1 << 18), end: 0 }
    }

    fn layout(
        &mut self,
        [rows, columns, channels]: [usize; 3],
        pixel: usize,
        border: [usize; 4],
        each: usize,
    ) -> Layout {
        let layout = Layout { offset: self.end / each, rows, columns, channels, pixel, border };
        self.end += ((layout.floats() * each).div_ceil(64) + 1) * 64;
        assert!(self.end <= self.floats.len() * 4);
        layout
    }

    fn bytes(&mut self) -> &mut [u8] {
        let length = self.floats.len() * 4;
        // SAFETY: floats are bytes, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.floats.as_mut_ptr().cast(), length) }
    }

    fn place(layout: &Layout, y: usize, x: usize) -> usize {
        layout.origin() + y * layout.row() + x * layout.pixel
    }

    /// Lays a plane down, its border and what lies between the channels of its pixels full of other bytes.
    fn put<S: Simd8>(&mut self, layout: &Layout, plane: &Plane, zero: u8) {
        let shift = |byte: u8| (i32::from(byte) + S::SHIFT) as u8;
        let whole = layout.offset..layout.offset + layout.floats();
        self.bytes()[whole].fill(77);
        // SAFETY: the layout lies within the arena, which is borrowed alone.
        unsafe { layout.fill_border(self.bytes().as_mut_ptr(), shift(zero)) };
        for (i, &byte) in plane.bytes.iter().enumerate() {
            let (pixel, c) = (i / plane.channels, i % plane.channels);
            let at = Self::place(layout, pixel / plane.columns, pixel % plane.columns) + c;
            self.bytes()[at] = shift(byte);
        }
    }

    fn take<S: Simd8>(&mut self, layout: &Layout) -> Plane {
        let mut bytes = Vec::new();
        for pixel in 0..layout.pixels() {
            let at = Self::place(layout, pixel / layout.columns, pixel % layout.columns);
            let stored = &self.bytes()[at..at + layout.channels];
            bytes.extend(stored.iter().map(|&byte| unshift::<S>(byte)));
        }
        Plane { rows: layout.rows, columns: layout.columns, channels: layout.channels, bytes }
    }
}

/// Shifts are by nothing or by half of the bytes, so the way back is the way there.
fn unshift<S: Simd8>(byte: u8) -> u8 {
    (i32::from(byte) + S::SHIFT) as u8
}

fn pixel(channels: usize) -> usize {
    channels.next_multiple_of(PIXEL)
}

/// One random layer, or an expansion and the depthwise layer after it.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    rows: usize,
    columns: usize,
    /// The picture: three channels in words.
    picture: bool,
    inputs: usize,
    outputs: usize,
    dense: Option<Shape>,
    depthwise: Option<Shape>,
    residual: bool,
    floats: bool,
    threads: usize,
}

impl Generic8 for &Case {
    type Output = Result<(), TestCaseError>;
    fn run<S: Simd8>(self, simd: S) -> Self::Output {
        let mut random = Random(self.seed);
        let mut arena = Arena::new();
        let (inputs, outputs) = (if self.picture { 3 } else { self.inputs }, self.outputs);
        let channels = if self.dense.is_none() { outputs } else { inputs };
        let input = Plane::random(&mut random, self.rows, self.columns, channels);
        let quant = random.quant(channels, true);
        let (middle_quant, output_quant) = (random.quant(outputs, true), random.quant(outputs, false));
        let of_pixel = if self.picture && self.dense.is_some() { 4 } else { pixel(channels) };
        let first = self.dense.or(self.depthwise).expect("a layer");
        let Some([rows, columns]) = first.output(self.rows, self.columns) else { return Ok(()) };
        let layout = arena.layout([self.rows, self.columns, channels], of_pixel, first.pad, 1);
        arena.put::<S>(&layout, &input, quant.zero());

        let weights = random.numbers(outputs * channels * 25);
        let bias = random.numbers(outputs);
        let (mut plane, mut made, mut producer) = (input, layout, None);
        if let Some(shape) = self.dense {
            let weights = &weights[..outputs * channels * shape.kernel[0] * shape.kernel[1]];
            let pair = self.depthwise.is_some();
            let residual_quant = (self.residual && !pair).then(|| random.quant(outputs, false));
            let more = residual_quant.as_ref().map(|_| Plane::random(&mut random, rows, columns, outputs));
            let more_layout = arena.layout([rows, columns, outputs], pixel(outputs), [1, 0, 0, 2], 1);
            if let Some(more) = &more {
                arena.put::<S>(&more_layout, more, 0);
            }
            let floats = self.floats && !pair;
            let output = if pair { &middle_quant } else { &output_quant };
            let ends = Ends { input: &quant, residual: residual_quant.as_ref(), output: (!floats).then_some(output) };
            let border = self.depthwise.map_or([0, 1, 1, 0], |shape| shape.pad);
            let to = match floats {
                true => arena.layout([rows, columns, outputs], pixel(outputs), border, 4),
                false => arena.layout([rows, columns, outputs], pixel(outputs), border, 1),
            };
            let parts = conv::Parts {
                input: layout,
                output: to,
                residual: more.as_ref().map(|_| more_layout),
                ends,
                weights,
                bias: &bias,
                kernel: shape.kernel,
                stride: shape.stride,
                pad: [shape.pad[0], shape.pad[1]],
                clamp: [-1.0, 2.0],
            };
            let taps = shape.kernel[0] * shape.kernel[1];
            let layer = Layer8::of(weights, &bias, [channels, taps], false, ends, 0).expect("in range");
            let conv = Conv8::pack::<S>(parts).expect("in range");
            if !pair {
                let all = to.pixels();
                let cut = all * self.threads / 4;
                for pixels in [0..cut, cut..all] {
                    // SAFETY: layouts lie within the arena, which nobody else uses.
                    unsafe { conv.run(simd, arena.floats.as_mut_ptr(), pixels, 0..conv.packed.panels()) };
                }
            }
            if floats {
                let expected = shape.plain(&layer, &plane, quant.zero(), false, more.as_ref());
                for (i, expected) in expected.iter().enumerate() {
                    let at = Arena::place(&to, i / outputs / columns, i / outputs % columns) + i % outputs;
                    prop_assert_eq!(arena.floats[at], expected.clamp(-1.0, 2.0));
                }
                return Ok(());
            }
            plane = shape.plain_bytes(&layer, &plane, quant.zero(), false, more.as_ref());
            if !pair {
                prop_assert_eq!(arena.take::<S>(&to), plane);
                return Ok(());
            }
            (made, producer) = (to, Some(conv));
        }
        let shape = self.depthwise.expect("a layer");
        let Some([rows, columns]) = shape.output(plane.rows, plane.columns) else { return Ok(()) };
        let input = if producer.is_some() { &middle_quant } else { &quant };
        let ends = Ends { input, residual: None, output: Some(&output_quant) };
        let weights = random.numbers(outputs * shape.kernel[0] * shape.kernel[1]);
        let to = arena.layout([rows, columns, outputs], pixel(outputs), [0, 1, 0, 0], 1);
        let parts = depthwise::Parts {
            input: made,
            output: to,
            producer,
            ends,
            weights: &weights,
            bias: &bias,
            kernel: shape.kernel,
            stride: shape.stride,
            pad: [shape.pad[0], shape.pad[1]],
            threads: self.threads,
        };
        let depthwise = Depthwise8::pack::<S>(parts).expect("in range");
        let mut scratch = Floats::zeroed(depthwise.scratch().div_ceil(4));
        for unit in 0..depthwise.units() {
            // SAFETY: layouts lie within the arena, which nobody else uses; `scratch` is as large as asked for.
            unsafe { depthwise.run(simd, arena.floats.as_mut_ptr(), scratch.as_mut_ptr(), unit) };
        }
        let taps = shape.kernel[0] * shape.kernel[1];
        let layer = Layer8::of(&weights, &bias, [1, taps], true, ends, 0).expect("in range");
        prop_assert_eq!(arena.take::<S>(&to), shape.plain_bytes(&layer, &plane, input.zero(), true, None));
        Ok(())
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::sample::select(vec![[1, 1], [3, 3], [3, 3], [3, 3], [5, 5], [2, 3]]),
        1usize..4,
        [0usize..3, 0usize..3, 0usize..3, 0usize..3],
    )
        .prop_map(|(kernel, stride, pad)| Shape { kernel, stride, pad })
}

fn case() -> impl Strategy<Value = Case> {
    let layers = prop_oneof![
        shape().prop_map(|dense| (Some(dense), None)),
        shape().prop_map(|depthwise| (None, Some(depthwise))),
        (shape(), shape()).prop_map(|(dense, depthwise)| (Some(dense), Some(depthwise))),
    ];
    let sizes = (1usize..18, 1usize..18, 1usize..50, 1usize..150);
    (any::<u64>(), sizes, layers, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), 1usize..4).prop_map(
        |(seed, (rows, columns, inputs, outputs), (dense, depthwise), residual, floats, picture, threads)| Case {
            seed,
            rows,
            columns,
            picture,
            inputs,
            outputs,
            dense,
            depthwise,
            residual,
            floats,
            threads,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_instruction_set_gives_the_bytes_of_plain_loops(case in case()) {
        for isa in Isa8::available() {
            dispatch(isa, &case)?;
        }
    }
}

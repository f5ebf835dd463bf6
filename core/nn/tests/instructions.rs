//! Every instruction set and number of threads says what candle says, on random networks of random shapes, strides and paddings.

use barefoot_nn::{Activation, Isa, Network, Node, Plan, Precision};
use candle_core::{Device, Module, Tensor};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A network under construction: nodes, weights, and the shape `[channels, rows, columns]` of every value.
#[derive(Debug, Default)]
struct Built {
    nodes: Vec<Value>,
    weights: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    shapes: Vec<[usize; 3]>,
    state: u64,
}

impl Built {
    /// Numbers in -1..1 by a linear congruential generator (Knuth's MMIX constants).
    fn random(&mut self) -> f32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }

    fn weight(&mut self, name: &str, shape: Vec<usize>) {
        let fan_in: usize = shape[1..].iter().product();
        let values = (0..shape.iter().product()).map(|_| self.random() / (fan_in.max(1) as f32).sqrt()).collect();
        self.weights.insert(name.to_owned(), (shape, values));
    }

    fn push(&mut self, node: Value, shape: [usize; 3]) -> usize {
        self.nodes.push(node);
        self.shapes.push(shape);
        self.nodes.len()
    }

    /// A convolution; `None` when its filter is larger than the padded value.
    #[allow(clippy::too_many_arguments, reason = "a convolution has that many")]
    fn conv(
        &mut self,
        input: usize,
        outputs: usize,
        k: usize,
        stride: usize,
        pad: [usize; 4],
        groups: usize,
        act: &str,
    ) -> Option<usize> {
        let [channels, rows, columns] = self.shapes[input];
        let (height, width) = (rows + pad[0] + pad[2], columns + pad[1] + pad[3]);
        if height < k || width < k {
            return None;
        }
        let name = format!("l{}", self.nodes.len());
        self.weight(&format!("{name}.weight"), vec![outputs, channels / groups, k, k]);
        self.weight(&format!("{name}.bias"), vec![outputs]);
        let node = json!({"op": "conv", "name": name, "input": input, "stride": stride, "pad": pad, "groups": groups, "act": act});
        Some(self.push(node, [outputs, (height - k) / stride + 1, (width - k) / stride + 1]))
    }

    /// What 8-bit layers must know of the values `ids`: each channel's least, largest and mean number.
    fn spread(&mut self, values: &[Tensor], ids: impl Iterator<Item = usize>) -> candle_core::Result<()> {
        for id in ids {
            let channels = values[id].dim(1)?;
            let rows = values[id].reshape((channels, ()))?.to_vec2::<f32>()?;
            let of = |f: &dyn Fn(&[f32]) -> f32| rows.iter().map(|row| f(row)).collect::<Vec<f32>>();
            let least = of(&|row| row.iter().copied().fold(f32::INFINITY, f32::min));
            let largest = of(&|row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let mean = of(&|row| row.iter().sum::<f32>() / row.len() as f32);
            self.weights.insert(format!("int8.{id}"), (vec![3, channels], [least, largest, mean].concat()));
        }
        Ok(())
    }

    fn linear(&mut self, input: usize, outputs: usize, act: &str) -> usize {
        let name = format!("l{}", self.nodes.len());
        self.weight(&format!("{name}.weight"), vec![outputs, self.shapes[input][0]]);
        self.weight(&format!("{name}.bias"), vec![outputs]);
        self.push(json!({"op": "linear", "name": name, "input": input, "act": act}), [outputs, 1, 1])
    }

    fn safetensors(&self) -> Vec<u8> {
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, (shape, values)) in &self.weights {
            let begin = data.len();
            data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()]}));
        }
        let mut header = Value::Object(header).to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }
}

/// Runs a description node by node with candle's own operations: every value, the picture first.
fn by_candle(plan: &Plan, built: &Built, picture: &[f32], size: usize) -> candle_core::Result<Vec<Tensor>> {
    let weight = |name: &str, part: &str| {
        let (shape, values) = &built.weights[&format!("{name}.{part}")];
        Tensor::from_slice(values, shape.as_slice(), &Device::Cpu)
    };
    let activate = |x: Tensor, act: Activation| match act {
        Activation::None => Ok(x),
        Activation::Relu => x.relu(),
        Activation::Relu6 => candle_nn::Activation::Relu6.forward(&x),
        Activation::HardSwish => candle_nn::Activation::HardSwish.forward(&x),
        Activation::HardSigmoid => candle_nn::Activation::HardSigmoid.forward(&x),
    };
    let mut values = vec![Tensor::from_slice(picture, (1, 3, size, size), &Device::Cpu)?];
    for node in &plan.nodes {
        let value = match node {
            Node::Conv { name, input, stride, pad: [top, left, bottom, right], groups, act } => {
                let x = values[*input].pad_with_zeros(2, *top, *bottom)?.pad_with_zeros(3, *left, *right)?;
                let bias = weight(name, "bias")?;
                let bias = bias.reshape((1, bias.elem_count(), 1, 1))?;
                activate(x.conv2d(&weight(name, "weight")?, 0, *stride, 1, *groups)?.broadcast_add(&bias)?, *act)?
            }
            Node::Add { inputs: [a, b], act } => activate((&values[*a] + &values[*b])?, *act)?,
            Node::Scale { inputs: [x, gate] } => {
                values[*x].broadcast_mul(&values[*gate].unsqueeze(2)?.unsqueeze(3)?)?
            }
            Node::GlobalAvgPool { input } => values[*input].mean((2, 3))?,
            Node::MaxPool { input, size, stride, pad: [top, left, bottom, right] } => {
                // Values before it are not negative here, so zeros outside of the picture never win.
                let x = values[*input].pad_with_zeros(2, *top, *bottom)?.pad_with_zeros(3, *left, *right)?;
                x.max_pool2d_with_stride(*size, *stride)?
            }
            Node::Linear { name, input, act } => {
                let x = values[*input].matmul(&weight(name, "weight")?.t()?)?;
                activate(x.broadcast_add(&weight(name, "bias")?)?, *act)?
            }
        };
        values.push(value);
    }
    Ok(values)
}

/// Logits, features and map as [`Network::forward`] gives them.
fn answers(plan: &Plan, values: &[Tensor]) -> candle_core::Result<[Vec<f32>; 3]> {
    let flat = |id: usize| values[id].flatten_all()?.to_vec1::<f32>();
    let map = values[plan.outputs.map].permute((0, 2, 3, 1))?.flatten_all()?.to_vec1::<f32>()?;
    Ok([flat(plan.outputs.logits)?, flat(plan.outputs.features)?, map])
}

/// A stem, inverted residuals, squeeze-and-excitation, pooling, a grouped view: what the packs and the benchmark's networks are made of.
fn network(
    seed: u64,
    size: usize,
    widths: [usize; 3],
    k: usize,
    strides: [usize; 2],
    act: &str,
) -> Option<(Built, [usize; 3])> {
    let mut b = Built { state: seed, shapes: vec![[3, size, size]], ..Built::default() };
    let [stem, wide, out] = widths;
    let half = k / 2;
    let x = b.conv(0, stem, k, strides[0], [0, half, half, 1.min(half)], 1, act)?;
    let x = b.conv(x, stem, 3, 1, [1, 1, 1, 1], stem, "relu6")?;
    let [_, rows, columns] = b.shapes[x];
    let x = b.push(
        json!({"op": "max_pool", "input": x, "size": 2, "stride": 1, "pad": [0, 1, 1, 0]}),
        [stem, rows, columns],
    );
    let x = b.conv(x, out, 1, 1, [0; 4], 1, "none")?;
    // An inverted residual with squeeze-and-excitation.
    let w = b.conv(x, wide, 1, 1, [0; 4], 1, act)?;
    let d = b.conv(w, wide, k, 1, [half; 4], wide, act)?;
    let gate = b.push(json!({"op": "global_avg_pool", "input": d}), [wide, 1, 1]);
    let gate = b.linear(gate, 8, "relu");
    let gate = b.linear(gate, wide, "hardsigmoid");
    let shape = b.shapes[d];
    let d = b.push(json!({"op": "scale", "inputs": [d, gate]}), shape);
    let p = b.conv(d, out, 1, 1, [0; 4], 1, "none")?;
    let shape = b.shapes[p];
    let x = b.push(json!({"op": "add", "inputs": [x, p], "act": "relu"}), shape);
    // A pair of stride 2 or 1, then an addition that no convolution can take over.
    let w = b.conv(x, wide, 1, 1, [0; 4], 1, "relu6")?;
    let d = b.conv(w, wide, 3, strides[1], [0, 1, 1, 1], wide, "relu6")?;
    let shape = b.shapes[d];
    let map = b.push(json!({"op": "add", "inputs": [d, d]}), shape);
    let mean = b.push(json!({"op": "global_avg_pool", "input": map}), [wide, 1, 1]);
    let logits = b.linear(mean, 5, "none");
    // The scope's view: a grouped convolution whose mean is wanted.
    let view = b.conv(x, out * 2, 1, 1, [0; 4], out, "none")?;
    let features = b.push(json!({"op": "global_avg_pool", "input": view}), [out * 2, 1, 1]);
    Some((b, [map, features, logits]))
}

/// What 8-bit layers are for: a stem, expansions with their depthwise layers, a residual, dense filters, the map in floats.
fn narrow_network(
    seed: u64,
    size: usize,
    [stem, wide, out]: [usize; 3],
    k: usize,
    [first, second]: [usize; 2],
) -> Option<(Built, [usize; 3])> {
    let mut b = Built { state: seed, shapes: vec![[3, size, size]], ..Built::default() };
    let half = k / 2;
    let x = b.conv(0, stem, 3, first, [0, 1, 1, 1], 1, "relu6")?;
    let x = b.conv(x, stem, 3, 1, [1; 4], stem, "relu")?;
    let x = b.conv(x, out, 1, 1, [0; 4], 1, "none")?;
    let w = b.conv(x, wide, 1, 1, [0; 4], 1, "relu6")?;
    let d = b.conv(w, wide, k, 1, [half; 4], wide, "relu6")?;
    let p = b.conv(d, out, 1, 1, [0; 4], 1, "none")?;
    let shape = b.shapes[p];
    let x = b.push(json!({"op": "add", "inputs": [x, p]}), shape);
    let w = b.conv(x, wide, 1, 1, [0; 4], 1, "relu6")?;
    let d = b.conv(w, wide, 3, second, [0, 1, 1, 1], wide, "relu6")?;
    let x = b.conv(d, out, 3, 1, [1; 4], 1, "relu")?;
    let map = b.conv(x, wide, 1, 1, [0; 4], 1, "relu6")?;
    let mean = b.push(json!({"op": "global_avg_pool", "input": map}), [wide, 1, 1]);
    let logits = b.linear(mean, 5, "none");
    let features = b.push(json!({"op": "global_avg_pool", "input": w}), [wide, 1, 1]);
    Some((b, [map, features, logits]))
}

/// How far 8-bit answers may be from candle's floats: the mean difference, in parts of the largest number. Each of the dozen layers adds
/// half a step of 1/255 at most to its values, mostly less, and weights are as coarse.
const COARSENESS: f32 = 0.03;

/// The mean difference, and the largest number.
fn difference(ours: &[f32], theirs: &[f32]) -> (f32, f32) {
    let scale = theirs.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    (ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).sum::<f32>() / theirs.len() as f32, scale)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn all_agree_with_candle(
        seed in any::<u64>(),
        size in 5usize..40,
        stem in 2usize..40,
        wide in 9usize..120,
        out in 2usize..60,
        k in prop::sample::select(vec![1usize, 3, 5]),
        strides in [1usize..4, 1usize..3],
        act in prop::sample::select(vec!["none", "relu", "relu6", "hardswish"]),
        threads in 1usize..4,
    ) {
        let Some((mut built, [map, features, logits])) = network(seed, size, [stem, wide, out], k, strides, act) else {
            return Ok(());
        };
        let description = json!({"nodes": built.nodes, "outputs": {"map": map, "features": features, "logits": logits}}).to_string();
        let picture: Vec<f32> = (0..3 * size * size).map(|_| built.random()).collect();
        let plan = Plan::from_json(&description).expect("reads");
        let values = by_candle(&plan, &built, &picture, size).expect("candle runs");
        let expected = answers(&plan, &values).expect("candle runs");
        let bytes = built.safetensors();
        for isa in Isa::available() {
            let network = Network::with(&description, &bytes, size, isa, threads, Precision::Float).expect("fits together");
            // Twice: the second pass finds what the first left in the arena.
            for _ in 0..2 {
                let answer = network.forward(picture.clone()).expect("runs");
                for (ours, theirs) in [&answer.logits, &answer.features, &answer.map].into_iter().zip(&expected) {
                    prop_assert_eq!(ours.len(), theirs.len());
                    let scale = theirs.iter().fold(1.0f32, |m, v| m.max(v.abs()));
                    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    prop_assert!(worst <= 2e-5 * scale, "{isa:?} {threads} threads: {worst} of {scale}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_the_same_on_all_and_near_candle(
        seed in any::<u64>(),
        size in 5usize..40,
        widths in [2usize..40, 9usize..150, 2usize..70],
        k in prop::sample::select(vec![3usize, 5]),
        strides in [1usize..3, 1usize..3],
        threads in 1usize..4,
    ) {
        let Some((mut built, [map, features, logits])) = narrow_network(seed, size, widths, k, strides) else {
            return Ok(());
        };
        let description = json!({"nodes": built.nodes, "outputs": {"map": map, "features": features, "logits": logits}}).to_string();
        let picture: Vec<f32> = (0..3 * size * size).map(|_| built.random()).collect();
        let plan = Plan::from_json(&description).expect("reads");
        let values = by_candle(&plan, &built, &picture, size).expect("candle runs");
        let expected = answers(&plan, &values).expect("candle runs");
        built.spread(&values, 0..map).expect("candle counts");
        let bytes = built.safetensors();
        let mut first: Option<barefoot_nn::Answer> = None;
        for isa in Isa::available() {
            let network = Network::with(&description, &bytes, size, isa, threads, Precision::Int8).expect("fits together");
            // Twice: the second pass finds what the first left in the arena.
            for _ in 0..2 {
                let answer = network.forward(picture.clone()).expect("runs");
                for (ours, theirs) in [&answer.logits, &answer.features, &answer.map].into_iter().zip(&expected) {
                    let (mean, scale) = difference(ours, theirs);
                    prop_assert!(mean <= COARSENESS * scale, "{isa:?} {threads} threads: {mean} of {scale}");
                }
                // The map comes of bytes alone; what follows it is floats.
                let first = first.get_or_insert_with(|| answer.clone());
                prop_assert_eq!(&first.map, &answer.map, "{:?}", isa);
                prop_assert_eq!(&first.features, &answer.features, "{:?}", isa);
            }
        }
    }

    #[test]
    fn layers_of_bytes_and_of_floats_go_together(
        seed in any::<u64>(),
        size in 5usize..40,
        stem in 2usize..40,
        wide in 9usize..120,
        out in 2usize..60,
        k in prop::sample::select(vec![1usize, 3, 5]),
        strides in [1usize..4, 1usize..3],
        act in prop::sample::select(vec!["none", "relu", "relu6", "hardswish"]),
        known in any::<u32>(),
    ) {
        let Some((mut built, [map, features, logits])) = network(seed, size, [stem, wide, out], k, strides, act) else {
            return Ok(());
        };
        let description = json!({"nodes": built.nodes, "outputs": {"map": map, "features": features, "logits": logits}}).to_string();
        let picture: Vec<f32> = (0..3 * size * size).map(|_| built.random()).collect();
        let plan = Plan::from_json(&description).expect("reads");
        let values = by_candle(&plan, &built, &picture, size).expect("candle runs");
        let expected = answers(&plan, &values).expect("candle runs");
        built.spread(&values, (0..values.len()).filter(|id| known >> id & 1 == 1)).expect("candle counts");
        let network =
            Network::with(&description, &built.safetensors(), size, Isa::detect(), 1, Precision::Int8).expect("fits together");
        let answer = network.forward(picture).expect("runs");
        for (ours, theirs) in [&answer.logits, &answer.features, &answer.map].into_iter().zip(&expected) {
            prop_assert_eq!(ours.len(), theirs.len());
            let (mean, scale) = difference(ours, theirs);
            prop_assert!(mean <= COARSENESS * scale, "{mean} of {scale}");
        }
    }
}

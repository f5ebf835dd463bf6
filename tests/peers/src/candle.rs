//! Plain candle: the pack's nodes one by one, each with candle's own operations.

use crate::Outcome;
use barefoot_nn::{Activation, Node, Plan};
use candle_core::{DType, Device, Module, Tensor, safetensors};
use std::collections::HashMap;

pub(crate) struct Network {
    plan: Plan,
    weights: HashMap<String, Tensor>,
}

impl Network {
    pub(crate) fn new(description: &str, weights: &[u8]) -> Outcome<Self> {
        let weights = safetensors::load_buffer(weights, &Device::Cpu)?
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self { plan: Plan::from_json(description)?, weights })
    }

    /// The logits; the other outputs are computed as well.
    pub(crate) fn forward(&self, input: &[f32], size: usize) -> Outcome<Vec<f32>> {
        let mut values = vec![Tensor::from_slice(input, (1, 3, size, size), &Device::Cpu)?];
        for node in &self.plan.nodes {
            let value = match node {
                Node::Conv { name, input, stride, pad, groups, act } => {
                    let x = padded(&values[*input], *pad)?;
                    let x = x.conv2d(self.weight(name, "weight")?, 0, *stride, 1, *groups)?;
                    let bias = self.weight(name, "bias")?;
                    apply(*act, x.broadcast_add(&bias.reshape((1, (), 1, 1))?)?)?
                }
                Node::Add { inputs: [a, b], act } => apply(*act, (&values[*a] + &values[*b])?)?,
                Node::Scale { inputs: [x, s] } => values[*x].broadcast_mul(&values[*s].unsqueeze(2)?.unsqueeze(3)?)?,
                // Zeros stand for "outside": right where what is pooled comes from a ReLU, as it does in these networks.
                Node::MaxPool { input, size, stride, pad } => {
                    padded(&values[*input], *pad)?.max_pool2d_with_stride(*size, *stride)?
                }
                Node::GlobalAvgPool { input } => values[*input].mean((2, 3))?,
                Node::Linear { name, input, act } => {
                    let x = values[*input].matmul(&self.weight(name, "weight")?.t()?)?;
                    apply(*act, x.broadcast_add(self.weight(name, "bias")?)?)?
                }
            };
            values.push(value);
        }
        Ok(values[self.plan.outputs.logits].flatten_all()?.to_vec1()?)
    }

    fn weight(&self, name: &str, part: &str) -> Outcome<&Tensor> {
        self.weights.get(&format!("{name}.{part}")).ok_or_else(|| format!("weight {name}.{part} is missing").into())
    }
}

fn padded(x: &Tensor, [top, left, bottom, right]: [usize; 4]) -> candle_core::Result<Tensor> {
    x.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)
}

fn apply(act: Activation, x: Tensor) -> candle_core::Result<Tensor> {
    let layer = match act {
        Activation::None => return Ok(x),
        Activation::Relu => candle_nn::Activation::Relu,
        Activation::Relu6 => candle_nn::Activation::Relu6,
        Activation::HardSwish => candle_nn::Activation::HardSwish,
        Activation::HardSigmoid => candle_nn::Activation::HardSigmoid,
    };
    layer.forward(&x)
}

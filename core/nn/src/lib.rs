//! Convolutional networks on candle: a network description, its weights, and the forward pass.
//!
//! Lives here: tensors, layers, weights from safetensors. May not live here: medicine, pictures, files other than weights.
//! A forward pass is the one loop in [`Network::forward`].

mod plan;

pub use plan::{Activation, Node, Outputs, Plan};

use candle_core::{DType, Device, Tensor, safetensors};
use std::collections::HashMap;

/// What can go wrong between a network's description and its answer.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The description is not the JSON that `models/PACK_FORMAT.md` defines.
    #[error("the network description is not readable: {0}")]
    Description(#[from] serde_json::Error),
    /// The description uses a value before it is produced, or names an unknown weight.
    #[error("the network description does not fit together: {0}")]
    Plan(String),
    /// candle refused a shape or a weight.
    #[error("the network does not compute: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What the network says of one picture.
#[derive(Debug, Clone)]
pub struct Answer {
    /// One logit per label, in the pack's label order.
    pub logits: Vec<f32>,
    /// The pooled features before the last layer.
    pub features: Vec<f32>,
    /// The last feature map, `[channels][rows][columns]` flattened.
    pub map: Vec<f32>,
    /// Channels, rows and columns of [`Answer::map`].
    pub map_shape: (usize, usize, usize),
}

/// A network ready to run on the CPU. Cheap to share between threads; a forward pass does no I/O.
#[derive(Debug)]
pub struct Network {
    plan: Plan,
    weights: HashMap<String, Tensor>,
}

impl Network {
    /// Builds a network from `network.json` and the bytes of `weights.safetensors` (f16 or f32). No I/O.
    ///
    /// # Errors
    /// When the description is not readable, does not fit together, or a weight is missing.
    pub fn new(description: &str, weights: &[u8]) -> Result<Self, NetworkError> {
        let plan = Plan::from_json(description)?;
        let weights = safetensors::load_buffer(weights, &Device::Cpu)?
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)))
            .collect::<Result<HashMap<_, _>, candle_core::Error>>()?;
        for name in plan.weight_names() {
            for part in ["weight", "bias"] {
                let key = format!("{name}.{part}");
                if !weights.contains_key(&key) {
                    return Err(NetworkError::Plan(format!("weight {key} is missing")));
                }
            }
        }
        Ok(Self { plan, weights })
    }

    /// A tensor that stands beside the layers in the weights file, such as the out-of-scope model's: shape and values.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = self.weights.get(name)?;
        Some((tensor.dims().to_vec(), tensor.flatten_all().ok()?.to_vec1().ok()?))
    }

    /// Runs one picture, `[3][size][size]` flattened and normalised as the pack says. No I/O.
    ///
    /// # Errors
    /// When the input does not fit the network.
    pub fn forward(&self, input: &[f32], size: usize) -> Result<Answer, NetworkError> {
        let mut values = vec![Tensor::from_slice(input, (1, 3, size, size), &Device::Cpu)?];
        for node in &self.plan.nodes {
            let value = match node {
                Node::Conv { name, input, stride, pad, groups, act } => {
                    let [top, left, bottom, right] = *pad;
                    let x = values[*input].pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?;
                    let x = x.conv2d(self.weight(name, "weight"), 0, *stride, 1, *groups)?;
                    let bias = self.weight(name, "bias");
                    act.apply(&x.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?)?
                }
                Node::Add { inputs: [a, b] } => (&values[*a] + &values[*b])?,
                Node::GlobalAvgPool { input } => values[*input].mean((2, 3))?,
                Node::Linear { name, input } => values[*input]
                    .matmul(&self.weight(name, "weight").t()?)?
                    .broadcast_add(self.weight(name, "bias"))?,
            };
            values.push(value);
        }
        let flat = |id: usize| values[id].flatten_all()?.to_vec1::<f32>();
        let Outputs { map, features, logits } = self.plan.outputs;
        let (_, channels, rows, columns) = values[map].dims4()?;
        Ok(Answer {
            logits: flat(logits)?,
            features: flat(features)?,
            map: flat(map)?,
            map_shape: (channels, rows, columns),
        })
    }

    fn weight(&self, name: &str, part: &str) -> &Tensor {
        // `new` has checked every name of the plan.
        &self.weights[&format!("{name}.{part}")]
    }
}

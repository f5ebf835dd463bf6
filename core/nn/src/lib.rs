//! Convolutional networks on candle: a network description, its weights, and the forward pass.
//!
//! Lives here: tensors, layers, kernels, weights from safetensors. May not live here: medicine, pictures, files other than weights.
//! The whole plan of a forward pass is in `program.rs`; candle loads the weights, runs the pass as one custom operation, and is the reference
//! that it is tested against.

mod kernels;
mod memory;
mod plan;
mod program;
mod simd;
mod threads;

pub use plan::{Activation, Node, Outputs, Plan};
pub use program::Cost;
pub use simd::{Isa, peak};

use program::{Named, Program};

use candle_core::{DType, Device, Tensor, safetensors};

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
    /// The last feature map, `[rows][columns][channels]` flattened.
    pub map: Vec<f32>,
    /// Rows, columns and channels of [`Answer::map`].
    pub map_shape: (usize, usize, usize),
}

/// In what numbers a network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    Float,
    /// 8-bit whole numbers wherever the weights file holds a value's range, floats elsewhere.
    Int8,
}

/// A network ready to run on the CPU, lowered for one picture size. Cheap to share between threads; a forward pass does no I/O.
#[derive(Debug)]
pub struct Network {
    program: Program,
    extras: Named,
}

/// More threads than this gain little on a small network, and phones have few quick cores.
const MOST_THREADS: usize = 4;

impl Network {
    /// Builds a network from `network.json` and the bytes of `weights.safetensors` (f16 or f32) for pictures of `size` x `size` pixels, with
    /// the processor's quickest instructions on as many threads as it has cores (at most four), in 8 bits where the weights hold ranges. No I/O.
    ///
    /// # Errors
    /// When the description is not readable, does not fit together, or a weight is missing.
    pub fn new(description: &str, weights: &[u8], size: usize) -> Result<Self, NetworkError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(description, weights, size, Isa::detect(), cores.min(MOST_THREADS), Precision::Int8)
    }

    /// As [`Network::new`], with chosen instructions (plain ones where the processor lacks them), number of threads and precision.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn with(
        description: &str,
        weights: &[u8],
        size: usize,
        isa: Isa,
        threads: usize,
        precision: Precision,
    ) -> Result<Self, NetworkError> {
        let plan = Plan::from_json(description)?;
        let mut named = load(weights)?;
        let program = Program::new(&plan, &named, size, isa, threads, precision)?;
        // Packed now, and much the larger part; a linear layer is small, and heat maps read it.
        for node in &plan.nodes {
            if let Node::Conv { name, .. } = node {
                named.remove(&format!("{name}.weight"));
            }
        }
        Ok(Self { program, extras: named })
    }

    /// A tensor of the weights file that is no convolution's, such as the head's or the out-of-scope model's: shape and values.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let (shape, values) = self.extras.get(name)?;
        Some((shape, values))
    }

    /// Runs one picture, `[3][size][size]` flattened and normalised as the pack says. No I/O.
    ///
    /// # Errors
    /// When the input does not fit the network.
    pub fn forward(&self, input: Vec<f32>) -> Result<Answer, NetworkError> {
        let length = input.len();
        let mut logits =
            Tensor::from_vec(input, length, &Device::Cpu)?.apply_op1_no_bwd(&&self.program)?.to_vec1::<f32>()?;
        let [first, second, map] = self.program.output_layouts();
        let mut features = logits.split_off(first.pixels() * first.channels);
        let pixels = features.split_off(second.pixels() * second.channels);
        Ok(Answer { logits, features, map: pixels, map_shape: (map.rows, map.columns, map.channels) })
    }

    /// The steps of a pass in running order with their seconds: medians of `passes`. No I/O.
    #[must_use]
    pub fn profile(&self, passes: usize) -> Vec<(Cost, f64)> {
        self.program.profile(passes)
    }

    /// Bytes that a pass needs beside the weights.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        self.program.arena_floats() * size_of::<f32>()
    }
}

/// All tensors of a safetensors file as 32-bit floats.
fn load(weights: &[u8]) -> Result<Named, NetworkError> {
    safetensors::load_buffer(weights, &Device::Cpu)?
        .into_iter()
        .map(|(name, tensor)| {
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            Ok((name, (tensor.dims().to_vec(), values)))
        })
        .collect()
}

//! The network description of a pack (`network.json`, see models/PACK_FORMAT.md): a list of nodes over numbered values.

use crate::NetworkError;
use serde::Deserialize;

/// A network: nodes in the order in which they run. Value 0 is the picture; node `i` makes value `i + 1`.
#[derive(Debug, Clone, Deserialize)]
pub struct Plan {
    /// The nodes in running order.
    pub nodes: Vec<Node>,
    /// Which values are the answer.
    pub outputs: Outputs,
}

/// The values that a pack's user reads.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Outputs {
    /// The last feature map, before pooling.
    pub map: usize,
    /// The pooled features.
    pub features: usize,
    /// One logit per label.
    pub logits: usize,
}

/// One step of the network.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Node {
    /// Convolution with bias; batch norm is already folded in.
    Conv {
        /// Weight name without `.weight` / `.bias`.
        name: String,
        /// Value id of the input, NCHW.
        input: usize,
        /// The same in both directions.
        stride: usize,
        /// Zero padding: top, left, bottom, right.
        pad: [usize; 4],
        /// 1, or the number of channels for a depthwise convolution.
        groups: usize,
        /// What follows the bias.
        act: Activation,
    },
    /// Sum of two values of one shape.
    Add {
        /// Value ids.
        inputs: [usize; 2],
        /// What follows the sum.
        #[serde(default)]
        act: Activation,
    },
    /// Each channel of the first value times the second one's number for it (squeeze-and-excitation).
    Scale {
        /// Value ids: a plane, and one number per channel.
        inputs: [usize; 2],
    },
    /// The largest value in windows; what lies outside of the picture does not count.
    MaxPool {
        /// Value id.
        input: usize,
        /// Rows and columns of the window.
        size: usize,
        /// The same in both directions.
        stride: usize,
        /// Top, left, bottom, right.
        pad: [usize; 4],
    },
    /// Mean over rows and columns.
    GlobalAvgPool {
        /// Value id.
        input: usize,
    },
    /// Matrix product with bias.
    Linear {
        /// Weight name without `.weight` / `.bias`.
        name: String,
        /// Value id.
        input: usize,
        /// What follows the bias.
        #[serde(default)]
        act: Activation,
    },
}

/// What follows a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Identity.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
}

impl Node {
    /// The values that it reads.
    #[must_use]
    pub fn inputs(&self) -> &[usize] {
        match self {
            Self::Add { inputs, .. } | Self::Scale { inputs } => inputs,
            Self::Conv { input, .. }
            | Self::GlobalAvgPool { input }
            | Self::MaxPool { input, .. }
            | Self::Linear { input, .. } => std::slice::from_ref(input),
        }
    }

    /// What follows its sum.
    pub(crate) fn act(&self) -> Activation {
        match self {
            Self::Conv { act, .. } | Self::Add { act, .. } | Self::Linear { act, .. } => *act,
            Self::Scale { .. } | Self::MaxPool { .. } | Self::GlobalAvgPool { .. } => Activation::None,
        }
    }
}

impl Plan {
    /// Reads and checks a description: every value is made before it is used.
    ///
    /// # Errors
    /// When it is not readable or does not fit together.
    pub fn from_json(text: &str) -> Result<Self, NetworkError> {
        let plan: Self = serde_json::from_str(text)?;
        let out_of_order = |id: usize, made: usize| {
            (id >= made).then(|| NetworkError::Plan(format!("value {id} is used before it is made")))
        };
        for (made, node) in (1..).zip(&plan.nodes) {
            if let Some(error) = node.inputs().iter().find_map(|&id| out_of_order(id, made)) {
                return Err(error);
            }
        }
        let Outputs { map, features, logits } = plan.outputs;
        match [map, features, logits].into_iter().find_map(|id| out_of_order(id, plan.nodes.len() + 1)) {
            Some(error) => Err(error),
            None => Ok(plan),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_value_used_before_it_is_made() {
        let text = r#"{"nodes":[{"op":"add","inputs":[0,2]},{"op":"global_avg_pool","input":1}],
                       "outputs":{"map":1,"features":2,"logits":2}}"#;
        assert!(matches!(Plan::from_json(text), Err(NetworkError::Plan(_))));
    }

    #[test]
    fn refuses_an_output_that_nobody_makes() {
        let text = r#"{"nodes":[{"op":"global_avg_pool","input":0}],"outputs":{"map":0,"features":1,"logits":7}}"#;
        assert!(matches!(Plan::from_json(text), Err(NetworkError::Plan(_))));
    }
}

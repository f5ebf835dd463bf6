//! A photo's file to the calibrated probabilities, as the program does it.

use crate::{Input, Model, Outcome};
use barefoot_vision::{ImageModel, Picture, Quality};
use std::fs;
use std::path::Path;

/// As many threads as the driver's pinning leaves.
pub(crate) fn load(folder: &Path) -> Outcome<Model> {
    let read = |name| fs::read(folder.join(name));
    let text = |name| fs::read_to_string(folder.join(name));
    let model = ImageModel::from_pack(&text("manifest.json")?, &text("network.json")?, &read("weights.safetensors")?)?;
    Ok(Box::new(move |input| {
        let Input::Photo(bytes) = input else { return Err("this peer takes photos".into()) };
        let picture = Picture::decode_small(bytes, model.least_side())?;
        Ok(model.look(&picture, &Quality::of(&picture))?.probabilities)
    }))
}

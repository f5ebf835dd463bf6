//! candle says what PyTorch said, on the weights that are shipped: no PyTorch is needed to see it.

use barefoot_nn::{Isa, Network, Precision};
use serde::Deserialize;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    size: usize,
    logits: Vec<f32>,
    features_first_16: Vec<f32>,
    tolerance: f32,
}

#[test]
fn every_pack_agrees_with_pytorch() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let mut packs = 0;
    for entry in fs::read_dir(models.join("training/golden")).expect("golden vectors") {
        let path = entry.expect("entry").path();
        let golden: Golden = serde_json::from_str(&fs::read_to_string(&path).expect("reads")).expect("parses");
        let pack = models.join("packs").join(path.file_stem().expect("a name"));
        let description = fs::read_to_string(pack.join("network.json")).expect("network");
        let weights = fs::read(pack.join("weights.safetensors")).expect("weights");
        let size = golden.size;
        let network =
            Network::with(&description, &weights, size, Isa::detect(), 1, Precision::Float).expect("fits together");
        // The formula of models/training/export.py, which made the vector.
        let input: Vec<f32> = (0..3 * size * size)
            .map(|i| {
                let (c, y, x) = (i / (size * size), i / size % size, i % size);
                (0.1 * c as f64 + 0.01 * y as f64 + 0.013 * x as f64).sin() as f32
            })
            .collect();
        let answer = network.forward(input).expect("runs");
        let worst =
            |ours: &[f32], theirs: &[f32]| ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(answer.logits.len(), golden.logits.len());
        assert!(worst(&answer.logits, &golden.logits) <= golden.tolerance, "{}: {:?}", path.display(), answer.logits);
        assert!(worst(&answer.features, &golden.features_first_16) <= golden.tolerance);
        packs += 1;
    }
    assert!(packs > 0);
}

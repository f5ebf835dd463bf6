//! Pictures through a pack's network in floats and in bytes, in turns: each one's label, and what it took (`models/training/run int8`).
//!
//! `precisions FOLDER SIZE THREADS`: FOLDER holds network.json, weights.safetensors and pictures.u8 (`[n][3][SIZE][SIZE]`). Prints a line per
//! picture: the label by floats, the label by bytes. Then, as the last line, the median milliseconds of either and of their ratio.

use barefoot_nn::{Isa, Network, Precision};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// The packs' normalisation: mean and standard deviation of a pixel in 0..1.
const MEAN: f32 = 0.5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, size, threads] = &arguments[..] else { return Err("usage: precisions FOLDER SIZE THREADS".into()) };
    let (folder, size, threads) = (Path::new(folder), size.parse::<usize>()?, threads.parse()?);
    let description = fs::read_to_string(folder.join("network.json"))?;
    let weights = fs::read(folder.join("weights.safetensors"))?;
    let network = |precision| Network::with(&description, &weights, size, Isa::detect(), threads, precision);
    let networks = [network(Precision::Float)?, network(Precision::Int8)?];
    let mut times: [Vec<f64>; 3] = Default::default();
    let mut out = io::stdout().lock();
    for picture in fs::read(folder.join("pictures.u8"))?.chunks_exact(3 * size * size) {
        let input: Vec<f32> = picture.iter().map(|&v| (f32::from(v) / 255.0 - MEAN) / MEAN).collect();
        let mut took = [0.0; 2];
        for (network, took) in networks.iter().zip(&mut took) {
            let input = input.clone();
            let began = Instant::now();
            let logits = network.forward(input)?.logits;
            *took = began.elapsed().as_secs_f64() * 1e3;
            let label = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            write!(out, "{} ", label.ok_or("no labels")?)?;
        }
        writeln!(out)?;
        for (times, time) in times.iter_mut().zip([took[0], took[1], took[1] / took[0]]) {
            times.push(time);
        }
    }
    let [floats, bytes, ratio] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    });
    writeln!(out, "{floats:.3} {bytes:.3} {ratio:.3}")?;
    Ok(())
}

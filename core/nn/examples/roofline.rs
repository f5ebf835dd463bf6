//! Where a pass spends its time, step by step, against what the processor could do (docs/inference.md).
//!
//! `roofline FOLDER SIZE THREADS [f32|int8]`: FOLDER holds network.json and weights.safetensors. Each step's time beside the roof: the longer of its
//! multiplications at the measured peak and its bytes at the measured speed of reading what lies in the last cache.

use barefoot_nn::{Isa, Network, Precision, peak};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

const PASSES: usize = 300;

/// As much as a small network's weights and values: more than a core's own cache.
const READ: usize = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, size, threads, precision) = match &arguments[..] {
        [folder, size, threads] => (folder, size, threads, Precision::Float),
        [folder, size, threads, precision] if precision == "f32" => (folder, size, threads, Precision::Float),
        [folder, size, threads, precision] if precision == "int8" => (folder, size, threads, Precision::Int8),
        _ => return Err("usage: roofline FOLDER SIZE THREADS [f32|int8]".into()),
    };
    let (folder, size, threads) = (Path::new(folder), size.parse()?, threads.parse::<usize>()?);
    let description = fs::read_to_string(folder.join("network.json"))?;
    let weights = fs::read(folder.join("weights.safetensors"))?;
    let isa = Isa::detect();
    let network = Network::with(&description, &weights, size, isa, threads, precision)?;
    // To warm up.
    let _ = network.profile(PASSES / 4);
    let steps = network.profile(PASSES);
    let (peak, read) = (peak(isa, 0.2) * threads as f64, reading() * threads as f64);
    let total: f64 = steps.iter().map(|(_, seconds)| seconds).sum();
    let mut out = io::stdout().lock();
    writeln!(out, "{isa:?}, {threads} threads: at most {:.0} GFLOP/s, {:.0} GB/s", 2e-9 * peak, 1e-9 * read)?;
    writeln!(out, "| step | ms | of all | GFLOP/s | of peak | GB/s | roof ms | roof / time |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut roofs = 0.0;
    for (step, seconds) in &steps {
        let (sums, bytes) = (step.multiplications as f64, step.bytes as f64);
        let roof = (sums / peak).max(bytes / read);
        roofs += roof;
        writeln!(
            out,
            "| {} | {:.3} | {:.1} % | {:.1} | {:.0} % | {:.1} | {:.3} | {:.2} |",
            step.name,
            1e3 * seconds,
            100.0 * seconds / total,
            2e-9 * sums / seconds,
            100.0 * sums / seconds / peak,
            1e-9 * bytes / seconds,
            1e3 * roof,
            roof / seconds,
        )?;
    }
    writeln!(out, "| all | {:.3} | | | | | {:.3} | {:.2} |", 1e3 * total, 1e3 * roofs, roofs / total)?;
    Ok(())
}

/// Bytes a second that one core reads from a buffer past its own cache.
fn reading() -> f64 {
    let buffer = vec![1_u64; READ / size_of::<u64>()];
    let mut fastest = f64::INFINITY;
    for _ in 0..30 {
        let start = Instant::now();
        std::hint::black_box(buffer.iter().fold(0, |sum: u64, &x| sum.wrapping_add(x)));
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    READ as f64 / fastest
}

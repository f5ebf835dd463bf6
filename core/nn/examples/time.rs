//! Times a forward pass.
use barefoot_nn::{Isa, Network};
use std::time::Instant;
fn main() {
    let dir = std::env::args().nth(1).unwrap_or("models/packs/clinical".into());
    let size: usize = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(192);
    let d = std::fs::read_to_string(format!("{dir}/network.json")).unwrap();
    let w = std::fs::read(format!("{dir}/weights.safetensors")).unwrap();
    let input: Vec<f32> = (0..3 * size * size).map(|i| ((i % 97) as f32 / 48.0) - 1.0).collect();
    for isa in Isa::available() {
        for threads in [1, 2] {
            let t0 = Instant::now();
            let n = Network::with(&d, &w, size, isa, threads).unwrap();
            let load = t0.elapsed();
            let mut v: Vec<f64> = (0..100).map(|_| { let t = Instant::now(); n.forward(&input).unwrap(); t.elapsed().as_secs_f64() * 1e3 }).collect();
            v.sort_by(f64::total_cmp);
            eprintln!("{isa:?} threads {threads} median {:.3} min {:.3} load {:.1} arena {}", v[50], v[0], load.as_secs_f64() * 1e3, n.arena_bytes());
        }
    }
}

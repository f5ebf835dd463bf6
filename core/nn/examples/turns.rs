//! turns
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use barefoot_nn::*;
use std::io::BufRead;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(format!("{}/network.json", a[1])).unwrap();
    let weights = std::fs::read(format!("{}/weights.safetensors", a[1])).unwrap();
    let size: usize = a[2].parse().unwrap();
    let threads: usize = a[3].parse().unwrap();
    let p = if a[4] == "f32" { Precision::Float } else { Precision::Int8 };
    let net = Network::with(&text, &weights, size, Isa::detect(), threads, p).unwrap();
    let input: Vec<f32> = (0..3 * size * size).map(|i| ((i % 255) as f32 / 255.0 - 0.5) / 0.5).collect();
    println!("loaded");
    for line in std::io::stdin().lock().lines() {
        let n: usize = line.unwrap().trim().parse().unwrap();
        let mut out = String::from("times");
        for _ in 0..n { let x = input.clone(); let s = Instant::now(); net.forward(x).unwrap(); out += &format!(" {}", s.elapsed().as_nanos()); }
        println!("{out}");
    }
}

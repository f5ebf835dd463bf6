//! probe
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use barefoot_nn::*;
use std::time::Instant;
fn cpu() -> u64 {
    std::fs::read_to_string("/proc/self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&a[1]).unwrap();
    let weights = std::fs::read(&a[2]).unwrap();
    let size: usize = a[3].parse().unwrap();
    let threads: usize = a[4].parse().unwrap();
    let rounds: usize = a[5].parse().unwrap();
    let input: Vec<f32> = (0..3 * size * size)
        .map(|i| {
            let (c, y, x) = (i / (size * size), i / size % size, i % size);
            let v = (0.1 * c as f64 + 0.01 * y as f64 + 0.013 * x as f64).sin() as f32;
            ((v * 127.5 + 127.5).round() / 255.0 - 0.5) / 0.5
        })
        .collect();
    let f32net = Network::with(&text, &weights, size, Isa::detect(), threads, Precision::Float).unwrap();
    let want = f32net.forward(input.clone()).unwrap();
    println!("f32 {:?}", want.logits);
    let mut first: Option<Answer> = None;
    for isa in Isa::available() {
        let net = Network::with(&text, &weights, size, isa, threads, Precision::Int8).unwrap();
        let got = net.forward(input.clone()).unwrap();
        println!("{isa:?} {:?} arena {}", got.logits, net.arena_bytes());
        if let Some(f) = &first {
            println!("  equal map {} features {}", f.map == got.map, f.features == got.features);
        } else {
            let err =
                got.map.iter().zip(&want.map).map(|(a, b)| (a - b).abs()).sum::<f32>() / want.map.iter().sum::<f32>();
            println!("  map rel err {err}");
            first = Some(got);
        }
    }
    let mut nets = vec![("f32", f32net)];
    for isa in Isa::available() {
        if isa == Isa::Portable {
            continue;
        }
        nets.push((
            if isa == Isa::Avx2 { "avx2" } else { "vnni" },
            Network::with(&text, &weights, size, isa, threads, Precision::Int8).unwrap(),
        ));
    }
    let mut best = vec![f64::MAX; nets.len()];
    let mut all = vec![vec![]; nets.len()];
    for _ in 0..rounds {
        for (i, (_, net)) in nets.iter().enumerate() {
            let c = cpu();
            let s = Instant::now();
            for _ in 0..10 {
                net.forward(input.clone()).unwrap();
            }
            let w = s.elapsed().as_secs_f64() * 1e2;
            let _ = w;
            let t = (cpu() - c) as f64 * 1e-7;
            best[i] = best[i].min(t);
            all[i].push(t);
        }
    }
    for (i, (n, _)) in nets.iter().enumerate() {
        all[i].sort_by(f64::total_cmp);
        println!("{n}: best {:.3} median {:.3}", best[i], all[i][all[i].len() / 2]);
    }
}

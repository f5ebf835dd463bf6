//! judge
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use barefoot_nn::*;
fn main() {
    let size: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let name = std::env::args().nth(2).unwrap();
    let mut pooled: Vec<(usize, usize, usize)> = vec![];
    let (mut devs, mut n, mut fdev) = (0.0f64, 0.0f64, 0.0f64);
    for folder in std::env::args().skip(3) {
        let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let weights = std::fs::read(format!("{folder}/weights.safetensors")).unwrap();
        let pics = std::fs::read(format!("{folder}/pics.u8")).unwrap();
        let labels: Vec<usize> = std::fs::read_to_string(format!("{folder}/labels"))
            .unwrap()
            .split(' ')
            .map(|x| x.parse().unwrap())
            .collect();
        let a = Network::with(&text, &weights, size, Isa::detect(), 1, Precision::Float).unwrap();
        let b = Network::with(&text, &weights, size, Isa::detect(), 1, Precision::Int8).unwrap();
        let argmax = |v: &[f32]| (0..v.len()).max_by(|&i, &j| v[i].total_cmp(&v[j])).unwrap();
        for (p, &l) in pics.chunks_exact(3 * size * size).zip(&labels) {
            let x: Vec<f32> = p.iter().map(|&v| (v as f32 / 255.0 - 0.5) / 0.5).collect();
            let (fa, fb) = (a.forward(x.clone()).unwrap(), b.forward(x).unwrap());
            let (ya, yb) = (fa.logits, fb.logits);
            let ma = ya.iter().sum::<f32>() / ya.len() as f32;
            let mb = yb.iter().sum::<f32>() / ya.len() as f32;
            for (u, v) in ya.iter().zip(&yb) {
                devs += ((u - ma - v + mb) as f64).powi(2);
                n += 1.0;
            }
            let num: f32 = fa.features.iter().zip(&fb.features).map(|(x, y)| (x - y).powi(2)).sum();
            let den: f32 = fa.features.iter().map(|x| x * x).sum();
            fdev += (num / den) as f64;
            pooled.push((l, argmax(&ya), argmax(&yb)));
        }
    }
    let classes = pooled.iter().map(|p| p.0).max().unwrap() + 1;
    let acc = |which: &dyn Fn(&(usize, usize, usize)) -> usize| {
        (0..classes)
            .map(|c| {
                let own: Vec<_> = pooled.iter().filter(|p| p.0 == c).collect();
                own.iter().filter(|p| which(p) == c).count() as f64 / own.len() as f64
            })
            .sum::<f64>()
            / classes as f64
    };
    let same = pooled.iter().filter(|p| p.1 == p.2).count();
    println!(
        "{name}: n {} balanced f32 {:.4} int8 {:.4} same {:.4} logit rms {:.4} features rel {:.4}",
        pooled.len(),
        acc(&|p| p.1),
        acc(&|p| p.2),
        same as f64 / pooled.len() as f64,
        (devs / n).sqrt(),
        (fdev / pooled.len() as f64).sqrt()
    );
}

//! A worker of `cargo xtask bench inference`: `barefoot-peers PEER` obeys lines on standard input and answers each with one line.
//!
//! | line | answer |
//! |---|---|
//! | (start) | `imported` |
//! | `load FOLDER THREADS` | `loaded`: the model of the folder is ready, and so is its timing input |
//! | `answer FILE` | `values`, then the logits of every input in the file |
//! | `run N` | `times`, then the nanoseconds of each of N answers to the timing input |
//! | `memory` | `memory`, then the peak resident set in KiB |
//!
//! `worker.py` beside this obeys the same lines for the peers that come from PyPI.

mod candle;
mod photo;

use barefoot_nn::{Isa, Network, Precision};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A loaded model: what it says of one input.
type Model = Box<dyn Fn(&Input) -> Outcome<Vec<f32>>>;

/// What a model is asked about.
enum Input {
    /// `[3][size][size]`, normalised.
    Tensor(Vec<f32>),
    /// A photo's file.
    Photo(Vec<u8>),
}

impl Input {
    fn tensor(&self) -> Outcome<&[f32]> {
        match self {
            Self::Tensor(values) => Ok(values),
            Self::Photo(_) => Err("this peer takes tensors".into()),
        }
    }
}

fn main() -> Outcome<()> {
    let peer = std::env::args().nth(1).ok_or("usage: barefoot-peers ours|ours-int8|candle|tract|photo-ours")?;
    say("imported")?;
    let mut loaded: Option<(Model, Vec<Input>, usize)> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let word = words.next().unwrap_or_default();
        let mut next = || words.next().ok_or(format!("`{line}` lacks a word"));
        match word {
            "load" => {
                let folder = Path::new(next()?);
                let size = fs::read_to_string(folder.join("size"))?.trim().parse()?;
                let model = load(&peer, folder, size, next()?.parse()?)?;
                let timed = if peer.starts_with("photo") { "photo.jpg" } else { "input.f32" };
                loaded = Some((model, inputs(&folder.join(timed), size)?, size));
                say("loaded")?;
            }
            "memory" => say(&format!("memory {}", peak_kib()?))?,
            _ => {
                let (model, timed, size) = loaded.as_ref().ok_or("load a model first")?;
                match word {
                    "answer" => {
                        let mut answer = String::from("values");
                        for input in inputs(Path::new(next()?), *size)? {
                            for value in model(&input)? {
                                write!(answer, " {value}")?;
                            }
                        }
                        say(&answer)?;
                    }
                    "run" => {
                        let mut answer = String::from("times");
                        for _ in 0..next()?.parse::<usize>()? {
                            let start = Instant::now();
                            model(&timed[0])?;
                            write!(answer, " {}", start.elapsed().as_nanos())?;
                        }
                        say(&answer)?;
                    }
                    _ => return Err(format!("no such line: {line}").into()),
                }
            }
        }
    }
    Ok(())
}

fn load(peer: &str, folder: &Path, size: usize, threads: usize) -> Outcome<Model> {
    if peer == "photo-ours" {
        return photo::load(folder);
    }
    if peer == "tract" {
        return tract(folder, size, threads);
    }
    let description = fs::read_to_string(folder.join("network.json"))?;
    let weights = |file| fs::read(folder.join(file));
    Ok(match peer {
        "ours" | "ours-int8" => {
            let (file, precision) = match peer {
                "ours" => ("weights.safetensors", Precision::Float),
                _ => ("weights.int8.safetensors", Precision::Int8),
            };
            let weights = weights(file)?;
            let network = Network::with(&description, &weights, size, Isa::detect(), threads, precision)?;
            Box::new(move |input| Ok(network.forward(input.tensor()?.to_vec())?.logits))
        }
        "candle" => {
            let network = candle::Network::new(&description, &weights("weights.safetensors")?)?;
            Box::new(move |input| network.forward(input.tensor()?, size))
        }
        _ => return Err(format!("no peer {peer}").into()),
    })
}

fn tract(folder: &Path, size: usize, threads: usize) -> Outcome<Model> {
    if threads > 1 {
        set_default_executor(Executor::multithread(threads));
    }
    let model = tract_onnx::onnx().model_for_path(folder.join("model.onnx"))?.into_optimized()?.into_runnable()?;
    Ok(Box::new(move |input| {
        let input = Tensor::from_shape(&[1, 3, size, size], input.tensor()?)?;
        let outputs = model.run(tvec!(input.into()))?;
        Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}

/// One input of a photo's file, or the many of a file of floats.
fn inputs(file: &Path, size: usize) -> Outcome<Vec<Input>> {
    let bytes = fs::read(file)?;
    if file.extension().is_some_and(|extension| extension == "jpg") {
        return Ok(vec![Input::Photo(bytes)]);
    }
    let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    Ok(floats.chunks_exact(3 * size * size).map(|input| Input::Tensor(input.to_vec())).collect())
}

fn peak_kib() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

//! Who races, where their programs are, and how they get there.

use super::{SHAPES, worker::Worker};
use crate::tools::{Outcome, cache, run};
use crate::{root, say};
use serde::Serialize;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a peer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The network in 32-bit floats.
    F32,
    /// The network in 8 bit.
    Int8,
    /// A photo's file to calibrated probabilities.
    Photo,
}

/// Which program plays a peer.
#[derive(Clone, Copy)]
enum Home {
    /// tests/peers, Rust.
    Rust,
    /// tests/peers/worker.py in the environment of `requirements.txt`.
    Python,
    /// The same in the training environment, which has PyTorch.
    Training,
}

/// One racer.
pub(super) struct Peer {
    pub name: &'static str,
    pub kind: Kind,
    home: Home,
}

const fn peer(name: &'static str, kind: Kind, home: Home) -> Peer {
    Peer { name, kind, home }
}

/// The first of a kind of race is ours.
static NETWORK: [Peer; 13] = [
    peer("ours", Kind::F32, Home::Rust),
    peer("onnxruntime", Kind::F32, Home::Python),
    peer("litert", Kind::F32, Home::Python),
    peer("openvino", Kind::F32, Home::Python),
    peer("ncnn", Kind::F32, Home::Python),
    peer("mnn", Kind::F32, Home::Python),
    peer("pytorch", Kind::F32, Home::Training),
    peer("tract", Kind::F32, Home::Rust),
    peer("candle", Kind::F32, Home::Rust),
    peer("ours-int8", Kind::Int8, Home::Rust),
    peer("onnxruntime-int8", Kind::Int8, Home::Python),
    peer("litert-int8", Kind::Int8, Home::Python),
    peer("openvino-int8", Kind::Int8, Home::Python),
];

static PHOTO: [Peer; 3] = [
    peer("photo-ours", Kind::Photo, Home::Rust),
    peer("photo-pillow", Kind::Photo, Home::Python),
    peer("photo-pillow-draft", Kind::Photo, Home::Python),
];

/// The named peers of a race, or all; ours always, and first of their kind.
pub(super) fn chosen(photo: bool, names: &[&str]) -> Outcome<Vec<&'static Peer>> {
    let all: &'static [Peer] = if photo { &PHOTO } else { &NETWORK };
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|peer| peer.name == **name)) {
        let known: Vec<_> = all.iter().map(|peer| peer.name).collect();
        return Err(format!("no peer {unknown}; there are {}", known.join(", ")).into());
    }
    let wanted = |peer: &&Peer| names.is_empty() || names.contains(&peer.name) || peer.name.contains("ours");
    Ok(all.iter().filter(wanted).collect())
}

impl Peer {
    /// A new worker of this peer.
    pub fn start(&self, threads: usize) -> Outcome<Worker> {
        let script = sources().join("worker.py");
        match self.home {
            Home::Rust => Worker::start(self.name, &[&rust_worker()?], threads),
            Home::Python => Worker::start(self.name, &[&python()?, &script], threads),
            Home::Training => Worker::start(self.name, &[&cache()?.join("venv-training/bin/python"), &script], threads),
        }
    }
}

/// Makes the Python environments and builds the Rust workers, where they are not up to date.
pub(super) fn setup() -> Outcome<()> {
    let (environment, requirements) = (cache()?.join("peers-venv"), sources().join("requirements.txt"));
    let (wanted, stamp) = (fs::read(&requirements)?, environment.join("requirements"));
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        say("installing the peers of PyPI");
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        // The list is complete; asked for its dependencies, pnnx would bring PyTorch and 3 GB of CUDA.
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
        run(Command::new(python()?).args(install).arg(&requirements))?;
        fs::write(&stamp, &wanted)?;
    }
    // Makes the training environment, where PyTorch is.
    run(Command::new(root().join("models/training/run")).arg("--help").stdout(std::process::Stdio::null()))?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(target()?);
    run(cargo.current_dir(sources()))
}

/// The folder of a network in every peer's format; made if it is not up to date. `pack` is a pack's folder or one of [`SHAPES`].
pub(super) fn converted(pack: &str) -> Outcome<PathBuf> {
    let name = Path::new(pack).file_name().ok_or("a pack has a name")?;
    if !SHAPES.contains(&pack) && !Path::new(pack).join("network.json").exists() {
        return Err(format!("{pack} is neither a pack's folder nor one of {}", SHAPES.join(", ")).into());
    }
    let folder = cache()?.join("peers/models").join(name);
    let mut convert = Command::new(python()?);
    convert.arg(sources().join("convert.py")).arg(pack).arg(&folder);
    let data = env::var_os("BAREFOOT_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if data.is_dir() {
        convert.arg(fs::canonicalize(data)?);
    }
    run(&mut convert)?;
    Ok(folder)
}

fn sources() -> PathBuf {
    root().join("tests/peers")
}

fn python() -> Outcome<PathBuf> {
    Ok(cache()?.join("peers-venv/bin/python"))
}

/// Kept over changes of the worktree: tract takes minutes to compile.
fn target() -> Outcome<PathBuf> {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Ok(cache()?.join("peers/target")), |target| Ok(PathBuf::from(target)))
}

fn rust_worker() -> Outcome<PathBuf> {
    Ok(target()?.join("release/barefoot-peers"))
}

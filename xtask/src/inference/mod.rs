//! `cargo xtask bench inference`: the same network in Barefoot and in other inference engines, in turns (docs/inference.md).
//!
//! Each peer is a resident process that answers one picture at a time. A round lets every peer run once, in a shuffled order, so that whatever
//! else the machine does meets all of them; ratios are taken within a round.

mod peers;
mod report;
mod worker;

use crate::tools::Outcome;
use crate::{root, say};
use peers::{Kind, Peer};
use report::{Figures, Spread};
use serde_json::json;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use worker::Worker;

/// Random networks of well-known shapes, beside the shipped packs.
const SHAPES: [&str; 2] = ["mobilenetv3-large", "resnet18"];
/// Answers in a peer's turn; the turn counts as their median. Two more before them warm the caches.
const RUNS: usize = 5;
const WARM_UP: usize = 2;
/// Between turns: threads that wait in a loop for more work have gone to sleep by then.
const PAUSE: Duration = Duration::from_millis(120);
/// New processes for the cold start.
const STARTS: usize = 7;
/// How far 32-bit logits may be apart, as a part of the largest logit where that is above 1.
const TOLERANCE: f64 = 1e-3;

/// What to race.
struct Options {
    packs: Vec<String>,
    threads: Vec<usize>,
    rounds: usize,
    peers: Vec<&'static Peer>,
    photo: bool,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Outcome<Self> {
        let mut options =
            Self { packs: Vec::new(), threads: vec![1, 2], rounds: 30, peers: Vec::new(), photo: false, json: None };
        let mut names = Vec::new();
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word {
                "--photo" => options.photo = true,
                "--threads" => options.threads = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--peers" => names = value()?.split(',').collect(),
                "--json" => options.json = Some(value()?.into()),
                "--pack" => {
                    options.packs.push(value()?.to_owned());
                    while let Some(more) = words.next_if(|word| !word.starts_with("--")) {
                        options.packs.push(more.to_owned());
                    }
                }
                _ => return Err(format!("no such option: {word}").into()),
            }
        }
        if options.rounds == 0 || options.threads.contains(&0) {
            return Err("--rounds and --threads are at least 1".into());
        }
        if options.packs.is_empty() {
            let models = root().join("models/packs");
            options.packs = ["clinical", "dermoscopy"].map(|pack| models.join(pack).display().to_string()).to_vec();
            if !options.photo {
                options.packs.extend(SHAPES.map(str::to_owned));
            }
        }
        options.peers = peers::chosen(options.photo, &names)?;
        Ok(options)
    }
}

/// `cargo xtask setup peers`.
pub(crate) fn setup() -> Outcome<()> {
    peers::setup()
}

/// `cargo xtask bench inference`.
pub(crate) fn run(words: &[&str]) -> Outcome<()> {
    let options = Options::parse(words)?;
    peers::setup()?;
    let mut races = Vec::new();
    for pack in &options.packs {
        let folder = peers::converted(pack)?;
        for &threads in &options.threads {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            say(&format!("== {name}, threads: {threads}"));
            let figures = race(&folder, threads, &options)?;
            say(&report::table(&name, threads, &figures));
            races.push(json!({ "network": name, "threads": threads, "rounds": options.rounds, "peers": figures }));
        }
    }
    if let Some(file) = &options.json {
        let machine = report::machine()?;
        fs::write(file, serde_json::to_string_pretty(&json!({ "machine": machine, "races": races }))?)?;
    }
    Ok(())
}

/// One network at one number of threads.
fn race(folder: &Path, threads: usize, options: &Options) -> Outcome<Vec<Figures>> {
    let mut workers = Vec::new();
    for peer in &options.peers {
        let mut worker = peer.start(threads)?;
        worker.idle_kib = worker.peak_kib()?;
        worker.load(folder, threads)?;
        worker.run(WARM_UP)?;
        workers.push(worker);
    }
    // Before the many pictures of the comparison, which are read at once.
    let peaks = workers.iter_mut().map(Worker::peak_kib).collect::<Outcome<Vec<_>>>()?;
    let agreements = compare(folder, options, &mut workers)?;
    let mut times = vec![Vec::new(); workers.len()];
    for round in 0..options.rounds {
        for i in shuffled(workers.len(), round) {
            thread::sleep(PAUSE);
            workers[i].run(WARM_UP)?;
            times[i].push(median(&workers[i].run(RUNS)?));
        }
    }
    let idle: Vec<_> = workers.iter().map(|worker| worker.idle_kib).collect();
    drop(workers);
    let starts = cold_starts(folder, threads, options)?;
    // The first of a kind is ours.
    let ours =
        |kind| options.peers.iter().position(|peer| peer.kind == kind).map_or_else(Vec::new, |i| times[i].clone());
    let ours: Vec<_> = options.peers.iter().map(|peer| ours(peer.kind)).collect();
    let each = options.peers.iter().zip(times).zip(ours).zip(agreements).zip(starts).zip(idle.iter().zip(peaks));
    Ok(each
        .map(|(((((peer, times), ours), agreement), (cold_ms, imported_ms)), (&idle, peak))| Figures {
            peer: peer.name,
            kind: peer.kind,
            ms: Spread::of(&times),
            ratio: Spread::of(&ours.iter().zip(&times).map(|(ours, peer)| ours / peer).collect::<Vec<_>>()),
            peak_mib: peak as f64 / 1024.0,
            model_mib: peak.saturating_sub(idle) as f64 / 1024.0,
            cold_ms,
            imported_ms,
            difference: agreement.0,
            same_first: agreement.1,
        })
        .collect())
}

/// Each peer's largest difference to ours, and the share of inputs to which it gives the same first label.
fn compare(folder: &Path, options: &Options, workers: &mut [Worker]) -> Outcome<Vec<(f64, f64)>> {
    let (file, inputs) = if options.photo {
        (folder.join("photo.jpg"), 1)
    } else {
        let size: u64 = fs::read_to_string(folder.join("size"))?.trim().parse()?;
        let file = folder.join("pictures.f32");
        let inputs = fs::metadata(&file)?.len() / (3 * size * size * 4);
        (file, usize::try_from(inputs)?)
    };
    let ours = workers[0].answer(&file)?;
    let classes = ours.len() / inputs;
    let largest = ours.iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
    let mut found = Vec::new();
    for (worker, peer) in workers.iter_mut().zip(&options.peers) {
        let theirs = worker.answer(&file)?;
        if theirs.len() != ours.len() {
            return Err(format!("{} gives {} values, ours {}", peer.name, theirs.len(), ours.len()).into());
        }
        if !theirs.iter().all(|value| value.is_finite()) {
            return Err(format!("{} gives values that are no numbers", peer.name).into());
        }
        let difference = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if peer.kind == Kind::F32 && difference > TOLERANCE * largest {
            return Err(format!("{} differs from ours by {difference}", peer.name).into());
        }
        let pairs = ours.chunks(classes).zip(theirs.chunks(classes));
        let same = pairs.filter(|(ours, theirs)| first(ours) == first(theirs)).count();
        found.push((difference, same as f64 / inputs as f64));
    }
    Ok(found)
}

/// Milliseconds from a new process to its first answer, and to the end of its imports: medians.
fn cold_starts(folder: &Path, threads: usize, options: &Options) -> Outcome<Vec<(f64, f64)>> {
    let mut times = vec![(Vec::new(), Vec::new()); options.peers.len()];
    let input = folder.join(if options.photo { "photo.jpg" } else { "input.f32" });
    for start in 0..STARTS {
        for i in shuffled(options.peers.len(), start) {
            thread::sleep(PAUSE);
            let mut worker = options.peers[i].start(threads)?;
            worker.load(folder, threads)?;
            worker.answer(&input)?;
            times[i].0.push(worker.age().as_secs_f64() * 1e3);
            times[i].1.push(worker.imported.as_secs_f64() * 1e3);
        }
    }
    Ok(times.iter().map(|(cold, imported)| (median(cold), median(imported))).collect())
}

/// The order of a round: shuffled, and the same in every run of the program.
fn shuffled(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).collect();
    order.sort_by_cached_key(|i| {
        let mut hasher = DefaultHasher::new();
        (round, i).hash(&mut hasher);
        hasher.finish()
    });
    order
}

fn first(values: &[f64]) -> Option<usize> {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]))
}

fn median(values: &[f64]) -> f64 {
    Spread::of(values).median
}

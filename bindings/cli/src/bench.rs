//! `barefoot bench`: how long the parts of the work take on this machine. Figures, not bars.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use crate::packs;
use barefoot_app::clinic::{Clinic, FileVault, NewEncounter, NewPhoto, Unlock};
use barefoot_app::vision::{Picture, Quality};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One forward pass of the default pack
    Inference,
    /// A 12-megapixel JPEG to the calibrated answer
    Photo,
    /// A search in the encyclopedia
    Search,
    /// Recording an encounter with one photo
    Store,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Which part; all when not given
    part: Option<Part>,
}

#[derive(Debug, Serialize)]
struct Timing {
    item: String,
    median_ms: f64,
    p95_ms: f64,
    n: usize,
    threads: usize,
}

impl Bench {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let parts = self.part.map_or(vec![Part::Inference, Part::Photo, Part::Search, Part::Store], |part| vec![part]);
        let timings = parts.into_iter().map(|part| part.time(home)).collect::<Result<Vec<_>, _>>()?;
        output.show(&timings, |_| {
            let line = |t: &Timing| {
                format!(
                    "{}median {:>8.2} ms   p95 {:>8.2} ms   n {}   threads {}\n",
                    column(&t.item, 12),
                    t.median_ms,
                    t.p95_ms,
                    t.n,
                    t.threads
                )
            };
            timings.iter().map(line).collect()
        });
        Ok(())
    }
}

impl Part {
    fn time(self, home: &Home) -> Result<Timing, CliError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        match self {
            Self::Inference => {
                let assessor = packs::assessor(packs::DEFAULT, home)?;
                let picture = Picture::synthetic(224, 224);
                let quality = Quality::of(&picture);
                timed("inference", 20, threads, || Ok(assessor.model().look(&picture, &quality).map(drop)?))
            }
            Self::Photo => {
                let assessor = packs::assessor(packs::DEFAULT, home)?;
                let jpeg = Picture::synthetic(4000, 3000).to_jpeg()?;
                timed("photo", 10, threads, || {
                    let picture = Picture::decode(&jpeg)?;
                    let quality = Quality::of(&picture);
                    Ok(assessor.model().look(&picture, &quality).map(drop)?)
                })
            }
            Self::Search => {
                let encyclopedia = packs::encyclopedia()?;
                let queries = ["红斑狼疮", "psoriasis", "dzpz", "exzema", "脸上红斑 脱屑", "L93.0"];
                let mut at = 0;
                timed("search", 200, 1, || {
                    at += 1;
                    Ok(encyclopedia.search(queries[at % queries.len()], 10).map(drop)?)
                })
            }
            Self::Store => {
                let folder = std::env::temp_dir().join(format!("barefoot-bench-{}", std::process::id()));
                let new = NewEncounter {
                    findings: "bench".to_owned(),
                    photos: vec![NewPhoto { jpeg: Picture::synthetic(1200, 900).to_jpeg()?, width: 1200, height: 900 }],
                    assessment: serde_json::json!({}),
                    ..NewEncounter::default()
                };
                let mut clinic =
                    Clinic::open(&folder.join("data"), &FileVault::new(folder.join("key")), Unlock::Device)?;
                let timing = timed("store", 50, 1, || Ok(clinic.record(&new).map(drop)?));
                drop(clinic);
                // A bench that cannot tidy up has still measured.
                let _ = std::fs::remove_dir_all(folder);
                timing
            }
        }
    }
}

fn timed(
    item: &str,
    n: usize,
    threads: usize,
    mut work: impl FnMut() -> Result<(), CliError>,
) -> Result<Timing, CliError> {
    work()?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(Timing { item: item.to_owned(), median_ms: times[n / 2], p95_ms: times[n * 95 / 100], n, threads })
}

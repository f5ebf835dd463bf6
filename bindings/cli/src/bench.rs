//! `barefoot bench`: how long the parts of the work take on this machine. Figures, not bars.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use crate::packs;
use barefoot_app::clinic::{BenchStore, Clinic, NewEncounter, NewPhoto, Patient, Use};
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
    /// Saving, listing and searching records, beside the same on SQLite without encryption
    Store,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Which part; all when not given
    part: Option<Part>,
    /// Size of the made-up store; each patient has four encounters
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    patients: u32,
}

#[derive(Debug, Clone, Serialize)]
struct Timing {
    item: String,
    median_ms: f64,
    p95_ms: f64,
    n: usize,
    threads: usize,
    /// What the process holds afterwards, where the system tells
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mb: Option<f64>,
}

impl Bench {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let parts = self.part.map_or(vec![Part::Inference, Part::Photo, Part::Search, Part::Store], |part| vec![part]);
        let timings = parts
            .into_iter()
            .map(|part| part.time(home, self.patients, output))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        output.show(&timings, |_| {
            let line = |t: &Timing| {
                let memory = t.memory_mb.map_or_else(String::new, |mb| format!("   {mb:.0} MB"));
                format!(
                    "{}median {:>8.2} ms   p95 {:>8.2} ms   n {}   threads {}{memory}\n",
                    column(&t.item, 24),
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
    fn time(self, home: &Home, patients: u32, output: Output) -> Result<Vec<Timing>, CliError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        match self {
            Self::Inference => {
                let assessor = packs::assessor(packs::DEFAULT, home)?;
                let picture = Picture::synthetic(224, 224);
                let quality = Quality::of(&picture);
                Ok(vec![timed("inference", 20, threads, || {
                    Ok(assessor.model().look(&picture, &quality).map(drop)?)
                })?])
            }
            Self::Photo => {
                let assessor = packs::assessor(packs::DEFAULT, home)?;
                let jpeg = Picture::synthetic(4000, 3000).to_jpeg()?;
                Ok(vec![timed("photo", 10, threads, || {
                    let picture = Picture::decode_small(&jpeg, assessor.model().least_side())?;
                    let quality = Quality::of(&picture);
                    Ok(assessor.model().look(&picture, &quality).map(drop)?)
                })?])
            }
            Self::Search => {
                let encyclopedia = packs::encyclopedia()?;
                let queries = ["红斑狼疮", "psoriasis", "dzpz", "exzema", "脸上红斑 脱屑", "L93.0"];
                let mut at = 0;
                Ok(vec![timed("search", 200, 1, || {
                    at += 1;
                    Ok(encyclopedia.search(queries[at % queries.len()], 10).map(drop)?)
                })?])
            }
            Self::Store => {
                let mut timings = time_store(true, "store", patients, output)?;
                timings.extend(time_store(false, "plain SQLite", patients, output)?);
                Ok(timings)
            }
        }
    }
}

/// One store's times: the clinic's own code on an encrypted database, or on one that is not.
fn time_store(encrypted: bool, name: &str, patients: u32, output: Output) -> Result<Vec<Timing>, CliError> {
    let mut store = BenchStore::new(encrypted)?;
    let bar = output.progress(u64::from(patients));
    store.fill(patients, |done| bar.set_position(u64::from(done)))?;
    bar.finish_and_clear();
    let picture = Picture::synthetic(1200, 900).to_jpeg()?;
    let clinic = store.reopen()?;
    let people = clinic.patients(200)?;
    let newest = clinic.encounters(200)?;
    let mut timings = Vec::new();
    let mut time = |what: &str, n: usize, work: &mut dyn FnMut(&mut Clinic, usize) -> Result<(), CliError>| {
        let clinic = store.reopen()?;
        let mut at = 0;
        let timing = timed(&format!("{name} {what}"), n, 1, || {
            at += 1;
            work(clinic, at)
        })?;
        timings.push(Timing { memory_mb: resident_mb(), ..timing });
        Ok::<_, CliError>(())
    };
    time("save", 50, &mut |clinic, at| {
        let new = NewEncounter {
            patient_id: Some(people[at % people.len()].id.clone()),
            findings: "bench".to_owned(),
            photos: vec![NewPhoto { jpeg: picture.clone(), width: 1200, height: 900 }],
            assessment: serde_json::json!({}),
            ..NewEncounter::default()
        };
        Ok(clinic.record(&new).map(drop)?)
    })?;
    time("list", 200, &mut |clinic, _| Ok(clinic.encounters(50).map(drop)?))?;
    time("patient's list", 200, &mut |clinic, at| {
        Ok(clinic.encounters_of(&people[at % people.len()].id, 50).map(drop)?)
    })?;
    time("one encounter", 200, &mut |clinic, at| Ok(clinic.encounter(&newest[at % newest.len()].id).map(drop)?))?;
    for (what, query) in QUERIES {
        time(what, 200, &mut |clinic, at| {
            Ok(clinic.find_patients(&query(&people[at % people.len()]), 20).map(drop)?)
        })?;
    }
    time("outbox", 50, &mut |clinic, _| Ok(clinic.pending_changes(Use::Care, 50).map(drop)?))?;
    timings.push(timed(&format!("{name} open"), 20, 1, || Ok(store.reopen().map(drop)?))?);
    Ok(timings)
}

/// How a doctor looks for a patient.
type Query = fn(&Patient) -> String;
const QUERIES: [(&str, Query); 6] = [
    ("name", |p| p.name.clone()),
    ("surname", |p| p.name.chars().take(1).collect()),
    ("pinyin", |p| {
        let digit = p.phone.as_deref().and_then(|phone| phone.bytes().last()).unwrap_or(b'0');
        ["wang", "zhangw", "liux", "chenm", "l", "wxm", "lw", "zy", "li", "w"][usize::from(digit - b'0') % 10]
            .to_owned()
    }),
    ("phone's end", |p| p.phone.iter().flat_map(|phone| phone.chars().skip(7)).collect()),
    ("surname and village", |p| {
        format!("{} {}", p.name.chars().take(1).collect::<String>(), p.village.as_deref().unwrap_or_default())
    }),
    ("initial and phone", |p| {
        format!("w {}", p.phone.iter().flat_map(|phone| phone.chars().skip(7)).collect::<String>())
    }),
];

/// Memory that the process holds, MiB; `None` where the system does not tell.
fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
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
    Ok(Timing {
        item: item.to_owned(),
        median_ms: times[n / 2],
        p95_ms: times[n * 95 / 100],
        n,
        threads,
        memory_mb: None,
    })
}

//! `barefoot evaluate vignettes | triage | search`: files of one JSON object a line.

use crate::error::CliError;
use crate::knowledge::slugs;
use crate::output::Output;
use crate::packs;
use barefoot_app::knowledge::{Encyclopedia, Patient, TriageLevel};
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct Vignettes {
    /// Lines of {id, lang, text, answer_slug, accept_slugs}
    #[arg(long, value_name = "FILE.jsonl")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TriageCases {
    /// Lines of {text, lang, level}
    #[arg(long, value_name = "FILE.jsonl")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Queries {
    /// Lines of {q, expect, kind}
    #[arg(long, value_name = "FILE.jsonl")]
    file: PathBuf,
}

/// Hits at 1, 3 and 5, and the mean reciprocal rank, over some cases.
#[derive(Debug, Default, Serialize)]
struct Ranks {
    n: usize,
    top1: f64,
    top3: f64,
    top5: f64,
    mrr: f64,
}

impl Ranks {
    /// `rank` counts from 1; `None` when not found at all.
    fn of(ranks: &[Option<usize>]) -> Self {
        let n = ranks.len();
        let share =
            |most: usize| ranks.iter().filter(|r| r.is_some_and(|r| r <= most)).count() as f64 / n.max(1) as f64;
        let mrr = ranks.iter().map(|r| r.map_or(0.0, |r| 1.0 / r as f64)).sum::<f64>() / n.max(1) as f64;
        Self { n, top1: share(1), top3: share(3), top5: share(5), mrr }
    }
}

impl Vignettes {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        #[derive(Deserialize)]
        struct Vignette {
            id: String,
            #[serde(default)]
            lang: String,
            text: String,
            answer_slug: String,
            #[serde(default)]
            accept_slugs: Vec<String>,
        }
        #[derive(Serialize)]
        struct Miss {
            id: String,
            answer: String,
            got: Vec<String>,
        }
        #[derive(Serialize)]
        struct Answer {
            #[serde(flatten)]
            all: Ranks,
            by_lang: BTreeMap<String, Ranks>,
            by_group: BTreeMap<String, Ranks>,
            ms_per_vignette: f64,
            /// Cases whose answer is not the first.
            misses: Vec<Miss>,
        }
        let encyclopedia = packs::encyclopedia()?;
        let cases: Vec<Vignette> = read_lines(&self.file)?;
        let bar = output.progress(cases.len() as u64);
        let mut ranks = Vec::new();
        let (mut by_lang, mut by_group): (BTreeMap<String, Vec<_>>, BTreeMap<String, Vec<_>>) = Default::default();
        let mut misses = Vec::new();
        let start = Instant::now();
        for case in cases {
            let answer = encyclopedia.differential(&case.text, Patient::default(), &BTreeMap::new())?;
            let right = |slug: &str| slug == case.answer_slug || case.accept_slugs.iter().any(|s| s == slug);
            let rank = slugs(&answer.differential).position(right).map(|at| at + 1);
            ranks.push(rank);
            by_lang.entry(case.lang).or_default().push(rank);
            by_group.entry(group(&encyclopedia, &case.answer_slug)).or_default().push(rank);
            if rank != Some(1) {
                let got = slugs(&answer.differential).take(5).map(str::to_owned).collect();
                misses.push(Miss { id: case.id, answer: case.answer_slug, got });
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let table =
            |by: BTreeMap<String, Vec<Option<usize>>>| by.into_iter().map(|(k, v)| (k, Ranks::of(&v))).collect();
        let ms_per_vignette = 1e3 * start.elapsed().as_secs_f64() / ranks.len().max(1) as f64;
        let answer = Answer {
            all: Ranks::of(&ranks),
            by_lang: table(by_lang),
            by_group: table(by_group),
            ms_per_vignette,
            misses,
        };
        output.show(&answer, |_| {
            let line = |name: &str, r: &Ranks| {
                format!(
                    "{name:<40} n {:>4}  top-1 {:.3}  top-3 {:.3}  top-5 {:.3}  mrr {:.3}\n",
                    r.n, r.top1, r.top3, r.top5, r.mrr
                )
            };
            let mut text = line("all", &answer.all);
            answer.by_lang.iter().chain(&answer.by_group).for_each(|(name, r)| text += &line(name, r));
            for miss in &answer.misses {
                text += &format!("{}  {} <- {}\n", miss.id, miss.answer, miss.got.join(" "));
            }
            text
        });
        Ok(())
    }
}

fn group(encyclopedia: &Encyclopedia, slug: &str) -> String {
    encyclopedia.article(slug).map_or_else(|_| "unknown".to_owned(), |article| article.group)
}

impl TriageCases {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        #[derive(Deserialize)]
        struct Complaint {
            text: String,
            level: TriageLevel,
        }
        #[derive(Serialize)]
        struct Emergencies {
            n: usize,
            missed: Vec<String>,
        }
        #[derive(Serialize)]
        struct Answer {
            n: usize,
            emergencies: Emergencies,
            /// Share of complaints that are no emergency and got a higher level than right.
            over_triage: f64,
            under_triage: f64,
            exact: f64,
            /// Right level -> answered level -> how many.
            confusion: BTreeMap<TriageLevelName, BTreeMap<TriageLevelName, usize>>,
        }
        type TriageLevelName = String;
        let encyclopedia = packs::encyclopedia()?;
        let cases: Vec<Complaint> = read_lines(&self.file)?;
        let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        let mut missed = Vec::new();
        let (mut over, mut under, mut exact, mut emergencies) = (0, 0, 0, 0);
        for case in &cases {
            let got = encyclopedia.triage(&case.text, Patient::default())?.level;
            *confusion.entry(format!("{:?}", case.level)).or_default().entry(format!("{got:?}")).or_default() += 1;
            over += usize::from(got > case.level);
            under += usize::from(got < case.level);
            exact += usize::from(got == case.level);
            if case.level == TriageLevel::E {
                emergencies += 1;
                if got != TriageLevel::E {
                    missed.push(case.text.clone());
                }
            }
        }
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let answer = Answer {
            n: cases.len(),
            emergencies: Emergencies { n: emergencies, missed },
            over_triage: share(over, cases.len() - emergencies),
            under_triage: share(under, cases.len()),
            exact: share(exact, cases.len()),
            confusion,
        };
        output.show(&answer, |_| {
            let mut text = format!(
                "n {}  emergencies {} missed {}  over-triage {:.3}  under-triage {:.3}  exact {:.3}\n",
                answer.n,
                answer.emergencies.n,
                answer.emergencies.missed.len(),
                answer.over_triage,
                answer.under_triage,
                answer.exact
            );
            for (right, got) in &answer.confusion {
                text += &format!("  {right} -> {got:?}\n");
            }
            for complaint in &answer.emergencies.missed {
                text += &format!("  missed: {complaint}\n");
            }
            text
        });
        Ok(())
    }
}

impl Queries {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        #[derive(Deserialize)]
        struct Query {
            q: String,
            expect: Vec<String>,
            #[serde(default)]
            kind: String,
        }
        #[derive(Debug, Default, Serialize)]
        struct Hits {
            n: usize,
            hit1: f64,
            hit5: f64,
        }
        #[derive(Serialize)]
        struct Miss {
            q: String,
            expect: Vec<String>,
            got: Vec<String>,
        }
        #[derive(Serialize)]
        struct Answer {
            #[serde(flatten)]
            all: Hits,
            by_kind: BTreeMap<String, Hits>,
            p50_ms: f64,
            p95_ms: f64,
            /// Queries whose first hit is none of the expected.
            misses: Vec<Miss>,
        }
        let encyclopedia = packs::encyclopedia()?;
        let queries: Vec<Query> = read_lines(&self.file)?;
        let (mut times, mut misses) = (Vec::new(), Vec::new());
        let mut by_kind: BTreeMap<String, Vec<Option<usize>>> = BTreeMap::new();
        for query in queries {
            let start = Instant::now();
            let hits = encyclopedia.search(&query.q, 5)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            let rank = hits.iter().position(|hit| query.expect.contains(&hit.slug)).map(|at| at + 1);
            by_kind.entry(query.kind).or_default().push(rank);
            if rank != Some(1) {
                misses.push(Miss { q: query.q, expect: query.expect, got: hits.into_iter().map(|h| h.slug).collect() });
            }
        }
        times.sort_by(f64::total_cmp);
        let percentile = |p: f64| {
            times.get(((times.len() as f64 * p) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        let hits = |ranks: &[Option<usize>]| {
            let r = Ranks::of(ranks);
            Hits { n: r.n, hit1: r.top1, hit5: r.top5 }
        };
        let all: Vec<Option<usize>> = by_kind.values().flatten().copied().collect();
        let answer = Answer {
            all: hits(&all),
            by_kind: by_kind.iter().map(|(kind, ranks)| (kind.clone(), hits(ranks))).collect(),
            p50_ms: percentile(0.5),
            p95_ms: percentile(0.95),
            misses,
        };
        output.show(&answer, |_| {
            let line =
                |name: &str, h: &Hits| format!("{name:<14} n {:>4}  hit@1 {:.3}  hit@5 {:.3}\n", h.n, h.hit1, h.hit5);
            let mut text = line("all", &answer.all);
            answer.by_kind.iter().for_each(|(kind, h)| text += &line(kind, h));
            text += &format!("p50 {:.2} ms  p95 {:.2} ms\n", answer.p50_ms, answer.p95_ms);
            for miss in &answer.misses {
                text += &format!("  {}  expected {}  got {}\n", miss.q, miss.expect.join("|"), miss.got.join(" "));
            }
            text
        });
        Ok(())
    }
}

/// One JSON object a line; empty lines are skipped.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, CliError> {
    let what = "file of cases";
    let text = fs::read_to_string(path).map_err(|source| CliError::Read { what, source })?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|e| CliError::Line {
                what,
                line: at + 1,
                reason: format!("{:?} error at column {}", e.classify(), e.column()),
            })
        })
        .collect()
}

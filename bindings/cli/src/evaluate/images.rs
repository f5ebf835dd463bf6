//! `barefoot evaluate images`.

use super::figures::{Case, Figures, auc, ratio};
use super::report;
use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use crate::packs;
use barefoot_app::vision::{ImageModel, Look, Picture, Quality, age_indicator};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const OUT_OF_SCOPE: &str = "OUT";
/// Columns of the index that become findings, and the pack's names of them (models/PACK_FORMAT.md).
const YES_NO: [&str; 6] = ["itch", "grew", "hurt", "changed", "bleed", "elevation"];
const UNKNOWN: [&str; 3] = ["", "unk", "unknown"];

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Model pack, by name or folder
    #[arg(long, default_value = packs::DEFAULT, value_name = "NAME|DIR")]
    pack: String,
    /// CSV with the columns file and diagnostic (a label of the pack, or OUT), optionally patient data
    #[arg(long, value_name = "FILE.csv")]
    index: PathBuf,
    /// Write an HTML report with the confusion matrix, the reliability diagram and the worst misses here
    #[arg(long, value_name = "OUT_DIR")]
    report: Option<PathBuf>,
}

/// One line of the index.
#[derive(Debug, Clone)]
struct Row {
    file: PathBuf,
    /// `None`: out of scope.
    label: Option<usize>,
    indicators: Vec<String>,
    groups: BTreeMap<&'static str, String>,
}

struct Seen {
    photo: Look,
    both: Look,
    quality_ok: bool,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct OutOfScope {
    n: usize,
    auroc: Option<f64>,
    /// Out of scope and seen to be so.
    refused_fraction: f64,
    /// In scope and yet refused.
    own_refused_fraction: f64,
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    figures: Figures,
    with_metadata: Figures,
    out_of_scope: OutOfScope,
    /// Photos that the product would have sent back; the figures above count them all the same.
    bad_photo_fraction: f64,
    ms_per_image: f64,
}

impl Images {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let assessor = packs::assessor(&self.pack, home)?;
        let model = assessor.model();
        let names: Vec<String> = model.labels().iter().map(|l| l.label.clone()).collect();
        let malignant: Vec<bool> = model.labels().iter().map(|l| l.malignant).collect();
        let rows = read_index(&self.index, &names)?;
        let seen = look_at_all(model, &rows, output)?;

        let own = || rows.iter().zip(&seen).filter_map(|(row, seen)| row.label.map(|label| (row, label, seen)));
        let cases = |of: fn(&Seen) -> &Look| -> Vec<Case> {
            own().map(|(row, label, seen)| case(row, label, of(seen))).collect()
        };
        let (photo, both) = (cases(|s| &s.photo), cases(|s| &s.both));
        let strangeness: Vec<(f64, bool)> =
            rows.iter().zip(&seen).map(|(row, s)| (f64::from(s.photo.scope_score), row.label.is_none())).collect();
        let refused = |stranger: bool| {
            let of: Vec<&Seen> =
                rows.iter().zip(&seen).filter(|(r, _)| r.label.is_none() == stranger).map(|(_, s)| s).collect();
            (of.len(), ratio(of.iter().filter(|s| !s.photo.in_scope).count(), of.len()))
        };
        let (n, refused_fraction) = refused(true);
        let answer = Answer {
            figures: Figures::of(&photo, &names, &malignant),
            with_metadata: Figures::of(&both, &names, &malignant),
            out_of_scope: OutOfScope {
                n,
                auroc: auc(&strangeness),
                refused_fraction,
                own_refused_fraction: refused(false).1,
            },
            bad_photo_fraction: ratio(own().filter(|(.., s)| !s.quality_ok).count(), photo.len()),
            ms_per_image: 1e3 * seen.iter().map(|s| s.seconds).sum::<f64>() / seen.len().max(1) as f64,
        };
        if let Some(folder) = &self.report {
            let files: Vec<&Path> = own().map(|(row, ..)| row.file.as_path()).collect();
            report::write(folder, &names, &photo, &files)
                .map_err(|source| CliError::Write { what: "report", source })?;
            output.note("报告已写好：打开其中的 report.html", "report written: open report.html in it");
        }
        output.show(&answer, |language| {
            let value = serde_json::to_value(&answer).unwrap_or_default();
            let keys = [
                "n",
                "accuracy",
                "balanced_accuracy",
                "macro_f1",
                "top3",
                "auc_malignant",
                "ece",
                "coverage90",
                "mean_set_size",
                "named_fraction",
                "accuracy_when_named",
            ];
            let mut text = format!(
                "{}{}{}\n",
                column("", 22),
                column(language.pick("照片", "photo"), 12),
                language.pick("加病史", "with metadata")
            );
            for key in keys {
                let number = |v: &serde_json::Value| v.as_f64().map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"));
                text += &format!(
                    "{}{}{}\n",
                    column(key, 22),
                    column(&number(&value[key]), 12),
                    number(&value["with_metadata"][key])
                );
            }
            text += &format!("{}{}\n", column("out_of_scope", 22), value["out_of_scope"]);
            text += &format!("{}{:.1}\n", column("ms_per_image", 22), answer.ms_per_image);
            text
        });
        Ok(())
    }
}

fn case(row: &Row, label: usize, look: &Look) -> Case {
    Case {
        label,
        p: look.probabilities.clone(),
        set: look.set.clone(),
        named: look.outcome == barefoot_app::vision::Outcome::Named,
        groups: row.groups.clone(),
    }
}

fn read_index(index: &Path, labels: &[String]) -> Result<Vec<Row>, CliError> {
    let what = "index";
    let folder = index.parent().unwrap_or(Path::new("."));
    let file = fs::File::open(index).map_err(|source| CliError::Read { what, source })?;
    let mut reader = csv::Reader::from_reader(file);
    let bad = |line: usize, reason: String| CliError::Line { what, line, reason };
    let headers = reader.headers().map_err(|e| bad(1, e.to_string()))?.clone();
    for needed in ["file", "diagnostic"] {
        if !headers.iter().any(|h| h == needed) {
            return Err(bad(1, format!("the column {needed} is missing")));
        }
    }
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|e| bad(at + 2, e.to_string()))?;
        let get = |name: &str| headers.iter().position(|h| h == name).and_then(|i| record.get(i)).unwrap_or("").trim();
        let diagnostic = get("diagnostic");
        let label = labels.iter().position(|l| l == diagnostic);
        if label.is_none() && diagnostic != OUT_OF_SCOPE {
            return Err(CliError::Label(at + 2));
        }
        rows.push(Row {
            file: folder.join(get("file")),
            label,
            indicators: indicators(get),
            groups: groups(get, &headers),
        });
    }
    Ok(rows)
}

fn known(text: &str) -> bool {
    !UNKNOWN.contains(&text.to_ascii_lowercase().as_str())
}

/// The pack's names of what a row knows.
fn indicators<'a>(get: impl Fn(&str) -> &'a str) -> Vec<String> {
    let mut out = Vec::new();
    if let Ok(age) = get("age").parse::<f32>() {
        out.push(age_indicator(age));
    }
    for (column, name) in [("gender", "gender"), ("sex", "gender"), ("region", "region"), ("localization", "region")] {
        if known(get(column)) {
            out.push(format!("{name}={}", get(column).to_uppercase()));
        }
    }
    if let Ok(kind) = get("fitspatrick").parse::<f32>() {
        out.push(format!("fitspatrick={}", kind as i32));
    }
    for column in YES_NO {
        let value = get(column).to_ascii_lowercase();
        if matches!(value.as_str(), "true" | "false") {
            out.push(format!("{column}={value}"));
        }
    }
    out
}

fn groups<'a>(get: impl Fn(&str) -> &'a str, headers: &csv::StringRecord) -> BTreeMap<&'static str, String> {
    let or_unknown = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
    ["fitspatrick", "gender", "sex", "age", "region", "localization"]
        .into_iter()
        .filter(|column| headers.iter().any(|h| h == *column))
        .map(|column| {
            let text = get(column);
            let value = match (column, text.parse::<f32>()) {
                ("age", Ok(age)) => match age {
                    a if a < 40.0 => "0-39",
                    a if a < 60.0 => "40-59",
                    a if a < 80.0 => "60-79",
                    _ => "80+",
                }
                .to_owned(),
                ("fitspatrick", Ok(kind)) => format!("{}", kind as i32),
                _ => text.to_owned(),
            };
            (column, or_unknown(value))
        })
        .collect()
}

/// Looks at every photo, on as many threads as the machine has; the model is measured on all, whatever their quality.
fn look_at_all(model: &ImageModel, rows: &[Row], output: Output) -> Result<Vec<Seen>, CliError> {
    let bar = output.progress(rows.len() as u64);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Seen, CliError>)>> = Mutex::new(Vec::with_capacity(rows.len()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { break };
                    let seen = look_at(model, row);
                    // A poisoned lock means that another thread panicked: its results still count.
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, seen));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, seen)| seen).collect()
}

fn look_at(model: &ImageModel, row: &Row) -> Result<Seen, CliError> {
    let bytes = fs::read(&row.file).map_err(|source| CliError::Read { what: "photo", source })?;
    let start = Instant::now();
    let picture = Picture::decode_small(&bytes, model.least_side())?;
    let quality = Quality::of(&picture);
    let good = Quality { ok: true, score: 1.0, reasons: Vec::new() };
    let photo = model.look(&picture, &good)?;
    let seconds = start.elapsed().as_secs_f64();
    let both = model.reconsider(&photo, &row.indicators);
    Ok(Seen { photo, both, quality_ok: quality.ok, seconds })
}

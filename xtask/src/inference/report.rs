//! What a race found, as a table and as JSON.

use super::peers::Kind;
use crate::tools::Outcome;
use serde::Serialize;
use std::fmt::Write;
use std::fs;

/// Median and the range without the lowest and the highest tenth.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub p10: f64,
    pub median: f64,
    pub p90: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
        Self { p10: at(0.1), median: at(0.5), p90: at(0.9) }
    }
}

/// One peer in one race.
#[derive(Serialize)]
pub(super) struct Figures {
    pub peer: &'static str,
    pub kind: Kind,
    /// Milliseconds an answer.
    pub ms: Spread,
    /// Ours divided by the peer's, round by round.
    pub ratio: Spread,
    /// Peak resident set after loading and running.
    pub peak_mib: f64,
    /// The same less the peak after the imports.
    pub model_mib: f64,
    /// From the start of the process to the first answer.
    pub cold_ms: f64,
    /// From the start of the process to the end of its imports.
    pub imported_ms: f64,
    /// The largest difference to our outputs.
    pub difference: f64,
    /// Share of inputs with our first label.
    pub same_first: f64,
}

/// A Markdown table.
pub(super) fn table(network: &str, threads: usize, figures: &[Figures]) -> String {
    let mut text = format!(
        "\n{network}, threads: {threads}\n\n| peer | ms | ours / peer (10-90 %) | peak MiB | of which after imports | cold start ms | of which after imports \
         | largest difference | same first label |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for f in figures {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} ({:.2}-{:.2}) | {:.0} | {:.0} | {:.0} | {:.0} | {:.0e} | {:.0} % |",
            f.peer,
            f.ms.median,
            f.ratio.median,
            f.ratio.p10,
            f.ratio.p90,
            f.peak_mib,
            f.model_mib,
            f.cold_ms,
            f.cold_ms - f.imported_ms,
            f.difference,
            100.0 * f.same_first,
        );
    }
    text
}

/// The processor's name and the load over the last minute, which should be near 0 before a race.
pub(super) fn machine() -> Outcome<serde_json::Value> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let of = |key| processors.lines().find(|line| line.starts_with(key)).and_then(|line| line.split(": ").nth(1));
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(serde_json::json!({ "processor": of("model name"), "load": load.trim() }))
}

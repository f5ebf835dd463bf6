//! `cargo xtask battery`: the fault battery (docs/clinic.md) at its bars per release, which take longer than CI may. Each row is a test
//! that CI runs too; this names it and sets its rounds.

use crate::say;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Files in memory, where the system has that: these rows ask what was written, not how fast a disk is.
const IN_MEMORY: &str = "/dev/shm";

struct Row {
    /// As in the table of docs/clinic.md.
    number: &'static str,
    package: &'static str,
    /// A test binary, or `lib`.
    test: &'static str,
    /// Part of the test's name; empty for all of the binary.
    only: &'static str,
    rounds: &'static [(&'static str, &'static str)],
}

const CLINIC: &str = "barefoot-clinic";
const SYNC: &str = "barefoot-sync";
const APP: &str = "barefoot-app";
const VISION: &str = "barefoot-vision";

const ROWS: [Row; 21] = [
    Row { number: "1", package: CLINIC, test: "kill", only: "", rounds: &[("CAPTURE_KILLS", "10000")] },
    Row { number: "1", package: APP, test: "servers", only: "killed_while", rounds: &[("SYNC_KILLS", "2000")] },
    Row {
        number: "2",
        package: CLINIC,
        test: "faults",
        only: "power_cut_",
        rounds: &[("POWER_CUTS", "5000"), ("ROTATION_CUTS", "500")],
    },
    Row {
        number: "3",
        package: CLINIC,
        test: "faults",
        only: "keeps_what_was_there",
        rounds: &[("ALLOCATION_STRIDE", "1")],
    },
    Row { number: "4", package: SYNC, test: "simulation", only: "whatever", rounds: &[("SYNC_SEEDS", "100000")] },
    Row { number: "5", package: SYNC, test: "simulation", only: "photo_survives", rounds: &[] },
    Row { number: "5", package: APP, test: "servers", only: "fifty_cuts", rounds: &[("SLOW_LINK", "1")] },
    Row { number: "5", package: APP, test: "servers", only: "twenty_cases", rounds: &[("SLOW_LINK", "1")] },
    Row { number: "6", package: VISION, test: "mutants", only: "", rounds: &[("IMAGE_MUTANTS", "1000000")] },
    Row { number: "7", package: VISION, test: "battery", only: "oversize", rounds: &[] },
    Row { number: "9", package: CLINIC, test: "records", only: "plain", rounds: &[] },
    Row { number: "10", package: CLINIC, test: "damage", only: "", rounds: &[("FLIPS", "20000")] },
    Row { number: "11", package: CLINIC, test: "ways_in", only: "", rounds: &[("ROTATION_KILLS", "5000")] },
    Row { number: "12", package: CLINIC, test: "disk", only: "", rounds: &[("MUST_MOUNT", "1")] },
    Row { number: "13", package: CLINIC, test: "migration", only: "", rounds: &[] },
    Row {
        number: "13",
        package: CLINIC,
        test: "faults",
        only: "migration",
        rounds: &[("MIGRATION_CUTS", "1000"), ("ALLOCATION_STRIDE", "1")],
    },
    Row { number: "14", package: CLINIC, test: "backup", only: "", rounds: &[("BACKUPS", "1000")] },
    Row { number: "17", package: VISION, test: "battery", only: "exif", rounds: &[] },
    Row { number: "19", package: SYNC, test: "merge", only: "", rounds: &[("MERGES", "1000000")] },
    Row { number: "20", package: CLINIC, test: "records", only: "consent", rounds: &[("HISTORIES", "1000")] },
    Row { number: "20", package: CLINIC, test: "lib", only: "tampering", rounds: &[] },
];

/// Runs the rows with these numbers, or all; says at the end which failed.
pub(crate) fn run(numbers: &[&str]) -> Result<(), Box<dyn Error>> {
    if let Some(unknown) = numbers.iter().find(|number| !ROWS.iter().any(|row| row.number == **number)) {
        let known: Vec<_> = ROWS.iter().map(|row| row.number).collect();
        return Err(format!("no row {unknown}; there are {}", known.join(", ")).into());
    }
    let mut failed = Vec::new();
    for row in ROWS.iter().filter(|row| numbers.is_empty() || numbers.contains(&row.number)) {
        say(&format!("== row {}", row.number));
        let start = Instant::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--package", row.package]);
        match row.test {
            "lib" => cargo.arg("--lib"),
            test => cargo.args(["--test", test]),
        };
        cargo.args(["--", "--nocapture", row.only]);
        cargo.envs(row.rounds.iter().map(|(name, n)| (format!("BAREFOOT_BATTERY_{name}"), n)));
        if row.package == APP {
            // Real servers: `cargo xtask setup`.
            cargo.env("BAREFOOT_SERVERS", "1");
        }
        if Path::new(IN_MEMORY).is_dir() {
            cargo.env("TMPDIR", IN_MEMORY);
        }
        let passed = cargo.status()?.success();
        say(&format!(
            "== row {}: {} in {} s",
            row.number,
            if passed { "held" } else { "FAILED" },
            start.elapsed().as_secs()
        ));
        if !passed {
            failed.push(row.number);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: row {}", failed.join(", ")).into()) }
}

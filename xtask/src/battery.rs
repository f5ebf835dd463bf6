//! `cargo xtask battery`: the rows of the fault battery (docs/clinic.md) at their bars per release, which take longer than CI may. Each
//! row is a test of core/clinic or core/vision; this only names it and sets its rounds.

use crate::say;
use std::error::Error;
use std::process::Command;

struct Row {
    name: &'static str,
    package: &'static str,
    test: &'static str,
    rounds: &'static [(&'static str, &'static str)],
}

const ROWS: [Row; 9] = [
    Row { name: "capture-kills", package: "barefoot-clinic", test: "kill", rounds: &[("CAPTURE_KILLS", "10000")] },
    Row {
        name: "faults",
        package: "barefoot-clinic",
        test: "faults",
        rounds: &[("POWER_CUTS", "5000"), ("ROTATION_CUTS", "500"), ("FAULT_STRIDE", "1"), ("ALLOCATION_STRIDE", "1")],
    },
    Row { name: "images", package: "barefoot-vision", test: "battery", rounds: &[("IMAGE_MUTANTS", "1000000")] },
    Row { name: "plaintext", package: "barefoot-clinic", test: "records", rounds: &[] },
    Row { name: "damage", package: "barefoot-clinic", test: "damage", rounds: &[("FLIPS", "20000")] },
    Row { name: "ways-in", package: "barefoot-clinic", test: "ways_in", rounds: &[("ROTATION_KILLS", "5000")] },
    Row { name: "backup", package: "barefoot-clinic", test: "backup", rounds: &[("BACKUPS", "1000")] },
    Row { name: "export", package: "barefoot-clinic", test: "export", rounds: &[] },
    Row { name: "store", package: "barefoot-clinic", test: "size", rounds: &[] },
];

/// Runs the named rows, or all.
pub(crate) fn run(names: &[&str]) -> Result<(), Box<dyn Error>> {
    if let Some(unknown) = names.iter().find(|name| !ROWS.iter().any(|row| row.name == **name)) {
        let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no row {unknown}; there are {}", known.join(", ")).into());
    }
    for row in ROWS.iter().filter(|row| names.is_empty() || names.contains(&row.name)) {
        say(&format!("== {}", row.name));
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--package", row.package, "--test", row.test, "--", "--nocapture"]);
        if row.name == "store" {
            cargo.arg("--ignored");
        }
        cargo.envs(row.rounds.iter().map(|(name, n)| (format!("BAREFOOT_BATTERY_{name}"), n)));
        if !cargo.status()?.success() {
            return Err(format!("row {} failed", row.name).into());
        }
    }
    Ok(())
}

//! `cargo xtask setup`: real servers for the tests of core/sync, installed from the public registries at pinned versions into
//! `${BAREFOOT_CACHE:-~/.cache/barefoot}/servers`, outside the checkout. Does nothing where they are there already.

use crate::tools::{self, Outcome, cache};
use crate::{root, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Version of tusd, the reference server of tus, from the Go module proxy.
const TUSD: &str = "github.com/tus/tusd/v2/cmd/tusd@v2.9.1";

/// Installs the named servers, or all.
pub(crate) fn run(names: &[&str]) -> Outcome<()> {
    let names = if names.is_empty() { &["fhir", "tus", "oidc"] } else { names };
    for name in names {
        let source = root().join("tests/servers").join(name);
        if !source.is_dir() {
            return Err(format!("no server {name}; there are fhir, tus and oidc").into());
        }
        let place = cache()?.join("servers").join(name);
        let wanted = fingerprint(&source)?;
        if fs::read_to_string(place.join("ready")).is_ok_and(|found| found == wanted) {
            say(&format!("{name}: ready in {}", place.display()));
            continue;
        }
        say(&format!("{name}: installing into {}", place.display()));
        fs::create_dir_all(&place)?;
        copy(&source, &place)?;
        match *name {
            "fhir" => install_fhir(&place)?,
            "tus" => {
                tools::run(
                    Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&place),
                )?;
                tools::run(Command::new("go").args(["install", TUSD]).env("GOBIN", place.join("bin")))?;
            }
            _ => {
                tools::run(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&place))?
            }
        }
        fs::write(place.join("ready"), wanted)?;
    }
    Ok(())
}

/// Jars and classes side by side, so that `java -cp` starts it without Maven.
fn install_fhir(place: &Path) -> Outcome<()> {
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "compile", "dependency:copy-dependencies"]);
    maven.args(["-DincludeScope=runtime", "-DoutputDirectory=target/jars"]).current_dir(place);
    tools::run(&mut maven)
}

/// What is installed, in words: the sources themselves and tusd's version.
fn fingerprint(folder: &Path) -> Outcome<String> {
    let mut text = TUSD.to_owned();
    for file in files(folder)? {
        text += &format!("\n== {}\n{}", file.display(), fs::read_to_string(folder.join(&file))?);
    }
    Ok(text)
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    for file in files(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(from.join(&file), target)?;
    }
    Ok(())
}

/// Files below a folder, relative to it, in order, without what a build left there.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(folder.join(&at))? {
            let entry = entry?;
            let path = at.join(entry.file_name());
            if entry.file_name() == "target" || entry.file_name() == "node_modules" {
                continue;
            }
            if entry.file_type()?.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

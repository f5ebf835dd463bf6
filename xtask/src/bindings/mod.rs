//! The bindings: `cargo xtask setup LANGUAGE` fetches a language's tools into the cache, `cargo xtask test LANGUAGE` generates its
//! code, compiles it and runs tests/scenarios. `cargo xtask test ios` tests the iOS shell, which stands on Swift's.

mod ios;
mod kotlin;
mod python;
mod size;
mod swift;

pub(crate) use kotlin::{kotlin, kotlinc};
pub(crate) use size::{LINKED_AS_ONE, size};

use crate::tools::{Outcome, run};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fetches what a language needs, pinned. Idempotent.
pub(crate) fn setup(language: &str) -> Outcome<()> {
    match language {
        "kotlin" => kotlin::setup(),
        "swift" | "ios" => swift::setup(),
        "python" => python::setup(),
        other => Err(format!("{other} has no bindings: take kotlin, swift or python").into()),
    }
}

/// Generates, compiles and runs the scenarios.
pub(crate) fn test(language: &str) -> Outcome<()> {
    setup(language)?;
    build()?;
    match language {
        "kotlin" => kotlin::test(),
        "swift" => swift::test(),
        "ios" => ios::test(),
        _ => python::test(),
    }
}

/// Compiles the library with its symbols, which the generator reads. The whole workspace, as `cargo test` does: a selection would
/// unify other features and compile candle once more.
pub(crate) fn build() -> Outcome<()> {
    run(Command::new(env!("CARGO")).args(["build", "--locked", "--workspace"]))
}

/// The library of [`build`].
pub(crate) fn library() -> Outcome<PathBuf> {
    Ok(target()?.join("debug").join(format!("{}barefoot_ffi{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)))
}

/// Writes a language's generated code below a folder, which is emptied first.
pub(crate) fn generate(language: &str, out: &Path) -> Outcome<()> {
    let _ = fs::remove_dir_all(out);
    fs::create_dir_all(out)?;
    let generator = target()?.join("debug/uniffi-bindgen");
    run(Command::new(generator)
        .current_dir(crate::root())
        .arg("generate")
        .arg("--library")
        .arg(library()?)
        .args(["--language", language, "--no-format", "--out-dir"])
        .arg(out))
}

/// A fresh folder for what is generated, compiled and not kept.
pub(crate) fn stage(language: &str) -> Outcome<PathBuf> {
    let stage = target()?.join("bindings").join(language);
    let _ = fs::remove_dir_all(&stage);
    fs::create_dir_all(&stage)?;
    Ok(stage)
}

/// Cargo's target folder: this program lies in its `debug` or `release`.
fn target() -> Outcome<PathBuf> {
    Ok(env::current_exe()?.ancestors().nth(2).ok_or("xtask runs outside a target folder")?.to_owned())
}

/// Copies a folder's files and folders.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?
        } else {
            fs::copy(entry.path(), place).map(drop)?
        }
    }
    Ok(())
}

/// All files of a kind below a folder, sorted.
pub(crate) fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

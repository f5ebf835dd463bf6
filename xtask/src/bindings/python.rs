//! Python: the interpreter of the machine is enough.

use super::{copy, generate, library, stage};
use crate::tools::{Outcome, programs, run};
use std::fs;
use std::process::Command;

pub(super) fn setup() -> Outcome<()> {
    programs(&[("python3", "python3-minimal")])
}

pub(super) fn test() -> Outcome<()> {
    let stage = stage("python")?;
    let package = stage.join("barefoot");
    generate("python", &package)?;
    copy(&crate::root().join("bindings/python/barefoot"), &package)?;
    let library = library()?;
    fs::copy(&library, package.join(library.file_name().ok_or("the library has no name")?))?;
    run(Command::new("python3")
        .arg(crate::root().join("bindings/python/tests/scenarios.py"))
        .arg(crate::root())
        .env("PYTHONPATH", &stage)
        .env("PYTHONDONTWRITEBYTECODE", "1"))
}

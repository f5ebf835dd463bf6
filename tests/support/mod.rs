//! Runs the built `barefoot` as its user would.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A data folder and key of their own, gone at the end.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barefoot"));
        command.args(args).env("BAREFOOT_HOME", self.data()).env("BAREFOOT_KEY_FILE", self.path().join("key"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("barefoot starts")
    }

    /// Runs with `--json`; the command must succeed and print one JSON document.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

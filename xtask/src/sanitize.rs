//! `cargo xtask test sanitize`: the unsafe code of core/nn under AddressSanitizer.

use crate::tools::{Outcome, run};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The sanitizer's flag is not stable, though the compiler is. Only the workspace's own crates get it: some others' build scripts would take
/// the compiler for a nightly one.
const WRAPPER: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec \"$@\" -Zsanitizer=address\n";

/// Runs core/nn's tests with every read and write checked: kernels against the plain ones over random shapes, plans, threads.
pub(crate) fn test() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let wrapper = folder.path().join("rustc");
    fs::write(&wrapper, WRAPPER)?;
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755))?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--package", "barefoot-nn", "--lib", "--tests", "--target", TARGET]);
    run(cargo.env("RUSTC_WORKSPACE_WRAPPER", &wrapper))
}

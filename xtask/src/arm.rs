//! `cargo xtask setup arm` and `cargo xtask test arm`: what a phone's processor does differently, seen on this machine.
//!
//! qemu runs the NEON kernels and shows whether they are right, never how fast they are.

use crate::say;
use crate::tools::{Outcome, install, run};
use std::path::Path;
use std::process::Command;

pub(crate) const LINUX: &str = "aarch64-unknown-linux-gnu";
/// Phones: checked only, for linking needs the NDK and Xcode.
const PHONES: [&str; 2] = ["aarch64-linux-android", "aarch64-apple-ios"];

/// Everything that Armv8 and 9 have (dot products, i8mm), and what most clinic phones have.
const PROCESSORS: [&str; 2] = ["max", "cortex-a53"];

const QEMU: &str = "/usr/bin/qemu-aarch64-static";
const LINKER: &str = "/usr/bin/aarch64-linux-gnu-gcc";
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Installs what is missing: Debian's qemu, cross linker and C library; Rust's standard library for the three targets.
pub(crate) fn setup() -> Outcome<()> {
    if !missing().is_empty() {
        install(&["qemu-user-static", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"])?;
    }
    run(Command::new("rustup").args(["target", "add", LINUX]).args(PHONES))
}

/// Tests the inference crate under qemu on each processor, and checks it for both phones.
pub(crate) fn test() -> Outcome<()> {
    if let Some(file) = missing().first() {
        return Err(format!("{file} is missing: run `cargo xtask setup arm`").into());
    }
    for processor in PROCESSORS {
        say(&format!("== {LINUX}, {processor}"));
        run(linked(&mut cargo("test", LINUX))
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", format!("{QEMU} -cpu {processor} -L {LIBRARIES}")))?;
    }
    for target in PHONES {
        say(&format!("== {target}, check"));
        run(&mut cargo("check", target))?;
    }
    Ok(())
}

/// Tells cargo the linker for [`LINUX`].
pub(crate) fn linked(cargo: &mut Command) -> &mut Command {
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
}

fn missing() -> Vec<&'static str> {
    [QEMU, LINKER, LIBRARIES].into_iter().filter(|file| !Path::new(file).exists()).collect()
}

fn cargo(command: &str, target: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg(command).args(["--locked", "--package", "barefoot-nn", "--target", target]);
    cargo
}

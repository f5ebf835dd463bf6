//! The size of the phones' library: docs/size.md keeps its history.

use super::target;
use crate::arm;
use crate::tools::{Outcome, run};
use std::fs;
use std::process::Command;

/// Ends `cargo rustc` for a phone's library: optimised across crates, which cargo leaves out for a package that is also a plain library.
pub(crate) const LINKED_AS_ONE: [&str; 5] = ["--crate-type", "cdylib", "--", "-C", "lto=fat"];

/// Builds the release library for 64-bit ARM Linux, which stands in for phones, without and with what it can carry, strips it as a phone's
/// build does, and says the sizes.
pub(crate) fn size(say: &dyn Fn(&str)) -> Outcome<()> {
    arm::setup()?;
    let stripped = tempfile::NamedTempFile::new()?;
    for (what, features) in
        [("without the encyclopedia and the pack", &["--no-default-features"][..]), ("with both", &[])]
    {
        run(arm::linked(Command::new(env!("CARGO")).args(["rustc", "--locked", "--release", "-p", "barefoot-ffi"]))
            .args(["--lib", "--target", arm::LINUX])
            .args(features)
            .args(LINKED_AS_ONE))?;
        let built = target()?.join(arm::LINUX).join("release/libbarefoot_ffi.so");
        run(Command::new("aarch64-linux-gnu-strip").arg("-o").arg(stripped.path()).arg(&built))?;
        say(&format!("{:6.2} MB  {what}", fs::metadata(stripped.path())?.len() as f64 / 1e6));
    }
    Ok(())
}

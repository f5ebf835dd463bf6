//! The size of the phones' library: docs/size.md keeps its history.

use super::target;
use crate::arm;
use crate::tools::{Outcome, run};
use std::fs;
use std::process::Command;

/// Builds the release library for 64-bit ARM Linux, which stands in for phones, without and with what it can carry, strips it as a phone's
/// build does, and says the sizes.
pub(crate) fn size(say: &dyn Fn(&str)) -> Outcome<()> {
    arm::setup()?;
    let stripped = tempfile::NamedTempFile::new()?;
    for (what, features) in
        [("without the encyclopedia and the pack", &["--no-default-features"][..]), ("with both", &[])]
    {
        run(arm::linked(Command::new(env!("CARGO")).args(["build", "--locked", "--release", "-p", "barefoot-ffi"]))
            .args(["--lib", "--target", arm::LINUX])
            .args(features))?;
        let built = target()?.join(arm::LINUX).join("release/libbarefoot_ffi.so");
        run(Command::new("aarch64-linux-gnu-strip").arg("-o").arg(stripped.path()).arg(&built))?;
        say(&format!("{:6.2} MB  {what}", fs::metadata(stripped.path())?.len() as f64 / 1e6));
    }
    Ok(())
}

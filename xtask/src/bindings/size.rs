//! The size of the phone's library: docs/size.md keeps its history.

use super::{Outcome, run, target};
use std::env;
use std::fs;
use std::process::Command;

/// Builds the release library without and with what it can carry, strips it as a phone's build does, and says the sizes.
pub(crate) fn size(say: &dyn Fn(&str)) -> Outcome<()> {
    for (what, features) in
        [("without the encyclopedia and the pack", &["--no-default-features"][..]), ("with both", &[])]
    {
        run(Command::new(env!("CARGO")).args(["build", "--locked", "--release", "-p", "barefoot-ffi"]).args(features))?;
        let built = target()?.join("release").join(format!(
            "{}barefoot_ffi{}",
            env::consts::DLL_PREFIX,
            env::consts::DLL_SUFFIX
        ));
        let stripped = tempfile::NamedTempFile::new()?;
        run(Command::new("strip").arg("-o").arg(stripped.path()).arg(&built))?;
        say(&format!("{:6.2} MB  {what}, stripped", fs::metadata(stripped.path())?.len() as f64 / 1e6));
    }
    Ok(())
}

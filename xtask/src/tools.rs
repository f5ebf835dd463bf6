//! What every task needs: programs run, Debian packages installed, one cache outside the checkout.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs a program to its end, its texts in UTF-8 whatever the machine's language; an error when it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = command
        .env("LC_ALL", "C.UTF-8")
        .status()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", command.get_program().display()).into()) }
}

/// Where fetched tools lie: `BAREFOOT_CACHE`, or `~/.cache/barefoot`.
pub(crate) fn cache() -> Outcome<PathBuf> {
    let cache = match env::var_os("BAREFOOT_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(env::var_os("HOME").ok_or("neither BAREFOOT_CACHE nor HOME is set")?).join(".cache/barefoot")
        }
    };
    fs::create_dir_all(&cache)?;
    Ok(cache)
}

/// Installs Debian packages whose program is not there.
pub(crate) fn programs(wanted: &[(&str, &str)]) -> Outcome<()> {
    let on_path = |name: &str| {
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
    };
    let missing: Vec<&str> = wanted.iter().filter(|(name, _)| !on_path(name)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Installs Debian packages.
pub(crate) fn install(packages: &[&str]) -> Outcome<()> {
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}

//! `cargo xtask`: what a developer runs beside cargo itself.

mod arm;
mod battery;
mod inference;
mod knowledge;
mod sample;
mod setup;

use barefoot_knowledge::{Content, check};
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask check-content        list what breaks the rules of docs/guide/writing-articles.md
cargo xtask bench-search         time search at 183 and at 3,000 entries (run it with --release)
cargo xtask fuzz-text S [SEED]   feed garbled texts to every text entrance for S seconds
cargo xtask render-sample FILE   draw the sample photo that the README uses
cargo xtask battery [ROW...]     the fault battery at its bars per release
cargo xtask bench inference [--pack DIR...] [--threads 1,2] [--rounds N] [--peers A,B] [--photo] [--json FILE]
                                 core/nn against other engines (docs/inference.md)
cargo xtask setup peers          install and build those engines
cargo xtask setup arm            install qemu, the cross linker and Rust's library for ARM
cargo xtask test arm             core/nn under qemu on two processors; checked for Android and iOS
cargo xtask setup [NAME...]      install the servers that the tests of sync need: fhir, tus, oidc";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["check-content"] => check_content(),
        ["bench-search"] => knowledge::bench_search(&root(), &say),
        ["fuzz-text", seconds] => fuzz(seconds, "1"),
        ["fuzz-text", seconds, seed] => fuzz(seconds, seed),
        ["render-sample", file] => sample::render(Path::new(file)),
        ["battery", ref rows @ ..] => battery::run(rows),
        ["bench", "inference", ref options @ ..] => inference::run(options),
        ["setup", "peers"] => inference::setup(),
        ["setup", "arm"] => arm::setup(),
        ["test", "arm"] => arm::test(),
        ["setup", ref names @ ..] => setup::run(names),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("xtask: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn fuzz(seconds: &str, seed: &str) -> Result<(), Box<dyn std::error::Error>> {
    knowledge::fuzz_text(&root(), seconds.parse()?, seed.parse()?, &say)
}

fn check_content() -> Result<(), Box<dyn std::error::Error>> {
    let content = Content::read(&root().join("core/knowledge/content"))?;
    let complaints = check(&content);
    complaints.iter().for_each(|complaint| say(&complaint.to_string()));
    if complaints.is_empty() {
        say(&format!("{} articles, {} findings: no mistakes found", content.articles.len(), content.findings.len()));
        Ok(())
    } else {
        Err(format!("{} mistakes", complaints.len()).into())
    }
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn say(text: &str) {
    // Nothing to do about a closed terminal.
    let _ = writeln!(std::io::stderr(), "{text}");
}

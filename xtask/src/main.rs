//! `cargo xtask`: what a developer runs beside cargo itself.

mod android;
mod arm;
mod battery;
mod bindings;
mod inference;
mod knowledge;
mod sample;
mod sanitize;
mod setup;
mod tools;

use barefoot_knowledge::{Content, check, compile};
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
cargo xtask test LANGUAGE        generate a language's bindings and run tests/scenarios through them
cargo xtask test android         the Android shell's models and screens over the real core; prints where pictures of the screens lie
cargo xtask test ios             the iOS shell's models over the real core; its views parsed and checked for style
cargo xtask android              the Android shell as a signed APK (android/README.md)
cargo xtask size                 the stripped size of the phones' library
cargo xtask encyclopedia FILE    compile the encyclopedia into a file, for a library that does not carry it
cargo xtask bench inference [--pack DIR...] [--threads 1,2] [--rounds N] [--peers A,B] [--photo] [--json FILE]
                                 core/nn against other engines (docs/inference.md)
cargo xtask setup peers          install and build those engines
cargo xtask setup arm            install qemu, the cross linker and Rust's library for ARM
cargo xtask test arm             core/nn under qemu on two processors; checked for Android and iOS
cargo xtask test sanitize        core/nn's unsafe code under AddressSanitizer
cargo xtask setup [NAME...]      install into the cache: the servers that the tests of sync need (fhir, tus, oidc; without a name,
                                 these three), the tools of a language (kotlin, swift, python, android)";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["check-content"] => check_content(),
        ["bench-search"] => knowledge::bench_search(&root(), &say),
        ["fuzz-text", seconds] => fuzz(seconds, "1"),
        ["fuzz-text", seconds, seed] => fuzz(seconds, seed),
        ["render-sample", file] => sample::render(Path::new(file)),
        ["size"] => bindings::size(&say),
        ["encyclopedia", file] => encyclopedia(Path::new(file)),
        ["battery", ref rows @ ..] => battery::run(rows),
        ["bench", "inference", ref options @ ..] => inference::run(options),
        ["setup"] => setup::run(&[]),
        ["setup", ref names @ ..] => names.iter().try_for_each(|name| set_up(name)),
        ["test", "arm"] => arm::test(),
        ["test", "sanitize"] => sanitize::test(),
        ["test", "android"] => android::test(),
        ["android"] => android::pack(),
        ["test", language] => bindings::test(language),
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

fn set_up(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    match name {
        "kotlin" | "swift" | "python" => bindings::setup(name),
        "android" => android::setup(),
        "peers" => inference::setup(),
        "arm" => arm::setup(),
        server => setup::run(&[server]),
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

fn encyclopedia(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    Ok(compile(&Content::read(&root().join("core/knowledge/content"))?, file)?)
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn say(text: &str) {
    // Nothing to do about a closed terminal.
    let _ = writeln!(std::io::stderr(), "{text}");
}

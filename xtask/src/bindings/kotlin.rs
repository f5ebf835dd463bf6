//! Kotlin on the JVM: the compiler from npm, JNA and a JSON reader from Maven Central.

use super::{files, generate, library, stage};
use crate::tools::{Outcome, cache, programs, run};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The whole Kotlin compiler distribution as an npm package.
const COMPILER: &str = "kotlin-compiler@2.4.20";
/// What generated code calls the library with, and what the scenario runner reads JSON with.
const JARS: [&str; 2] = ["net.java.dev.jna:jna:5.17.0", "org.json:json:20250517"];

fn folder() -> Outcome<PathBuf> {
    Ok(cache()?.join("kotlin"))
}

fn wanted() -> String {
    format!("{COMPILER}\n{}\n", JARS.join("\n"))
}

pub(super) fn setup() -> Outcome<()> {
    // Needed at every run; the cache may outlive the machine.
    programs(&[("java", "default-jre-headless")])?;
    let folder = folder()?;
    let stamp = folder.join("fetched");
    if fs::read_to_string(&stamp).is_ok_and(|fetched| fetched == wanted()) {
        return Ok(());
    }
    programs(&[("mvn", "maven"), ("npm", "npm")])?;
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    run(Command::new("npm").args(["pack", "--silent", COMPILER]).current_dir(&folder))?;
    for archive in files(&folder, "tgz")? {
        run(Command::new("tar").arg("xzf").arg(&archive).current_dir(&folder))?;
        fs::remove_file(archive)?;
    }
    for jar in JARS {
        run(Command::new("mvn")
            .args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"])
            .arg(format!("-Dartifact={jar}"))
            .arg(format!("-DoutputDirectory={}", folder.join("jars").display())))?;
    }
    Ok(fs::write(stamp, wanted())?)
}

/// A jar of the Kotlin distribution.
pub(crate) fn kotlin(name: &str) -> Outcome<PathBuf> {
    Ok(folder()?.join("package/lib").join(format!("{name}.jar")))
}

/// The compiler, to which sources, `-cp` and `-d` are added.
pub(crate) fn kotlinc() -> Outcome<Command> {
    let jars = [
        "kotlin-compiler",
        "kotlin-stdlib",
        "kotlin-script-runtime",
        "kotlin-reflect",
        "kotlinx-coroutines-core-jvm",
        "annotations-13.0",
    ];
    let mut java = Command::new("java");
    java.args(["-Xmx2g", "-cp"])
        .arg(env::join_paths(jars.into_iter().map(kotlin).collect::<Outcome<Vec<_>>>()?)?)
        .arg("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler")
        .args(["-no-stdlib", "-no-reflect", "-nowarn"]);
    Ok(java)
}

pub(super) fn test() -> Outcome<()> {
    let stage = stage("kotlin")?;
    let generated = stage.join("generated");
    generate("kotlin", &generated)?;
    let package = crate::root().join("bindings/kotlin");
    let mut class_path = files(&folder()?.join("jars"), "jar")?;
    class_path.push(kotlin("kotlin-stdlib")?);
    let classes = stage.join("classes");
    run(kotlinc()?
        .args(["-jvm-target", "1.8", "-cp"])
        .arg(env::join_paths(&class_path)?)
        .arg("-d")
        .arg(&classes)
        .args([&generated, &package.join("src"), &package.join("test")]))?;
    class_path.push(classes);
    let library = library()?;
    run(Command::new("java")
        .arg(format!("-Djna.library.path={}", library.parent().unwrap_or(&library).display()))
        .arg("-cp")
        .arg(env::join_paths(&class_path)?)
        .arg("org.barefoot.ScenariosKt")
        .arg(crate::root()))
}

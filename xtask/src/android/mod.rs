//! `cargo xtask setup android`, `cargo xtask test android` and `cargo xtask android`: the Android shell without Android Studio, SDK or Gradle.
//!
//! Compiles the shell against Android 14, runs its view models and its screens on the JVM (Robolectric draws them with Android's own
//! drawing code) over the real core, and packs a signed APK. Users build with Gradle: android/README.md.

mod apk;
mod setup;

use crate::bindings::{build, files, generate, kotlin, kotlinc, library, stage};
use crate::tools::{Outcome, run};
use setup::Tools;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Android that the shell runs on: 8.0.
const MIN_SDK: &str = "26";
/// The Android that it is made and tested for: 14.
const TARGET_SDK: &str = "34";
/// Robolectric replaces parts of the Java library, which Java 17 allows only where it is told to.
const OPEN_PACKAGES: [&str; 8] = [
    "java.lang",
    "java.lang.reflect",
    "java.util",
    "java.io",
    "java.net",
    "java.security",
    "java.text",
    "jdk.internal.access",
];

/// Fetches what the shell is built and tested with.
pub(crate) fn setup() -> Outcome<()> {
    setup::setup()
}

/// Compiles the shell and runs its tests; pictures of all screens lie in `android/pictures` of cargo's folder for bindings.
pub(crate) fn test() -> Outcome<()> {
    Shell::compiled()?.test()
}

/// Compiles the shell and packs a signed APK.
pub(crate) fn pack() -> Outcome<()> {
    apk::pack(&Shell::compiled()?)
}

/// One build.
struct Shell {
    tools: Tools,
    out: PathBuf,
}

impl Shell {
    /// Resources, generated Kotlin, the shell's classes.
    fn compiled() -> Outcome<Self> {
        let shell = Self { tools: setup::ready()?, out: stage("android")? };
        build()?;
        generate("kotlin", &shell.out.join("generated"))?;
        shell.resources()?;
        let r = files(&shell.out.join("r"), "java")?;
        run(Command::new("javac")
            .args(["-nowarn", "--release", "8", "-Xlint:-options", "-d"])
            .arg(shell.out.join("classes"))
            .args(r))?;
        shell.kotlinc(
            "classes",
            // dx knows Java 8's classes at most, and no invokedynamic of Kotlin's own.
            &["-jvm-target", "1.8", "-Xlambdas=class", "-Xsam-conversions=class", "-Xstring-concat=inline"],
            &shell.libraries(&["compile", "provided"])?,
            &[main_sources().join("kotlin"), crate::root().join("bindings/kotlin/src"), shell.out.join("generated")],
        )?;
        Ok(shell)
    }

    fn resources(&self) -> Outcome<()> {
        let compiled = self.out.join("resources.zip");
        run(Command::new("aapt2").args(["compile", "--dir"]).arg(main_sources().join("res")).arg("-o").arg(&compiled))?;
        run(Command::new("aapt2")
            .args(["link", "--min-sdk-version", MIN_SDK, "--target-sdk-version", TARGET_SDK])
            .args(["--version-code", "1", "--version-name", env!("CARGO_PKG_VERSION"), "--auto-add-overlay"])
            .arg("-I")
            .args(self.tools.jars("provided")?)
            .arg("--manifest")
            .arg(manifest())
            .arg("--java")
            .arg(self.out.join("r"))
            .arg("-o")
            .arg(self.resource_apk())
            .arg(compiled))
    }

    fn resource_apk(&self) -> PathBuf {
        self.out.join("resources.apk")
    }

    /// View models and screens on the JVM, over the real core.
    fn test(&self) -> Outcome<()> {
        let tests = crate::root().join("android/app/src/test");
        let test_classes = self.out.join("test-classes");
        run(Command::new("javac")
            .args(["-nowarn", "-d"])
            .arg(&test_classes)
            .arg("-cp")
            .arg(env::join_paths(self.tools.jars("provided")?)?)
            .args(files(&tests.join("standins"), "java")?))?;
        let mut path = vec![self.out.join("classes"), test_classes.clone()];
        path.extend(self.libraries(&["compile", "test", "provided"])?);
        let friends = format!("-Xfriend-paths={}", self.out.join("classes").display());
        self.kotlinc("test-classes", &["-jvm-target", "17", &friends], &path, &[tests.join("kotlin")])?;
        let config = test_classes.join("com/android/tools");
        fs::create_dir_all(&config)?;
        fs::write(
            config.join("test_config.properties"),
            format!(
                "android_merged_manifest={}\nandroid_custom_package=org.barefoot.app\nandroid_resource_apk={}\n",
                manifest().display(),
                self.resource_apk().display()
            ),
        )?;
        let pictures = self.out.join("pictures");
        fs::create_dir_all(&pictures)?;
        let library = library()?;
        run(Command::new("java")
            .args(OPEN_PACKAGES.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")))
            .args(["-Xmx3g", "-Drobolectric.offline=true"])
            .arg(format!("-Drobolectric.dependency.dir={}", self.tools.scope("runtime").display()))
            .arg(format!("-Djna.library.path={}", library.parent().unwrap_or(&library).display()))
            .arg(format!("-Dbarefoot.repository={}", crate::root().canonicalize()?.display()))
            .arg(format!("-Dbarefoot.pictures={}", pictures.display()))
            .arg("-cp")
            .arg(env::join_paths(path)?)
            .arg("org.junit.runner.JUnitCore")
            .args(test_names(&test_classes)?))?;
        crate::say(&format!("pictures of the screens: {}", pictures.display()));
        Ok(())
    }

    fn libraries(&self, scopes: &[&str]) -> Outcome<Vec<PathBuf>> {
        let mut jars = vec![kotlin("kotlin-stdlib")?];
        for scope in scopes {
            jars.extend(self.tools.jars(scope)?);
        }
        Ok(jars)
    }

    /// Compiles Kotlin into a folder of the build.
    fn kotlinc(&self, into: &str, options: &[&str], path: &[PathBuf], sources: &[PathBuf]) -> Outcome<()> {
        let classes = self.out.join(into);
        let mut whole_path: Vec<OsString> = vec![classes.clone().into()];
        whole_path.extend(path.iter().map(Into::into));
        run(kotlinc()?.args(options).arg("-cp").arg(env::join_paths(whole_path)?).arg("-d").arg(classes).args(sources))
    }
}

/// The names of the test classes.
fn test_names(classes: &Path) -> Outcome<Vec<String>> {
    let name = |path: &PathBuf| {
        path.strip_prefix(classes).ok()?.to_str()?.strip_suffix(".class").map(|name| name.replace('/', "."))
    };
    let names: Vec<String> =
        files(classes, "class")?.iter().filter_map(name).filter(|name| name.ends_with("Test")).collect();
    if names.is_empty() { Err("no test was found".into()) } else { Ok(names) }
}

fn main_sources() -> PathBuf {
    crate::root().join("android/app/src/main")
}

fn manifest() -> PathBuf {
    main_sources().join("AndroidManifest.xml")
}

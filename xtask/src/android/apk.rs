//! The shell as a signed APK: dex, native libraries, alignment, signature with a key made on the fly.

use super::{MIN_SDK, Shell};
use crate::bindings::{LINKED_AS_ONE, kotlin};
use crate::tools::{Outcome, run};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Processors of clinic phones: Android's names, and JNA's folders of the same names.
const PROCESSORS: [&str; 2] = ["arm64-v8a", "armeabi-v7a"];
/// A debug key guards nothing.
const KEY_WORD: &str = "barefoot";

pub(super) fn pack(shell: &Shell) -> Outcome<()> {
    let staging = shell.out.join("apk");
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir_all(&staging)?;
    dex(shell, &staging)?;
    for processor in PROCESSORS {
        let folder = staging.join("lib").join(processor);
        fs::create_dir_all(&folder)?;
        let library = "libjnidispatch.so";
        fs::copy(shell.tools.jna().join("jni").join(processor).join(library), folder.join(library))?;
    }
    let with_core = core_for_phones(&staging.join("lib"))?;

    let unaligned = shell.out.join("unaligned.apk");
    fs::copy(shell.resource_apk(), &unaligned)?;
    run(Command::new("zip").current_dir(&staging).args(["-q", "-r"]).arg(&unaligned).arg("."))?;
    let apk = shell.out.join("barefoot-debug.apk");
    run(Command::new("zipalign").args(["-f", "4"]).arg(&unaligned).arg(&apk))?;
    sign(&shell.out, &apk)?;
    check(&apk)?;
    let bytes = fs::metadata(&apk)?.len();
    crate::say(&format!("{} ({bytes} bytes)", apk.display()));
    if !with_core {
        crate::say(
            "WITHOUT the core's library: set ANDROID_NDK_HOME and install cargo-ndk for an APK that runs on a phone",
        );
    }
    Ok(())
}

fn dex(shell: &Shell, staging: &Path) -> Outcome<()> {
    let mut inputs = vec![shell.out.join("classes")];
    for jar in [kotlin("kotlin-stdlib")?, shell.tools.jna().join("classes.jar")] {
        // Only the classes: dx refuses the newer Java's variants under META-INF.
        let name = jar.file_stem().unwrap_or_default().to_owned();
        let folder = shell.out.join("dex-input").join(name);
        fs::create_dir_all(&folder)?;
        run(Command::new("jar").current_dir(&folder).arg("xf").arg(&jar))?;
        let _ = fs::remove_dir_all(folder.join("META-INF"));
        inputs.push(folder);
    }
    run(Command::new("java")
        .args(["-Xmx2g", "-cp"])
        .arg(env::join_paths(shell.tools.dx()?)?)
        .args(["com.android.dx.command.Main", "--dex", "--multi-dex"])
        .arg(format!("--min-sdk-version={MIN_SDK}"))
        .arg(format!("--output={}", staging.display()))
        .args(inputs))
}

/// Builds the core for phones where the NDK and cargo-ndk are there; says whether it did.
fn core_for_phones(into: &Path) -> Outcome<bool> {
    if env::var_os("ANDROID_NDK_HOME").is_none() {
        return Ok(false);
    }
    let mut ndk = Command::new("cargo");
    ndk.current_dir(crate::root()).args(["ndk", "--platform", MIN_SDK]);
    for processor in PROCESSORS {
        ndk.args(["-t", processor]);
    }
    // Android 15 phones may have pages of 16 KB.
    ndk.env("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384");
    run(ndk
        .arg("-o")
        .arg(into)
        .args(["rustc", "--release", "--locked", "-p", "barefoot-ffi", "--lib"])
        .args(LINKED_AS_ONE))?;
    Ok(true)
}

fn sign(out: &Path, apk: &Path) -> Outcome<()> {
    let store: PathBuf = out.join("debug.keystore");
    run(Command::new("keytool")
        .args(["-genkeypair", "-alias", "debug", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000"])
        .args(["-dname", "CN=Barefoot debug", "-storepass", KEY_WORD, "-keypass", KEY_WORD, "-noprompt"])
        .arg("-keystore")
        .arg(&store))?;
    run(Command::new("apksigner")
        .args(["sign", "--min-sdk-version", MIN_SDK, "--ks-pass", &format!("pass:{KEY_WORD}"), "--ks"])
        .arg(&store)
        .arg(apk))
}

/// Reads the APK as a phone would: its signature, its files, its manifest and its texts in both languages.
fn check(apk: &Path) -> Outcome<()> {
    run(Command::new("apksigner").args(["verify", "--min-sdk-version", MIN_SDK]).arg(apk))?;
    reads(apk, &["list"], &["classes.dex", "lib/arm64-v8a/libjnidispatch.so", "lib/armeabi-v7a/libjnidispatch.so"])?;
    let activity = "launchable-activity: name='org.barefoot.app.MainActivity'";
    reads(apk, &["dump", "badging"], &[activity, "application-label:'Barefoot'", "application-label-zh:'乡医皮肤助手'"])
}

/// aapt finds these texts in the APK.
fn reads(apk: &Path, question: &[&str], answers: &[&str]) -> Outcome<()> {
    let output = Command::new("aapt").args(question).arg(apk).output()?;
    let found = String::from_utf8_lossy(&output.stdout);
    match answers.iter().find(|answer| !found.contains(*answer)) {
        Some(missing) => Err(format!("{} lacks {missing}", apk.display()).into()),
        None => Ok(()),
    }
}

//! What the Android shell is built and tested with, pinned, in the cache. Idempotent.

use crate::bindings::{self, files};
use crate::tools::{Outcome, cache, programs, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// JNA's native part for the phone's processors; the same version as in android/pom.xml.
const JNA_AAR: &str = "net.java.dev.jna:jna:5.17.0:aar";
/// Programs, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 5] = [
    ("aapt2", "aapt"),
    ("zipalign", "zipalign"),
    ("apksigner", "apksigner"),
    ("javac", "default-jdk-headless"),
    ("zip", "zip"),
];
/// Android's older compiler to dex; its successor d8 lies in Google's Maven repository alone.
const DX: &str = "com.jakewharton.android.repackaged:dalvik-dx:9.0.0_r3";

/// Where the fetched parts lie.
pub(super) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The jars of one Maven scope of android/pom.xml.
    pub(super) fn jars(&self, scope: &str) -> Outcome<Vec<PathBuf>> {
        files(&self.scope(scope), "jar")
    }

    /// The folder of one Maven scope.
    pub(super) fn scope(&self, scope: &str) -> PathBuf {
        self.folder.join("libraries").join(scope)
    }

    /// JNA for Android, unpacked.
    pub(super) fn jna(&self) -> PathBuf {
        self.folder.join("jna")
    }

    /// dx.
    pub(super) fn dx(&self) -> Outcome<Vec<PathBuf>> {
        files(&self.folder.join("dx"), "jar")
    }
}

/// The tools, fetched where they are missing.
pub(super) fn ready() -> Outcome<Tools> {
    setup()?;
    Ok(Tools { folder: cache()?.join("android") })
}

pub(super) fn setup() -> Outcome<()> {
    bindings::setup("kotlin")?;
    programs(&PROGRAMS)?;
    let folder = cache()?.join("android");
    let stamp = folder.join("fetched");
    let pom = crate::root().join("android/pom.xml");
    let wanted = format!("{JNA_AAR}\n{DX}\n{}", fs::read_to_string(&pom)?);
    if fs::read_to_string(&stamp).is_ok_and(|fetched| fetched == wanted) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    maven(&folder, &pom)?;
    Ok(fs::write(stamp, wanted)?)
}

fn maven(folder: &Path, pom: &Path) -> Outcome<()> {
    let goal = |goal: &str, argument: String, out: &Path| {
        run(Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(pom)
            .args([goal, &argument])
            .arg(format!("-DoutputDirectory={}", out.display())))
    };
    goal("dependency:copy-dependencies", "-Dmdep.useSubDirectoryPerScope=true".to_owned(), &folder.join("libraries"))?;
    goal("dependency:copy", format!("-Dartifact={DX}"), &folder.join("dx"))?;
    let aar = folder.join("aar");
    goal("dependency:copy", format!("-Dartifact={JNA_AAR}"), &aar)?;
    let jna = folder.join("jna");
    fs::create_dir_all(&jna)?;
    // An AAR is a zip file, and so jar can unpack it.
    run(Command::new("jar").current_dir(jna).arg("xf").args(files(&aar, "aar")?))
}

//! Swift on Linux: Debian's toolchain in a folder of its own (2.7 GB), entered by chroot in a mount namespace that ends with the command.

use super::{copy, generate, library, stage};
use crate::tools::{Outcome, cache, install, programs, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Debian release whose Swift is 6.0.3.
const RELEASE: &str = "trixie";
/// What debootstrap checks that release by; Ubuntu has it in a package.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const PACKAGES: [&str; 4] = ["swiftlang", "libc6-dev", "libstdc++-14-dev", "gcc"];

pub(super) fn system() -> Outcome<PathBuf> {
    Ok(cache()?.join(format!("swift-{RELEASE}")))
}

pub(super) fn setup() -> Outcome<()> {
    let root = system()?;
    let stamp = root.join("ready");
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    programs(&[("debootstrap", "debootstrap"), ("unshare", "util-linux")])?;
    if !Path::new(KEYRING).exists() {
        install(&["debian-archive-keyring"])?;
    }
    if run(Command::new("unshare").args(["--mount", "true"])).is_err() {
        return Err(
            "Swift lives in a Debian folder of its own, which only root can make and enter: run this as root, or in a \
            container with CAP_SYS_ADMIN"
                .into(),
        );
    }
    // debootstrap removes its own folder when it is done.
    if !root.join("usr/bin/apt-get").exists() || root.join("debootstrap").exists() {
        let _ = fs::remove_dir_all(&root);
        run(Command::new("debootstrap").args(["--variant=minbase", RELEASE]).arg(&root).arg(mirror()))?;
    }
    // What reaches the mirror from here must reach it from inside.
    copy(Path::new("/etc/apt/apt.conf.d"), &root.join("etc/apt/apt.conf.d"))?;
    fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))?;
    inside(
        &root,
        None,
        &format!(
            "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {wanted} && apt-get clean"
        ),
    )?;
    Ok(fs::write(stamp, wanted)?)
}

/// The Debian mirror that this machine's own apt uses; Debian's own where apt names none, as on Ubuntu.
fn mirror() -> String {
    let read = |name: &str| fs::read_to_string(Path::new("/etc/apt").join(name)).unwrap_or_default();
    let new = read("sources.list.d/debian.sources");
    let old = read("sources.list");
    let lines = new.lines().filter(|line| line.starts_with("URIs:"));
    lines
        .chain(old.lines().filter(|line| line.starts_with("deb ")))
        .flat_map(str::split_whitespace)
        .find(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"))
        .unwrap_or("http://deb.debian.org/debian")
        .to_owned()
}

/// Runs a shell line inside, with `/proc` (the compiler finds its own libraries by it) and one folder of ours as `/work`.
pub(super) fn inside(root: &Path, work: Option<&Path>, line: &str) -> Outcome<()> {
    let mut mounts = String::from("mount -t proc proc \"$0/proc\"");
    if work.is_some() {
        mounts.push_str(" && mkdir -p \"$0/work\" && mount --bind \"$1\" \"$0/work\"");
    }
    run(Command::new("unshare")
        .args(["--mount", "sh", "-ec"])
        .arg(format!("{mounts} && exec chroot \"$0\" /bin/sh -ec \"$2\""))
        .arg(root)
        .arg(work.unwrap_or(root))
        .arg(format!("export HOME=/root PATH=/usr/local/bin:/usr/bin:/bin; {line}")))
}

/// Writes the Swift package over freshly generated code.
pub(super) fn package(into: &Path) -> Outcome<()> {
    copy(&crate::root().join("bindings/swift"), into)?;
    let generated = into.join("generated");
    generate("swift", &generated)?;
    fs::rename(generated.join("Barefoot.swift"), into.join("Sources/Barefoot/Generated.swift"))?;
    fs::rename(generated.join("BarefootFFI.h"), into.join("Sources/BarefootFFI/BarefootFFI.h"))?;
    Ok(fs::remove_dir_all(generated)?)
}

pub(super) fn test() -> Outcome<()> {
    let package = stage("swift")?.join("package");
    self::package(&package)?;
    let library = library()?;
    fs::copy(&library, package.join(library.file_name().ok_or("the library has no name")?))?;
    // What the scenarios name, at the paths that they name.
    copy(&crate::root().join("tests/scenarios"), &package.join("repository/tests/scenarios"))?;
    copy(&crate::root().join("tests/data/trust"), &package.join("repository/tests/data/trust"))?;
    fs::create_dir_all(package.join("repository/docs"))?;
    fs::copy(crate::root().join("docs/sample.jpg"), package.join("repository/docs/sample.jpg"))?;
    fs::copy(crate::root().join("README.md"), package.join("repository/README.md"))?;
    inside(
        &system()?,
        Some(&package),
        "cd /work && LD_LIBRARY_PATH=/work BAREFOOT_REPOSITORY=/work/repository swift test --disable-swift-testing -Xlinker -L/work",
    )
}

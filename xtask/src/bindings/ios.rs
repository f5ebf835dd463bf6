//! The iOS shell as far as Linux goes: its models compiled and tested over the real core, its views parsed, all of it checked for style.

use super::{copy, files, library, stage, swift};
use crate::tools::Outcome;
use std::fs;

/// Debian keeps it off the path.
const FORMAT: &str = "/usr/libexec/swift/bin/swift-format";
/// Swift 6.0's Observation library lacks a function that it calls when a lock fails (swiftlang/swift#75670).
const OBSERVATION: &str = "-Xlinker --allow-shlib-undefined";
/// What the tests read of the repository, besides the shell.
const READ: [&str; 7] = [
    "tests/data/trust/root-of-2020.json",
    "docs/sample.jpg",
    "docs/diagnose.png",
    "docs/encyclopedia.png",
    "docs/android/12-phrase-en.png",
    "android/app/src/main/res/values/strings.xml",
    "android/app/src/main/res/values-zh/strings.xml",
];

pub(super) fn test() -> Outcome<()> {
    // The stage has the repository's layout: the shell finds the bindings where they are in a checkout.
    let stage = stage("ios")?;
    swift::package(&stage.join("bindings/swift"))?;
    copy(&crate::root().join("ios"), &stage.join("ios"))?;
    for file in READ {
        let place = stage.join(file);
        fs::create_dir_all(place.parent().ok_or("a file lies in a folder")?)?;
        fs::copy(crate::root().join(file), place)?;
    }
    let library = library()?;
    fs::copy(&library, stage.join(library.file_name().ok_or("the library has no name")?))?;
    let views = files(&stage.join("ios/App"), "swift")?.len();
    swift::inside(
        &swift::system()?,
        Some(&stage),
        &format!(
            "cd /work/ios
            {FORMAT} lint --strict --recursive Package.swift Sources Tests App
            find App -name '*.swift' -exec swiftc -swift-version 6 -parse {{}} +
            echo 'style checked; {views} files of App/ parsed, not compiled: SwiftUI is not on Linux'
            LD_LIBRARY_PATH=/work BAREFOOT_REPOSITORY=/work \
                swift test --disable-swift-testing -Xlinker -L/work {OBSERVATION}"
        ),
    )
}

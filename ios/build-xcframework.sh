#!/usr/bin/env bash
# Builds the core for iPhones and for the simulator, and lays what the Swift package `bindings/swift` is made of into it:
# BarefootFFI.xcframework and the generated Swift. Needs a Mac with Xcode and rustup.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(aarch64-apple-ios aarch64-apple-ios-sim)

missing() { echo "build-xcframework: $1" >&2; exit 1; }
[ "$(uname -s)" = Darwin ] || missing "this is no Mac: Apple's SDKs and xcodebuild are there alone; on Linux run \`cargo xtask test ios\`"
command -v cargo >/dev/null || missing "cargo is missing: install Rust from https://rustup.rs"
command -v rustup >/dev/null || missing "rustup is missing: it brings Rust's library for iOS, see https://rustup.rs"
xcodebuild -version >/dev/null 2>&1 || missing "Xcode is missing or not chosen: install it, then \`sudo xcode-select -s /Applications/Xcode.app\`"
xcrun --sdk iphoneos --show-sdk-path >/dev/null 2>&1 || missing "Xcode has no iOS SDK: \`xcodebuild -downloadPlatform iOS\`"
for target in "${targets[@]}"; do
  rustup target list --installed | grep -qx "$target" || missing "Rust's library for $target is missing: \`rustup target add $target\`"
done

# What the Swift package asks for.
export IPHONEOS_DEPLOYMENT_TARGET=17.0
out=${CARGO_TARGET_DIR:-target}
package=bindings/swift
made=$out/bindings/ios-framework

for target in "${targets[@]}"; do
  # Optimised across crates, which cargo leaves out for a package that is also a plain library.
  cargo rustc --locked --release -p barefoot-ffi --lib --crate-type staticlib --target "$target" -- -C lto=fat
done

# The generator reads the symbols of a library of this machine: the interface is the same.
cargo build --locked -p barefoot-ffi -p barefoot-uniffi-bindgen
rm -rf "$made" "$package/BarefootFFI.xcframework"
mkdir -p "$made/headers"
"$out/debug/uniffi-bindgen" generate --library "$out/debug/libbarefoot_ffi.dylib" --language swift --no-format --out-dir "$made/generated"
cp "$made/generated/Barefoot.swift" "$package/Sources/Barefoot/Generated.swift"
cp "$made/generated/BarefootFFI.h" "$made/headers/"
cp "$made/generated/BarefootFFI.modulemap" "$made/headers/module.modulemap"

libraries=()
for target in "${targets[@]}"; do
  libraries+=(-library "$out/$target/release/libbarefoot_ffi.a" -headers "$made/headers")
done
xcodebuild -create-xcframework "${libraries[@]}" -output "$package/BarefootFFI.xcframework"
echo "made $package/BarefootFFI.xcframework and $package/Sources/Barefoot/Generated.swift"

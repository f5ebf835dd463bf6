// swift-tools-version:6.0
import PackageDescription

// Sources/Barefoot/Generated.swift and Sources/BarefootFFI/BarefootFFI.h are written by the generator, see docs/bindings.md; on a Mac
// ios/build-xcframework.sh makes them and the framework.
#if os(Linux)
  let core: Target = .systemLibrary(name: "BarefootFFI")
  let frameworks: [LinkerSetting] = []
#else
  let core: Target = .binaryTarget(name: "BarefootFFI", path: "BarefootFFI.xcframework")
  // What the core's static library asks the system for: trusted certificates.
  let frameworks: [LinkerSetting] = [.linkedFramework("Security"), .linkedFramework("CoreFoundation")]
#endif

let package = Package(
  name: "Barefoot",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [.library(name: "Barefoot", targets: ["Barefoot"])],
  targets: [
    core,
    .target(name: "Barefoot", dependencies: ["BarefootFFI"], linkerSettings: frameworks),
    .testTarget(name: "BarefootTests", dependencies: ["Barefoot"]),
  ]
)

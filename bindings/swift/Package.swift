// swift-tools-version:6.0
import PackageDescription

// Sources/Barefoot/Generated.swift and Sources/BarefootFFI/BarefootFFI.h are written by the generator, see docs/bindings.md.
let package = Package(
  name: "Barefoot",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [.library(name: "Barefoot", targets: ["Barefoot"])],
  targets: [
    .systemLibrary(name: "BarefootFFI"),
    .target(name: "Barefoot", dependencies: ["BarefootFFI"]),
    .testTarget(name: "BarefootTests", dependencies: ["Barefoot"]),
  ]
)

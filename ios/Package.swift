// swift-tools-version:6.0
import PackageDescription

// What the screens show and do, without any of SwiftUI: compiled and tested on Linux too. The views are in App/, see README.md.
let package = Package(
  name: "BarefootModels",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [.library(name: "BarefootModels", targets: ["BarefootModels"])],
  dependencies: [.package(name: "Barefoot", path: "../bindings/swift")],
  targets: [
    .target(name: "BarefootModels", dependencies: [.product(name: "Barefoot", package: "Barefoot")]),
    .testTarget(name: "BarefootModelsTests", dependencies: ["BarefootModels"]),
  ]
)

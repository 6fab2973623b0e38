// swift-tools-version: 6.0
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The completion handlers alone, for apps that run on iOS 12: a package has one oldest system for all that is in it. Sources and library are those of
// the package above; an app takes one of the two.
#if os(Linux)
let library: [Target] = [.systemLibrary(name: "HongyanC")]
#else
let library: [Target] = [.binaryTarget(name: "HongyanLibrary", path: "Hongyan.xcframework")]
#endif

let package = Package(
    name: "HongyanCallbacks",
    platforms: [.iOS(.v12), .macOS(.v10_13)],
    products: [.library(name: "HongyanCallbacks", targets: ["HongyanCallbacks"])],
    targets: library + [
        .target(
            name: "HongyanCallbacks", dependencies: library.map { .init(stringLiteral: $0.name) },
            linkerSettings: [.linkedLibrary("hongyan", .when(platforms: [.linux]))])
    ],
    swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "readings",
    dependencies: [.package(name: "amp4ec", path: "../..")],
    targets: [
        .executableTarget(name: "readings", dependencies: [.product(name: "AMP4ECClient", package: "amp4ec")]),
        // The examples of the library's documentation, each in a function.
        .target(name: "snippets", dependencies: [.product(name: "AMP4ECClient", package: "amp4ec")]),
    ]
)

// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "readings",
    dependencies: [.package(name: "amp4ec", path: "../..")],
    targets: [
        .executableTarget(name: "readings", dependencies: [.product(name: "AMP4ECClient", package: "amp4ec")])
    ]
)

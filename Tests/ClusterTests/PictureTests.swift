import Foundation
import Testing

/// Pictures in, labels out.
@Suite("Pictures")
struct PictureTests {
    /// 12 × 9 pixels.
    static let png = """
        iVBORw0KGgoAAAANSUhEUgAAAAwAAAAJCAIAAACJ2loDAAABIElEQVR42hXQIWgCQBiG4a+tmU7wmE2QwzSPBWEHNssxuCCsLcgfZjMegxPWDNeEC0sXFmxXriwMFgx/\
        WjBfsA3WhQXDZn/DwwsAAlCAARxAgAcikIEKMND+C0gIeaVkx8iuk32SAy9HUY6znFQ5ZTlr8h7QELqjdN/okdMT0jOv51Evsl5VvWYdm34FLITtKjsydursnOzS23W0\
        22x31X6wPTT7fVEI6iuaGJo7WhFFT7tI+0zHSmemXqNbIECEgQozE5YuRArFh0MMpxx6NdxxeGzhBUgQaaTS3KS1SztKB5/OMQ1zcjU9c3pr6QsoEGWsysKUrSt7Kidf\
        hrE85LKp5Z3LTyvXlxWCJ4pXhneOj8Q9zy7yJvNn5V/mm8ZPfxjMfpHxTE11AAAAAElFTkSuQmCC
        """

    @Test("labels and probabilities by the command equal those of the whole model in one process")
    func labels() async throws {
        try await withCluster("pixels", coordinatorOptions: ["--optimize", "O0"]) { cluster in
            let picture = try cluster.folder.write("picture.png", try #require(Data(base64Encoded: Self.png)))
            let answer = try await cluster.command("infer", picture, "--json", "--top", "3")
            #expect(answer.ending == .exited(0), "\(answer)")
            let reference = try await CommandRun.run(
                .command, ["reference", "--model", Places.testModel("pixels.pt"), picture, "--json", "--top", "3"],
                in: cluster.folder)
            #expect(reference.ending == .exited(0), "\(reference)")
            #expect(answer.output == reference.output)
            #expect(answer.output.contains("kind "))

            let people = try await cluster.command("infer", picture, picture)
            #expect(people.ending == .exited(0), "\(people)")
            let lines = people.output.split(separator: "\n")
            #expect(lines.count == 2 && lines.allSatisfy { $0.hasPrefix("\(picture): kind ") && $0.contains("%") }, "\(people)")
        }
    }

    @Test("files that are no pictures: named, with what they look like, exit 65")
    func noPictures() async throws {
        try await withCluster("pixels", workers: 1) { cluster in
            let good = try #require(Data(base64Encoded: Self.png))
            let files = [
                ("text.jpg", Data("no picture".utf8), "text"), ("empty.png", Data(), "empty"),
                ("half.png", good.prefix(good.count / 2), "half.png"),
            ]
            for (name, data, mention) in files {
                let run = try await cluster.command("infer", try cluster.folder.write(name, data))
                #expect(run.ending == .exited(65), "\(run)")
                #expect(run.errors.contains(name) && run.errors.contains(mention), "\(run)")
            }
            let absent = try await cluster.command("infer", cluster.folder.path("absent.jpg"))
            #expect(absent.ending == .exited(65) && absent.errors.contains("No such file"), "\(absent)")
            try await cluster.cleanStatus()
        }
    }
}

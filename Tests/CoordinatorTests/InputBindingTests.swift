import Profiling
import Shell
import Tensors
import Testing

/// Which declared input is which of forward's arguments.
@Suite struct InputBindingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let names: [String]
        var forward = ["query", "context"]
        /// In forward's order.
        let bound: [String]
        let isByName: Bool
    }

    static let cases = [
        Case(testDescription: "in forward's order", names: ["query", "context"], bound: ["query", "context"], isByName: true),
        Case(testDescription: "in another order", names: ["context", "query"], bound: ["query", "context"], isByName: true),
        Case(testDescription: "none is forward's", names: ["b", "a"], bound: ["b", "a"], isByName: false),
        Case(
            testDescription: "written otherwise, in forward's order", names: ["Query", "con_text"], bound: ["Query", "con_text"],
            isByName: false),
        Case(testDescription: "one, called otherwise", names: ["image"], forward: ["x"], bound: ["image"], isByName: false),
        Case(
            testDescription: "forward's names are alike", names: ["x", "y"], forward: ["x", "x"], bound: ["x", "y"], isByName: false
        ),
        Case(
            testDescription: "three, turned", names: ["c", "a", "b"], forward: ["a", "b", "c"], bound: ["a", "b", "c"],
            isByName: true),
    ]

    static func specs(_ names: [String]) throws -> [TensorSpec] { try names.map { try TensorSpec(parsing: "\($0):float32[N,4]") } }

    @Test(arguments: cases) func bound(_ row: Case) throws {
        let bound = try InputBinding.bind(Self.specs(row.names), to: row.forward)
        #expect(bound.specs.map(\.name) == row.bound)
        #expect((bound.binding == .byName) == row.isByName)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let names: [String]
        let says: [String]
    }

    static let refusals = [
        Refusal(
            testDescription: "half right", names: ["query", "memory"],
            says: ["\"query\" is a name of forward's, \"memory\" not", "forward takes \"query\", \"context\""]),
        Refusal(
            testDescription: "twice the same", names: ["query", "query"],
            says: ["\"query\" is declared twice", "forward takes \"query\", \"context\""]),
        Refusal(
            testDescription: "written otherwise, in another order", names: ["Context", "Query"],
            says: ["\"Context\" is not in the place of \"context\"", "forward takes \"query\", \"context\""]),
        Refusal(
            testDescription: "one written otherwise, in another place", names: ["a", "que_ry"],
            says: ["\"que_ry\" is not in the place of \"query\""]),
        Refusal(testDescription: "twice a strange one", names: ["a", "a"], says: ["declared twice"]),
        Refusal(testDescription: "too few", names: ["query"], says: ["takes 2 inputs (query, context), but one is described"]),
        Refusal(testDescription: "too many", names: ["query", "context", "x"], says: ["takes 2 inputs", "3 are described"]),
    ]

    @Test(arguments: refusals) func refused(_ row: Refusal) throws {
        let error = try #require(throws: CommandFailure.self) {
            _ = try InputBinding.bind(Self.specs(row.names), to: ["query", "context"])
        }
        for text in row.says { #expect("\(error)".contains(text), "\(error)") }
        #expect(error.exitStatus == .badData)
    }

    @Test("a model's own names go before the order of the declarations") func ofAModel() throws {
        let turned = ["context:float32[N,6]", "features:float32[N,12]"]
        let service = try TestModels.service("two-inputs", inputs: turned)
        #expect(service.manifest.inputs.map(\.name) == ["features", "context"] && service.inputBinding == .byName)
        let strange = try TestModels.service("two-inputs", inputs: ["a:float32[N,12]", "b:float32[N,6]"])
        #expect(strange.inputBinding == .byPosition(forward: ["features", "context"]))
        #expect(throws: CommandFailure.self) {
            try TestModels.service("two-inputs", inputs: ["features:float32[N,12]", "b:float32[N,6]"])
        }
    }
}

import AMP4ECClient
import Tensors

/// Sends one batch to the two-input model of examples/two-inputs and prints what comes back.
@main
struct Main {
    static func main() async throws {
        let client = try AMP4ECClient(coordinator: CommandLine.arguments.dropFirst().first ?? "127.0.0.1:9100")
        defer { client.close() }

        // Two items: 64 readings each, and the number of the place that they come from.
        let readings = try Tensor(shape: [2, 64], values: (0..<128).map { Float($0) / 128 })
        let place = try Tensor(shape: [2], values: [Int64(7), 42])
        do {
            let result = try await client.infer([readings, place], names: ["readings", "place"], deadline: .seconds(5))
            for (name, output) in zip(result.names, result.outputs) {
                print(name, output.shape, output.values(as: Float.self) ?? [])
            }
        } catch {
            print("no result (\(error.code)): \(error.message)")
        }
    }
}

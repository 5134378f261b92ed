internal import FoundationEssentials
internal import Tensors
internal import Wire

enum DocumentDecoder {
    static func decode<Document: Decodable>(_ storage: TensorStorage) throws(ClientError) -> Document {
        do { return try JSONDecoder().decode(Document.self, from: Data(storage.bytes)) } catch {
            throw ClientError(.incompatible, "the coordinator's answer cannot be read (another version?): \(error)")
        }
    }
}

internal import Shell

extension HTTPReply {
    static let jsonType = "application/json"

    /// The value as JSON, keys sorted.
    public static func json(_ value: some Encodable, status: Int = 200) -> HTTPReply {
        do {
            return HTTPReply(status: status, contentType: jsonType, body: Array(try JSONOutput.text(value).utf8))
        } catch {
            return .error(500, "the answer cannot be written as JSON: \(error)")
        }
    }

    /// `{"error": …}`, as the Open Inference Protocol has it.
    public static func error(_ status: Int, _ message: String) -> HTTPReply {
        struct Body: Encodable { let error: String }
        // A string always has a JSON form.
        let text = (try? JSONOutput.text(Body(error: message))) ?? #"{"error":"unknown"}"#
        return HTTPReply(status: status, contentType: jsonType, body: Array(text.utf8))
    }
}

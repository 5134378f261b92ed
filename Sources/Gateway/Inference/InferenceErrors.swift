internal import OpenInference
internal import Wire

/// An answer in place of an inference.
struct InferenceRefusal: Error {
    let reply: HTTPReply

    init(_ status: Int, _ message: String) { reply = .error(status, message) }
    init(_ problem: BodyAssembly.Problem) { self.init(problem.status, problem.message) }

    /// What is said in the request is wrong: 400 for all of it, since 413 and 415 are about the body as a whole.
    init(_ error: OpenInferenceError) { self.init(400, error.message) }

    /// The body cannot be taken as it is sent.
    init(ofBody error: OpenInferenceError) {
        switch error.code {
        case .invalid: self.init(400, error.message)
        case .tooLarge: self.init(413, error.message)
        case .unsupported: self.init(415, error.message)
        }
    }

    /// What the coordinator says, as Triton's clients know it; 429 where it has no room.
    init(_ error: InferError) {
        let status =
            switch error.code {
            case .invalidArgument: 400
            case .resourceExhausted: 429
            case .deadlineExceeded: 504
            case .unavailable: 503
            default: 500
            }
        var reply = HTTPReply.error(status, error.message)
        if error.retryAfterMilliseconds > 0 {
            // Whole seconds, as HTTP has it.
            reply.headers["Retry-After"] = "\((error.retryAfterMilliseconds + 999) / 1_000)"
        }
        self.reply = reply
    }

    static var silence: InferenceRefusal {
        InferenceRefusal(
            503, "the coordinator's loop has not answered within \(GatewayLimits.answerLimit.components.seconds) s; try again")
    }
}

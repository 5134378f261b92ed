internal import CYaml

/// The events of a YAML text, as libyaml's parser finds them: what stands in a comment, in quotes or in a block is text there, whatever
/// it looks like.
final class YAMLEvents {
    enum Kind {
        case documentStart
        case documentEnd
        case streamEnd
        case alias(String)
        case scalar(String, isPlain: Bool, Head)
        case sequenceStart(Head)
        case sequenceEnd
        case mappingStart(Head)
        case mappingEnd
    }

    struct Head {
        let anchor: String?
        /// As the parser resolves it: `tag:yaml.org,2002:str` for `!!str`, `!reset` for `!reset`.
        let tag: String?
    }

    struct Event {
        let kind: Kind
        /// From 1.
        let line: Int
        let column: Int
    }

    struct Failure: Error {
        let problem: String
        let line: Int?
        let column: Int?
    }

    /// The parser keeps pointers to itself and to the text: both stay where they are.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutableBufferPointer<UInt8>

    init(_ text: String) throws(Failure) {
        let bytes = Array(text.utf8)
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = buffer.initialize(from: bytes)
        self.text = buffer
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else { throw Failure(problem: "there is no memory left", line: nil, column: nil) }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deinitialize(count: 1)
        parser.deallocate()
        text.deallocate()
    }

    func next() throws(Failure) -> Event {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
            defer { yaml_event_delete(&event) }
            guard let kind = YAMLEvents.kind(of: event) else { continue }
            return Event(kind: kind, line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1)
        }
    }

    /// `nil` for the stream's start, which says nothing.
    private static func kind(of event: yaml_event_t) -> Kind? {
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(string(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let head = Head(anchor: string(scalar.anchor), tag: string(scalar.tag))
            return .scalar(value, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, head)
        case YAML_SEQUENCE_START_EVENT:
            return .sequenceStart(
                Head(anchor: string(event.data.sequence_start.anchor), tag: string(event.data.sequence_start.tag)))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            return .mappingStart(Head(anchor: string(event.data.mapping_start.anchor), tag: string(event.data.mapping_start.tag)))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_STREAM_START_EVENT: return nil
        // Nothing comes after the end of the stream, not even on another call.
        default: return .streamEnd
        }
    }

    private static func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        text.map { String(cString: UnsafePointer($0)) }
    }

    private func failure() -> Failure {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "the parser gave up"
        if state.error == YAML_READER_ERROR {
            let line = text.prefix(state.problem_offset).count { $0 == UInt8(ascii: "\n") } + 1
            return Failure(problem: problem, line: line, column: nil)
        }
        let context = state.context.map { String(cString: $0) + " " } ?? ""
        return Failure(
            problem: context + problem, line: Int(state.problem_mark.line) + 1, column: Int(state.problem_mark.column) + 1)
    }
}

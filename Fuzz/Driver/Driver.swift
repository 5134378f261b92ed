internal import FuzzBodies
internal import Glibc

/// What libFuzzer calls with each input; its library has the main function. The body is named by `AMP4EC_FUZZ_BODY`, so that the processes
/// that libFuzzer starts by itself have it too.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    _ = body.run(UnsafeRawBufferPointer(start: data, count: count))
    return 0
}

private let body: FuzzBody = {
    let name = getenv("AMP4EC_FUZZ_BODY").map { String(cString: $0) } ?? ""
    guard let body = FuzzBody(rawValue: name) else {
        fatalError("AMP4EC_FUZZ_BODY is \"\(name)\", none of \(FuzzBody.allCases.map(\.rawValue))")
    }
    return body
}()

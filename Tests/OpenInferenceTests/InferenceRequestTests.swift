import OpenInference
import Testing

@Suite("Infer requests")
struct InferenceRequestTests {
    @Test func theSpecificationsExample() throws {
        let head = Array(
            #"{"id":"42","inputs":[{"name":"x","shape":[2,2],"datatype":"UINT32","data":[[1,2],[3,4]]}],"outputs":[{"name":"y"}]}"#
                .utf8)
        let request = try InferenceRequest(parsing: head)
        #expect(request.id == "42")
    }
}

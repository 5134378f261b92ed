/// What `--json` prints.
package struct CheckReport: Codable {
    /// Of each process that was asked, in order.
    struct Answer: Codable {
        /// `worker` or `coordinator`.
        var subject: String
        var name: String
        var address: String
    }

    var answers: [Answer]
}

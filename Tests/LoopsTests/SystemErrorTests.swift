import Glibc
import Loops
import Testing

@Suite("what the system says") struct SystemErrorTests {
    @Test(
        "what it is for and what to do stand in the message where that is the same whatever was tried",
        arguments: [
            (EMFILE, SystemError.Code.resourceExhausted, "ulimit -n"), (ENFILE, .resourceExhausted, "fs.file-max"),
            (ECONNREFUSED, .connectionRefused, nil), (ENOMEM, .resourceExhausted, nil), (EIO, .system, nil),
        ] as [(Int32, SystemError.Code, String?)])
    func words(_ number: Int32, _ code: SystemError.Code, _ fix: String?) {
        let error = SystemError("opening the door", systemError: number)
        #expect(error.code == code && error.systemError == number)
        #expect(error.message.hasPrefix("opening the door: \(String(cString: strerror(number)))"))
        #expect(error.message.contains(";") == (fix != nil))
        if let fix { #expect(error.message.contains(fix)) }
    }
}

import Base
import Testing

@Suite("Texts of values")
struct TextTests {
    @Test func whatWasSetIsWrittenAsOneWritesItAndWhatWasMeasuredIsRounded() {
        #expect(Duration.milliseconds(500).optionText == "500ms" && Duration.seconds(120).optionText == "2m")
        #expect(Duration.milliseconds(1_500).optionText == "1500ms" && Duration.zero.optionText == "0s")
        #expect(Duration.seconds(Int64.max).optionText == "9223372036854775807ns")
        #expect(Duration.microseconds(1_234_567).readable == "1.2 s" && Duration.microseconds(250_700).readable == "250 ms")
    }

    @Test func amountsHaveTheUnitThatAReaderThinksIn() {
        #expect(ByteCount(1_023).description == "1023 B" && ByteCount(1_500_000).description == "1.4 MiB")
        #expect(ByteCount(3 << 29).description == "1.5 GiB" && ByteCount(5 << 39).description == "2.5 TiB")
        #expect(ByteCount(3 << 29).optionText == "1536MiB")
    }
}

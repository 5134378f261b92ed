import Base
import Testing

@Suite("Moments and spans")
struct InstantTests {
    @Test func aMomentKeepsToTheEndsOfTheClock() {
        let (first, last) = (Instant(nanoseconds: .min), Instant.distantFuture)
        #expect(last + .seconds(1) == last && last - .seconds(-1) == last)
        #expect(first - .seconds(1) == first && first + .seconds(-1) == first)
        // Far back is far back, not the far future.
        #expect(Instant(nanoseconds: -2) + .seconds(Int64.min) == first)
        #expect(Instant(nanoseconds: 2) - .seconds(Int64.min) == last)
        #expect(last - first == .nanoseconds(Int64.max) && first - last == .nanoseconds(Int64.min))
    }

    @Test func betweenTheEndsItCounts() {
        let time = Instant(nanoseconds: 5)
        #expect(time - .seconds(1) == Instant(nanoseconds: -999_999_995))
        #expect(Instant(nanoseconds: 3) - time == .nanoseconds(-2))
        var later = time
        later += .microseconds(1)
        #expect(later == Instant(nanoseconds: 1_005) && later > time)
    }

    @Test func spansAreClampedToWhat64BitsHold() {
        #expect(Duration.seconds(Int64.max).nanoseconds == .max && Duration.seconds(Int64.min).nanoseconds == .min)
        #expect((.zero - Duration.seconds(Int64.min)).nanoseconds == .max && (Duration.seconds(Int64.min) * 2).nanoseconds == .min)
        #expect(Duration.microseconds(3).nanoseconds == 3_000 && Duration.microseconds(-3).nanoseconds == -3_000)
    }
}

import Cluster
import Testing

/// Which results stay: the order of use, and the bound in bytes.
@Suite struct ResultCacheTests {
    @Test(arguments: cases) func cache(_ row: Case) throws { try row.run() }

    typealias Cache = ResultCache<String, Int>
    static let overhead = Cache.entryOverheadBytes

    /// Room for so many values of 100 bytes.
    static func room(for count: Int) -> Cache { Cache(byteLimit: count * (100 + overhead)) }

    static func keys(_ cache: Cache, _ candidates: [String]) -> [String] {
        var copy = cache
        return candidates.filter { copy.lookUp($0) != nil }
    }

    static let cases: [Case] = [
        Case("what was put in is found, with hits and misses counted") {
            var cache = room(for: 2)
            #expect(cache.lookUp("a") == nil)
            cache.insert("a", 1, valueBytes: 100)
            #expect(cache.lookUp("a") == 1 && cache.lookUp("b") == nil)
            #expect(cache.hits == 1 && cache.misses == 2 && cache.entryCount == 1 && cache.byteCount == 100 + overhead)
        },
        Case("the least recently put in goes first") {
            var cache = room(for: 3)
            for (value, key) in ["a", "b", "c", "d", "e"].enumerated() { cache.insert(key, value, valueBytes: 100) }
            #expect(keys(cache, ["a", "b", "c", "d", "e"]) == ["c", "d", "e"])
        },
        Case("being found makes an entry the newest: first, middle and last of the order") {
            for touched in ["a", "b", "c"] {
                var cache = room(for: 3)
                for (value, key) in ["a", "b", "c"].enumerated() { cache.insert(key, value, valueBytes: 100) }
                #expect(cache.lookUp(touched) != nil)
                cache.insert("d", 3, valueBytes: 100)
                cache.insert("e", 4, valueBytes: 100)
                #expect(keys(cache, ["a", "b", "c", "d", "e"]).sorted() == [touched, "d", "e"].sorted(), "\(touched)")
            }
        },
        Case("a large one drives out as many as it needs, and no more") {
            var cache = room(for: 4)
            for (value, key) in ["a", "b", "c", "d"].enumerated() { cache.insert(key, value, valueBytes: 100) }
            // Three entries' bytes less what one overhead saves: two must go for it beside the two that stay.
            cache.insert("large", 9, valueBytes: 200 + overhead)
            #expect(keys(cache, ["a", "b", "c", "d", "large"]) == ["c", "d", "large"])
            #expect(cache.byteCount == cache.byteLimit)
        },
        Case("larger than the whole bound: not kept, and nothing is driven out for it; at the bound: kept alone") {
            var cache = room(for: 2)
            cache.insert("a", 1, valueBytes: 100)
            let largest = cache.byteLimit - overhead
            let isTooLarge = cache.insert("giant", 2, valueBytes: largest + 1) == false
            #expect(isTooLarge)
            #expect(keys(cache, ["a", "giant"]) == ["a"] && cache.entryCount == 1)
            let isKept = cache.insert("giant", 2, valueBytes: largest)
            #expect(isKept)
            #expect(keys(cache, ["a", "giant"]) == ["giant"] && cache.byteCount == cache.byteLimit)
        },
        Case("a bound below one entry's overhead keeps nothing, not even a value of no bytes") {
            var cache = Cache(byteLimit: overhead - 1)
            let isKept = cache.insert("a", 1, valueBytes: 0)
            #expect(!isKept && cache.entryCount == 0 && cache.byteCount == 0)
        },
        Case("the same key again: the new value counts once and is the newest") {
            var cache = room(for: 2)
            cache.insert("a", 1, valueBytes: 100)
            cache.insert("b", 2, valueBytes: 100)
            cache.insert("a", 3, valueBytes: 50)
            #expect(cache.byteCount == 150 + 2 * overhead && cache.entryCount == 2)
            cache.insert("c", 4, valueBytes: 100)
            #expect(keys(cache, ["a", "b", "c"]) == ["a", "c"] && cache.lookUp("a") == 3)
        },
        Case("against a plain list over many random steps: the same entries, the same bytes, never above the bound") {
            var cache = Cache(byteLimit: 40 * overhead)
            var model: [(key: String, value: Int, bytes: Int)] = []
            var random: UInt64 = 11
            func next(_ bound: Int) -> Int {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int((random >> 33) % UInt64(bound))
            }
            for step in 0..<2_000 {
                let key = "\(next(60))"
                let place = model.firstIndex { $0.key == key }
                if next(2) == 0 {
                    #expect(cache.lookUp(key) == place.map { model[$0].value })
                    if let place { model.append(model.remove(at: place)) }
                } else {
                    let bytes = next(45) == 0 ? 40 * overhead : next(4 * overhead)
                    let isKept = cache.insert(key, step, valueBytes: bytes)
                    #expect(isKept == (bytes + overhead <= cache.byteLimit))
                    if isKept {
                        if let place { model.remove(at: place) }
                        model.append((key, step, bytes + overhead))
                        while model.reduce(0, { $0 + $1.bytes }) > cache.byteLimit { model.removeFirst() }
                    }
                }
                #expect(cache.byteCount == model.reduce(0) { $0 + $1.bytes } && cache.entryCount == model.count)
                #expect(cache.byteCount <= cache.byteLimit)
            }
        },
    ]
}

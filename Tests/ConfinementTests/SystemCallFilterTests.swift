import Confinement
import Glibc
import Testing

/// What the filter's program says of a call, worked out as the kernel does.
@Suite("system call filter")
struct SystemCallFilterTests {
    static let process: UInt32 = 4_711
    typealias Answer = SystemCallFilter.Answer
    typealias Code = SystemCallFilter.Code

    static func answer(
        on machine: FilteredMachine, _ number: UInt32, _ argument: UInt32 = 0, from caller: UInt32? = nil
    ) throws -> UInt32 {
        let program = SystemCallFilter(machine: machine, process: process).instructions
        var (accumulator, index): (UInt32, Int) = (0, 0)
        while index < program.count {
            let step = program[index]
            var isTrue: Bool?
            switch step.code {
            case Code.load:
                switch step.value {
                case SystemCallFilter.Field.number: accumulator = number
                case SystemCallFilter.Field.machine: accumulator = caller ?? machine.auditNumber
                case SystemCallFilter.Field.firstArgument: accumulator = argument
                default: throw Failure(description: "field \(step.value)")
                }
            case Code.jumpIfEqual: isTrue = accumulator == step.value
            case Code.jumpIfAtLeast: isTrue = accumulator >= step.value
            case Code.jumpIfAnyBit: isTrue = accumulator & step.value != 0
            case Code.end: return step.value
            default: throw Failure(description: "code \(step.code)")
            }
            index += 1 + (isTrue.map { Int($0 ? step.jumpTrue : step.jumpFalse) } ?? 0)
        }
        throw Failure(description: "the program has no end")
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// What any computing thread calls: read, write, close, mmap, mprotect, futex, brk, exit.
    static let ordinary: [FilteredMachine: [UInt32]] = [
        .x86_64: [0, 1, 3, 9, 10, 202, 12, 60], .arm64: [63, 64, 57, 222, 226, 98, 214, 93],
    ]

    @Test("each call of the list is refused, ordinary ones are allowed", arguments: FilteredMachine.allCases)
    func list(_ machine: FilteredMachine) throws {
        for call in SystemCall.denied {
            guard let number = call.number(on: machine) else { continue }
            #expect(try Self.answer(on: machine, number) == Answer.notPermitted, "\(call.name)")
        }
        for number in Self.ordinary[machine] ?? [] {
            #expect(try Self.answer(on: machine, number) == Answer.allowed, "call \(number)")
        }
    }

    @Test("signals to the own process alone", arguments: FilteredMachine.allCases)
    func signals(_ machine: FilteredMachine) throws {
        for call in SystemCall.signals {
            let number = try #require(call.number(on: machine))
            #expect(try Self.answer(on: machine, number, Self.process) == Answer.allowed, "\(call.name)")
            for other: UInt32 in [0, 1, Self.process + 1, .max] {
                #expect(try Self.answer(on: machine, number, other) == Answer.notPermitted, "\(call.name) \(other)")
            }
        }
    }

    @Test("threads are made, processes are not", arguments: FilteredMachine.allCases)
    func clone(_ machine: FilteredMachine) throws {
        let clone = try #require(SystemCall.clone.number(on: machine))
        // As the C library makes a thread, and as it forks and spawns.
        #expect(try Self.answer(on: machine, clone, 0x3D_0F00) == Answer.allowed)
        for flags: UInt32 in [17, 0x120_0011, 0x4111] {
            #expect(try Self.answer(on: machine, clone, flags) == Answer.notPermitted)
        }
        let clone3 = try #require(SystemCall.clone3.number(on: machine))
        #expect(try Self.answer(on: machine, clone3) == Answer.noSuchCall)
    }

    @Test("calls by the numbers of another kind of machine are refused, whatever they are", arguments: FilteredMachine.allCases)
    func otherMachines(_ machine: FilteredMachine) throws {
        let i386: UInt32 = 0x4000_0003
        let others = FilteredMachine.allCases.filter { $0 != machine }.map(\.auditNumber) + [i386, 0]
        for other in others {
            for number in Self.ordinary[machine] ?? [] {
                #expect(try Self.answer(on: machine, number, from: other) == Answer.notPermitted)
            }
        }
        if machine == .x86_64 {
            #expect(try Self.answer(on: machine, SystemCallFilter.shortPointerCalls | 41) == Answer.notPermitted)
            #expect(try Self.answer(on: machine, SystemCallFilter.shortPointerCalls) == Answer.notPermitted)
        }
    }

    /// The kernel's headers, where the machine has them.
    static let headers: [FilteredMachine: [String]] = [
        .x86_64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
        .arm64: ["/usr/include/asm-generic/unistd.h"],
    ]

    @Test("the numbers are those of the kernel's headers", arguments: FilteredMachine.allCases)
    func numbers(_ machine: FilteredMachine) throws {
        guard let text = (Self.headers[machine] ?? []).lazy.compactMap(Self.read).first else { return }
        var known: [String: UInt32] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 3, words[0] == "#define", let number = UInt32(words[2]) else { continue }
            for prefix in ["__NR_", "__NR3264_"] where words[1].hasPrefix(prefix) {
                known[String(words[1].dropFirst(prefix.count))] = number
            }
        }
        #expect(known.count > 250)
        let calls = SystemCall.denied + SystemCall.signals + [.clone, .clone3]
        // Headers may be older than the newest calls.
        #expect(calls.count(where: { known[$0.name] != nil }) > 60)
        for call in calls {
            guard let number = known[call.name] else { continue }
            #expect(call.number(on: machine) == number, "\(call.name)")
        }
        #expect(Set(calls.map(\.name)).count == calls.count)
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite("landlock rights")
struct LandlockRightsTests {
    private typealias File = LandlockRights.File

    @Test("each version of the kernel is asked for what it knows, and no more")
    func versions() {
        let first: UInt64 = 0x1FF3
        let files: [Int: UInt64] = [
            1: first, 2: first | 1 << 13, 3: first | 3 << 13, 4: first | 3 << 13, 5: first | 7 << 13, 7: first | 7 << 13,
        ]
        for (version, expected) in files {
            let rights = LandlockRights(version: version)
            #expect(rights.files == expected, "version \(version)")
            #expect(rights.network == (version >= 4 ? 3 : 0), "version \(version)")
            // A rule with a right that is not taken is refused by the kernel.
            #expect(rights.inFolder & ~rights.files == 0 && rights.inFile & ~rights.inFolder == 0)
            #expect(rights.inFolder & File.write != 0 && rights.inFolder & File.execute == 0)
            // Reading files and folders is nobody's loss.
            #expect(rights.files & (1 << 2 | 1 << 3) == 0)
        }
    }
}

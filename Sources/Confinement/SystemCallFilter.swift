/// The kinds of machines whose system calls are known here.
package enum FilteredMachine: Sendable, Hashable, CaseIterable {
    case x86_64
    case arm64

    /// As the kernel names the kind to a filter (`AUDIT_ARCH_…`): a program may make calls of another one, by other numbers.
    package var auditNumber: UInt32 {
        switch self {
        case .x86_64: 0xC000_003E
        case .arm64: 0xC000_00B7
        }
    }

    /// That this program runs on.
    static var current: FilteredMachine? {
        #if arch(x86_64)
            .x86_64
        #elseif arch(arm64)
            .arm64
        #else
            nil
        #endif
    }
}

/// Says of each system call of a thread whether it may be made, as a program for the kernel (seccomp, in classic BPF).
///
/// What is not allowed gets `EPERM` and never ends the process: a library that tries something and can do without goes on.
package struct SystemCallFilter: Sendable, Hashable {
    package struct Instruction: Sendable, Hashable {
        package var code: UInt16
        package var jumpTrue: UInt8 = 0
        package var jumpFalse: UInt8 = 0
        package var value: UInt32
    }

    /// Codes of instructions (`linux/bpf_common.h`).
    package enum Code {
        package static let load: UInt16 = 0x20
        package static let jumpIfEqual: UInt16 = 0x15
        package static let jumpIfAtLeast: UInt16 = 0x35
        package static let jumpIfAnyBit: UInt16 = 0x45
        package static let end: UInt16 = 0x06
    }

    /// Answers (`linux/seccomp.h`), with the error in the lower half.
    package enum Answer {
        package static let allowed: UInt32 = 0x7FFF_0000
        package static let notPermitted: UInt32 = 0x0005_0000 | 1
        package static let noSuchCall: UInt32 = 0x0005_0000 | 38
    }

    /// Where what is known of a call stands (`struct seccomp_data`). Of an argument the lower half: both machines put it first.
    package enum Field {
        package static let number: UInt32 = 0
        package static let machine: UInt32 = 4
        package static let firstArgument: UInt32 = 16
    }

    /// From this number on, x86-64 has the same calls again for programs with short pointers (x32).
    package static let shortPointerCalls: UInt32 = 0x4000_0000
    package static let threadFlag: UInt32 = 0x0001_0000

    package let instructions: [Instruction]

    /// - Parameter process: the own process, the only one that gets signals.
    package init(machine: FilteredMachine, process: UInt32) {
        var program = Program()
        program.load(Field.machine)
        program.test(Code.jumpIfEqual, machine.auditNumber, .next, else: .deny)
        program.load(Field.number)
        if machine == .x86_64 { program.test(Code.jumpIfAtLeast, Self.shortPointerCalls, .deny) }
        func each(_ calls: [SystemCall], _ target: Target) {
            for number in calls.compactMap({ $0.number(on: machine) }) { program.test(Code.jumpIfEqual, number, target) }
        }
        each([.clone3], .unknown)
        each(SystemCall.denied, .deny)
        each(SystemCall.signals, .signal)
        each([.clone], .clone)
        program.answer(Answer.allowed)
        program.begin(.signal)
        program.load(Field.firstArgument)
        program.test(Code.jumpIfEqual, process, .allow, else: .deny)
        program.begin(.clone)
        program.load(Field.firstArgument)
        program.test(Code.jumpIfAnyBit, Self.threadFlag, .allow, else: .deny)
        for (target, answer) in [
            (Target.allow, Answer.allowed), (.deny, Answer.notPermitted), (.unknown, Answer.noSuchCall),
        ] {
            program.begin(target)
            program.answer(answer)
        }
        instructions = program.instructions
    }

    private enum Target { case next, allow, deny, unknown, signal, clone }

    /// Instructions that jump to places by name: in the kernel's form a jump says how many instructions it leaves out.
    private struct Program {
        private var steps: [(instruction: Instruction, ifTrue: Target, ifFalse: Target)] = []
        private var places: [Target: Int] = [:]

        mutating func load(_ field: UInt32) { steps.append((Instruction(code: Code.load, value: field), .next, .next)) }
        mutating func answer(_ value: UInt32) { steps.append((Instruction(code: Code.end, value: value), .next, .next)) }
        mutating func test(_ code: UInt16, _ value: UInt32, _ ifTrue: Target, else ifFalse: Target = .next) {
            steps.append((Instruction(code: code, value: value), ifTrue, ifFalse))
        }
        mutating func begin(_ target: Target) { places[target] = steps.count }

        var instructions: [Instruction] {
            steps.enumerated().map { index, step in
                // All of the program is shorter than the longest jump.
                func distance(to target: Target) -> UInt8 { places[target].map { UInt8($0 - index - 1) } ?? 0 }
                var instruction = step.instruction
                instruction.jumpTrue = distance(to: step.ifTrue)
                instruction.jumpFalse = distance(to: step.ifFalse)
                return instruction
            }
        }
    }
}

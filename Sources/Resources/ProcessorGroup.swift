internal import Glibc

/// Whose processors this process shares: workers of one group on one machine see each other's CPU time as their own group's.
public enum ProcessorGroup {
    /// The machine's boot, and the control group whose quota binds us where one is visible (else the whole machine); empty where the
    /// kernel says neither. Of a container only its own name is visible, and that differs between containers.
    /// - Parameter isQuotaBound: as ``ResourceSample/isQuotaBound``.
    public static func identifier(root: String = "/", isQuotaBound: Bool) -> String {
        let base = root.hasSuffix("/") ? String(root.dropLast()) : root
        guard let boot = PseudoFile(base + "/proc/sys/kernel/random/boot_id")?.text()?.split(separator: "\n").first else {
            return ""
        }
        guard isQuotaBound else { return String(boot) }
        let memberships = CgroupLocation.memberships(PseudoFile(base + "/proc/self/cgroup")?.text() ?? "")
        let group = memberships.first { $0.controllers.contains("cpu") } ?? memberships.first { $0.controllers.isEmpty }
        // Names are bounded on the wire; paths of nested groups are not. FNV-1a of 64 bits is plenty for the groups of one machine.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "\(group?.path ?? "/")|\(namespace(base))".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return "\(boot)/\(String(hash, radix: 16))"
    }

    /// Inside a container every group is called `/`: the namespace's number tells them apart.
    private static func namespace(_ base: String) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        let count = readlink(base + "/proc/self/ns/cgroup", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    }
}

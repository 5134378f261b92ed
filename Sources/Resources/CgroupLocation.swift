/// Where a process's control groups lie, worked out from `/proc/self/cgroup` and `/proc/self/mountinfo`.
public struct CgroupLocation: Sendable, Hashable {
    public enum Version: Sendable, Hashable { case v1, v2 }

    public var version: Version
    /// Where the hierarchy is mounted.
    public var mountPoint: String
    /// From the process's own group up to the mount point: limits of each of them hold. At most ``maximumDepth``.
    public var directories: [String]

    /// systemd and Kubernetes nest six or seven deep; more than this is no hierarchy that anyone runs.
    public static let maximumDepth = 16

    /// One line of `/proc/self/cgroup`: `id:controller,controller:path`, with no controllers for version 2.
    public struct Membership: Sendable, Hashable {
        public var controllers: [String]
        public var path: String
    }

    /// One control group file system of `/proc/self/mountinfo`.
    public struct Mount: Sendable, Hashable {
        public var version: Version
        /// The group that the mount shows at its point; `/` for the namespace's root.
        public var root: String
        public var point: String
        public var controllers: [String]
    }

    public static func memberships(_ text: String) -> [Membership] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, Int(parts[0]) != nil, parts[2].hasPrefix("/") else { return nil }
            return Membership(controllers: parts[1].split(separator: ",").map(String.init), path: String(parts[2]))
        }
    }

    /// Lines read `id parent major:minor root point options [optional…] - type source superoptions`.
    public static func mounts(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1 else { return nil }
            let version: Version
            switch fields[dash + 1] {
            case "cgroup": version = .v1
            case "cgroup2": version = .v2
            default: return nil
            }
            let options = fields.count > dash + 3 ? fields[dash + 3].split(separator: ",").map(String.init) : []
            return Mount(version: version, root: unescaped(fields[3]), point: unescaped(fields[4]), controllers: options)
        }
    }

    /// The groups for a controller. Where both versions are mounted (hybrid) the controller's own hierarchy wins.
    ///
    /// - Parameter isDirectory: asks the file system, because inside a container the path in `/proc/self/cgroup` may be the
    ///   host's, which is not mounted: then the mount point itself is the container's group.
    public static func locate(
        controller: String, memberships: [Membership], mounts: [Mount], isDirectory: (String) -> Bool
    ) -> CgroupLocation? {
        if let membership = memberships.first(where: { $0.controllers.contains(controller) }),
            let mount = mounts.first(where: { $0.version == .v1 && $0.controllers.contains(controller) })
        {
            return location(membership.path, mount, isDirectory: isDirectory)
        }
        if let membership = memberships.first(where: { $0.controllers.isEmpty }),
            let mount = mounts.first(where: { $0.version == .v2 })
        {
            return location(membership.path, mount, isDirectory: isDirectory)
        }
        return nil
    }

    private static func location(_ path: String, _ mount: Mount, isDirectory: (String) -> Bool) -> CgroupLocation {
        var relative = path
        if mount.root != "/" {
            // Paths outside the mount's root, also `/../…` of a nested namespace, are not visible here.
            if path == mount.root || path.hasPrefix(mount.root + "/") {
                relative = String(path.dropFirst(mount.root.count))
            } else {
                relative = "/"
            }
        }
        if relative.split(separator: "/").contains("..") { relative = "/" }
        var directory = mount.point + (relative == "/" ? "" : relative)
        if !isDirectory(directory) { directory = mount.point }
        var directories: [String] = []
        while directories.count < maximumDepth {
            directories.append(directory)
            guard directory.count > mount.point.count, let slash = directory.lastIndex(of: "/") else { break }
            directory = String(directory[..<slash])
        }
        return CgroupLocation(version: mount.version, mountPoint: mount.point, directories: directories)
    }

    /// The kernel writes blanks in paths as octal: `\040`.
    private static func unescaped(_ field: Substring) -> String {
        guard field.contains("\\") else { return String(field) }
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

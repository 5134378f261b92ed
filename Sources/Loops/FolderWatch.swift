internal import CLinux
internal import Glibc

/// Tells when anything changes in a folder (inotify). A folder and not a file: editors replace files by renaming another one over them, and
/// mounted configuration is swapped by links beside it, neither of which a watch on the file itself would see.
public final class FolderWatch {
    /// One read's worth of events; what is left over is reported again.
    private static let bufferByteCount = 16 << 10

    /// `false` once the folder itself has gone: nothing is told any more.
    public private(set) var isAlive = true

    private let loop: EventLoop
    private let changed: () -> Void
    private let rawDescriptor: Int32
    private var descriptor: Descriptor?
    private var token: UInt64 = 0

    /// Watches from now on, until ``close()``; the loop keeps it.
    /// - Throws: ``SystemError`` where the folder is not there or the system has no watches left.
    public init(loop: EventLoop, folder: String, changed: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.changed = changed
        let raw = try Syscall.check("watching folders (inotify_init1)") { inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC)) }
        let descriptor = Descriptor(owning: Int32(raw))
        let wanted =
            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR
        try Syscall.check("watching the folder \(folder) (inotify_add_watch)") {
            inotify_add_watch(descriptor.rawValue, folder, UInt32(wanted))
        }
        rawDescriptor = descriptor.rawValue
        self.descriptor = consume descriptor
        token = try loop.register(rawDescriptor, interest: .readable, source: self)
    }

    public func close() {
        isAlive = false
        loop.unregister(rawDescriptor, token: token)
        descriptor = nil
    }
}

extension FolderWatch: EventSource {
    package func ready(_ readiness: IOReadiness) {
        let raw = rawDescriptor
        let hasEnded = withUnsafeTemporaryAllocation(byteCount: Self.bufferByteCount, alignment: 8) { buffer -> Bool in
            guard case .success(let count) = Syscall.retry({ read(raw, buffer.baseAddress, buffer.count) }) else { return false }
            return Self.tellsOfEnd(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        if hasEnded { close() }
        changed()
    }

    /// Whether one of the events says that the folder is not watched any more.
    private static func tellsOfEnd(_ events: UnsafeRawBufferPointer) -> Bool {
        // linux/inotify.h: wd, mask, cookie, len (four bytes each), then `len` bytes of the name.
        let headByteCount = 16
        var offset = 0
        while offset + headByteCount <= events.count {
            let mask = events.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
            if mask & UInt32(IN_IGNORED | IN_MOVE_SELF) != 0 { return true }
            offset += headByteCount + Int(events.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
        }
        return false
    }

    package func loopWillEnd() { close() }
}

/// What Landlock takes from a confined thread, as far as the kernel's version of it goes.
///
/// Reading stays allowed everywhere: libtorch and the C library read `/proc`, `/sys` and libraries at times that nobody can name.
package struct LandlockRights: Sendable, Hashable {
    /// One bit for each right (`LANDLOCK_ACCESS_FS_…`), which the kernel counts from 0.
    package enum File {
        package static let execute: UInt64 = 1 << 0
        package static let write: UInt64 = 1 << 1
        package static let removeFolder: UInt64 = 1 << 4
        package static let removeFile: UInt64 = 1 << 5
        package static let makeFile: UInt64 = 1 << 8
        /// Removing both, and making everything there is: devices, folders, files, sockets, pipes, links.
        package static let allOfTheFirstVersion: UInt64 = execute | write | 0b1_1111_1111_0000
        /// Renames and links from one folder to another (version 2). The first version never allows them.
        package static let moveBetweenFolders: UInt64 = 1 << 13
        package static let truncate: UInt64 = 1 << 14
        package static let controlDevices: UInt64 = 1 << 15
    }

    package enum Network {
        package static let bind: UInt64 = 1 << 0
        package static let connect: UInt64 = 1 << 1
    }

    /// Rights that are taken everywhere but where a rule gives them back.
    package let files: UInt64
    package let network: UInt64
    /// Those of ``files`` that are given back in a folder that may be written, and in one file.
    package let inFolder: UInt64
    package let inFile: UInt64

    /// - Parameter version: the kernel's, from 1.
    package init(version: Int) {
        var files = File.allOfTheFirstVersion
        if version >= 2 { files |= File.moveBetweenFolders }
        if version >= 3 { files |= File.truncate }
        if version >= 5 { files |= File.controlDevices }
        self.files = files
        network = version >= 4 ? Network.bind | Network.connect : 0
        inFile = files & (File.write | File.truncate)
        inFolder = files & (File.write | File.truncate | File.removeFile | File.makeFile)
    }
}

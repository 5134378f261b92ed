internal import Glibc
internal import Tensors

extension TensorStorage {
    /// A file's content without reading it ahead; pages come as they are touched.
    static func mapping(path: String) throws(InferenceError) -> TensorStorage {
        func failure(_ code: InferenceError.Code, _ what: String) -> InferenceError { InferenceError(code, what) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw failure(
                .notAnArchive, "it cannot be opened (\(String(cString: strerror(errno)))); check the path and its permissions")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure(
                .notAnArchive, "it cannot be examined (\(String(cString: strerror(errno)))); check the path and its permissions")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw failure(.notAnArchive, "it is not a regular file; give the path of a TorchScript file")
        }
        guard status.st_size > 0 else { throw failure(.notAnArchive, "the file is empty; copy or download it again") }
        let count = Int(status.st_size)
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw failure(.outOfMemory, "it cannot be mapped (\(String(cString: strerror(errno)))); check the free memory")
        }
        // Safe: the address is only given back to munmap, once, when the storage ends.
        nonisolated(unsafe) let mapped = start
        return TensorStorage(borrowing: start, byteCount: count) { munmap(mapped, count) }
    }
}

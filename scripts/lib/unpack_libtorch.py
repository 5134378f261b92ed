"""Takes libtorch's headers and libraries out of a PyTorch CPU wheel, and nothing of its Python.

Usage: unpack_libtorch.py WHEEL FOLDER      (writes FOLDER/include and FOLDER/lib)
"""

import fnmatch
import pathlib
import shutil
import sys
import zipfile

# Everything that a C++ program links or loads is taken (Arm wheels bring their BLAS along); what only Python or
# PyTorch's own tests load stays in the wheel.
NOT_WANTED = [
    "libtorch_python.so", "libshm.so", "libaoti_custom_ops.so", "libbackend_with_compiler.so", "lib*_test.so",
]
MUST_HAVE = ["include/torch/script.h", "lib/libtorch.so", "lib/libtorch_cpu.so", "lib/libc10.so"]


def destination(member: str) -> str | None:
    """Where a member of the wheel goes, below the folder; None when it is not wanted."""
    parts = pathlib.PurePosixPath(member).parts
    if ".." in parts or member.endswith("/"):
        return None
    if parts[:2] == ("torch", "include"):
        return "/".join(parts[1:])
    in_library_folder = len(parts) == 3 and parts[:2] == ("torch", "lib")
    beside = len(parts) == 2 and parts[0] == "torch.libs"
    if not (in_library_folder or beside) or not fnmatch.fnmatch(parts[-1], "lib*.so*"):
        return None
    if not any(fnmatch.fnmatch(parts[-1], pattern) for pattern in NOT_WANTED):
        return "lib/" + parts[-1]
    return None


def main(wheel: str, folder: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        if any("libtorch_cuda" in name for name in names):
            sys.exit(f"{wheel} is a CUDA build: its libraries need CUDA's; a CPU wheel (+cpu) is wanted")
        target = pathlib.Path(folder)
        for name in names:
            place = destination(name)
            if place is None:
                continue
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            # zipfile checks each member's CRC while it is read.
            with archive.open(name) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
    missing = [path for path in MUST_HAVE if not (target / path).is_file()]
    if missing:
        sys.exit(f"{wheel} holds no {missing[0]}: it is not a libtorch CPU wheel")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2])
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"{sys.argv[1]}: {error}")

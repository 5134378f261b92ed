"""Files that are huge, or that unpack to something huge: python3 scripts/lib/load/odd_files.py FOLDER [MODEL.pt].

What is large is sparse, so that the folder takes a few MB of the disk.
"""

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

GIB = 1 << 30
MIB = 1 << 20


def sparse(path: Path, size: int, head: bytes = b"", tail: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
        file.seek(size - len(tail))
        file.write(tail)


def npy_header(text: str, version: int = 1) -> bytes:
    form, room = ("<H", 10) if version == 1 else ("<I", 12)
    text += " " * (-(room + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(text)) + text.encode("latin1")


def arrays(folder: Path) -> None:
    def header(items: int, dtype: str = "<f4") -> bytes:
        return npy_header(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({items}, 3, 32, 32), }}")

    # Right in every way, and larger than what the process may have.
    head = header(60_000)
    sparse(folder / "right.npy", len(head) + 60_000 * 12_288, head)
    head = header(700_000)
    sparse(folder / "over-the-limit.npy", len(head) + 700_000 * 12_288, head)
    sparse(folder / "nothing-in-it.npy", 4 * GIB)
    sparse(folder / "long-header.npy", 4 * GIB, b"\x93NUMPY\x03\x00\xff\xff\xff\x7f{")
    (folder / "deep-header.npy").write_bytes(npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 60_000, 2))
    (folder / "shape.npy").write_bytes(npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9223372036854775807," * 2_000 + ")}", 2))

    entry = header(80_000)
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("image.npy", "w") as file:
        file.write(entry)
        for _ in range(80_000 * 12_288 // (8 * 12_288)):
            file.write(bytes(8 * 12_288))
    with zipfile.ZipFile(folder / "many.npz", "w") as archive:
        small = npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }") + bytes(4)
        for number in range(20_000):
            archive.writestr(f"a{number}.npy", small)
    # All entries are the same bytes: a megabyte that counts a thousand times.
    name, data = b"image.npy", header(85) + bytes(85 * 12_288)
    packed = zlib.compress(data, 9)[2:-4]
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(data), len(packed), len(data), len(name), 0) + name + packed
    directory = b"".join(
        struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0, zlib.crc32(data), len(packed), len(data), 9 + 6, 0, 0, 0, 0, 0, 0)
        + f"x{number:05}".encode() + name for number in range(1_000))
    (folder / "overlap.npz").write_bytes(
        local + directory + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1_000, 1_000, len(directory), len(local), 0))
    sparse(folder / "sparse.npz", 4 * GIB, b"PK\3\4")


def png(width: int, height: int, rows: int, interlaced: bool = False) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced))
    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    data = [*(packer.compress(row) for _ in range(rows)), packer.flush()]
    return head + chunk(b"zTXt", b"text\0\0" + zlib.compress(bytes(8 * MIB), 9)) + chunk(b"IDAT", b"".join(data)) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, scans: int) -> bytes:
    """Grey, of one colour, with as many scans as one likes: each block is one code of a bit."""
    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xff, marker]) + struct.pack(">H", len(data) + 2) + data

    progressive = scans > 1
    table = bytes([0]) + bytes([1] * 64)
    # One code of one bit: a difference of 0, and the end of the block.
    huffman = b"".join(bytes([kind]) + bytes([1] + [0] * 15) + bytes([0]) for kind in (0x00, 0x10))
    frame = struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])
    blocks = ((width + 7) // 8) * ((height + 7) // 8)
    bits = blocks * (1 if progressive else 2)
    body = bytes((bits + 7) // 8)
    out = b"\xff\xd8" + segment(0xdb, table) + segment(0xc2 if progressive else 0xc0, frame) + segment(0xc4, huffman)
    out += segment(0xda, bytes([1, 1, 0x00, 0, 0 if progressive else 63, 0])) + body
    for number in range(1, scans):
        # Each the first pass over another coefficient, again and again; blocks that hold nothing.
        place = 1 + number % 63
        out += segment(0xda, bytes([1, 1, 0x00, place, place, 0])) + body
    return out + b"\xff\xd9"


def pictures(folder: Path) -> None:
    (folder / "huge.png").write_bytes(png(100_000, 100_000, 10))
    (folder / "large.png").write_bytes(png(9_900, 9_900, 9_900))
    # Each pass would have heads of its own: it is refused before the rows.
    (folder / "interlaced.png").write_bytes(png(9_900, 9_900, 9_900, interlaced=True))
    sparse(folder / "sparse.png", 4 * GIB, png(32, 32, 32))
    (folder / "huge.jpg").write_bytes(jpeg(65_500, 65_500, 1)[:100_000])
    (folder / "large.jpg").write_bytes(jpeg(9_900, 9_900, 1))
    (folder / "progressive.jpg").write_bytes(jpeg(9_900, 9_900, 2))
    (folder / "scans.jpg").write_bytes(jpeg(2_000, 2_000, 2_000))
    sparse(folder / "sparse.jpg", 4 * GIB, b"\xff\xd8\xff\xe0")


def compose(folder: Path) -> None:
    sparse(folder / "sparse.yaml", 4 * GIB, b"services:\n")
    (folder / "deep.yaml").write_text("services: " + "[" * 500_000)
    (folder / "deep-block.yaml").write_text("".join(" " * depth + "a:\n" for depth in range(1_300)))
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    (folder / "laughs.yaml").write_text(laughs + "services: {w: {command: amp4ec-worker, environment: *a39}}\n")
    (folder / "merges.yaml").write_text(
        "m0: &m0 {" + ", ".join(f"k{n}: v" for n in range(2_000)) + "}\n"
        + "".join(f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 20)}]\n" for n in range(1, 12))
        + "services:\n  w: {command: amp4ec-worker --listen nowhere, labels: *m11}\n")
    (folder / "one-key.yaml").write_text("services:\n  ? " + "k" * 1_000_000 + "\n")


def models(folder: Path, model: Path) -> None:
    sparse(folder / "sparse.pt", 8 * GIB, b"PK\3\4")
    sparse(folder / "sparse-pickle.pt", 8 * GIB, b"\x80\x02")

    def changed(name: str, edit: Callable[[str, bytes], tuple[bytes, int]]) -> None:
        with zipfile.ZipFile(model) as source, zipfile.ZipFile(folder / name, "w") as target:
            for entry in source.infolist():
                data, compression = edit(entry.filename, source.read(entry))
                target.writestr(entry.filename, data, compression)

    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

    def is_manifest(name: str) -> bool:
        return name.endswith("amp4ec.json")

    changed("deep-manifest.pt", lambda name, data: (b"[" * 1_000_000 if is_manifest(name) else data, stored))
    changed("long-manifest.pt", lambda name, data: (
        json.dumps({"name": "m", "inputs": [], "labels": ["x" * 100] * 600_000}).encode() if is_manifest(name) else data, stored))
    changed("manifest-bomb.pt", lambda name, data: (b" " * (60 * MIB) if is_manifest(name) else data, deflated if is_manifest(name) else stored))
    changed("code-bomb.pt", lambda name, data: (
        data + b"#" * (60 * MIB) if "/code/" in name else data, deflated if "/code/" in name else stored))
    changed("pickle-bomb.pt", lambda name, data: (
        data + bytes(60 * MIB) if name.endswith(".pkl") else data, deflated if name.endswith(".pkl") else stored))
    changed("deep-pickle.pt", lambda name, data: (
        b"\x80\x02" + b"(" * 5_000_000 + b"." if name.endswith("data.pkl") else data, stored))
    with zipfile.ZipFile(folder / "many.pt", "w") as target:
        for number in range(20_000):
            target.writestr(f"m/{number}", b"")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    arrays(folder)
    pictures(folder)
    compose(folder)
    if len(sys.argv) > 2:
        models(folder, Path(sys.argv[2]))


if __name__ == "__main__":
    main()

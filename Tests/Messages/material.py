"""The files that the commands of cases/ are given: arrays, pictures, models and settings, most of them not what they should be."""

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy
import torch

import topologies

HERE = Path(__file__).resolve().parent


def make(folder, models):
    arrays(folder)
    pictures(folder)
    archives(folder, models)
    topologies.make(folder)
    keys(folder / "keys")
    (folder / "a-folder").mkdir()
    (folder / "a-file").write_text("text\n")
    (folder / "made").mkdir()
    tokens(folder)
    shutil.copy(HERE / "odd_models.py", folder)


def keys(folder):
    """Key files."""
    secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    texts = {
        "root": f"amp4ec-root:{secret}\n", "client": f"amp4ec-client:{secret}:laptop\n", "open": f"amp4ec-root:{secret}\n",
        "short": f"amp4ec-root:{secret[:40]}\n", "empty": "", "text": "secret\n", "long": "a" * 1000}
    folder.mkdir()
    for name, text in texts.items():
        file = folder / name
        file.write_text(text)
        file.chmod(0o644 if name == "open" else 0o600)
    (folder / "binary").write_bytes(bytes(range(200, 240)))
    (folder / "binary").chmod(0o600)
    os.mkfifo(folder / "pipe", 0o600)
    (folder / "link").symlink_to("nothing")


def tokens(folder):
    files = {
        "http-tokens": f"# of the tests\namp4ec-http-client:{'A' * 43}:grafana\n",
        "http-short": "\namp4ec-http-operator:AAAA:anna\n",
        "http-key": f"amp4ec-root:{'A' * 43}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)


def arrays(folder):
    # The model of two inputs: features float32[N,12], context float32[N,6].
    right = {"features": numpy.ones((3, 12), "f4"), "context": numpy.ones((3, 6), "f4")}
    save = {
        "right": right,
        "one-is-missing": {"features": right["features"]},
        "other-names": {"a": right["features"], "b": right["context"]},
        "no-names": {"arr_0": right["features"], "arr_1": right["context"]},
        "float64": {**right, "features": right["features"].astype("f8")},
        "int64": {**right, "features": right["features"].astype("i8")},
        "complex": {**right, "features": right["features"].astype("c8")},
        "strings": {**right, "features": numpy.array(["a", "b"])},
        "structured": {**right, "features": numpy.zeros(3, [("a", "f4"), ("b", "i4")])},
        "objects": {**right, "features": numpy.array([None, {}], dtype=object)},
        "too-wide": {**right, "features": numpy.ones((3, 13), "f4")},
        "too-deep": {**right, "features": numpy.ones((3, 12, 1), "f4")},
        "no-batch": {**right, "features": numpy.ones(12, "f4")},
        "other-counts": {**right, "context": numpy.ones((2, 6), "f4")},
        "no-items": {"features": numpy.ones((0, 12), "f4"), "context": numpy.ones((0, 6), "f4")},
        "many-names": {f"a{number}": numpy.ones(1, "f4") for number in range(20)},
        "outputs": {"scores": numpy.ones((3, 5), "f4"), "gate": numpy.ones((3, 16), "f4")},
        "fewer-outputs": {"scores": numpy.ones((2, 5), "f4"), "gate": numpy.ones((2, 16), "f4")},
        "integer-outputs": {"scores": numpy.ones((3, 5), "i4"), "gate": numpy.ones((3, 16), "f4")},
        "other-outputs": {"logits": numpy.ones((3, 5), "f4"), "gate": numpy.ones((3, 16), "f4")},
    }
    for name, values in save.items():
        numpy.savez(folder / f"{name}.npz", **values)
    numpy.save(folder / "single.npy", right["features"])
    (folder / "empty.npz").touch()
    (folder / "empty.npy").touch()
    (folder / "text.npz").write_text("features,context\n1,2\n")
    whole = (folder / "right.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[:200])
    (folder / "changed.npz").write_bytes(whole[:150] + bytes([whole[150] ^ 0x40]) + whole[151:])
    array = (folder / "single.npy").read_bytes()
    (folder / "cut.npy").write_bytes(array[:-8])
    (folder / "long.npy").write_bytes(array + bytes(8))
    (folder / "cut-header.npy").write_bytes(array[:9])
    (folder / "other-version.npy").write_bytes(array[:6] + b"\x09\x00" + array[8:])
    (folder / "no-dictionary.npy").write_bytes(array[:10] + b"x" * 118 + array[128:])
    with (folder / "huge-shape.npy").open("wb") as file:
        numpy.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (33_333_333, 12)})
    with zipfile.ZipFile(folder / "not-arrays.npz", "w") as archive:
        archive.writestr("features.txt", "1 2 3")
    with zipfile.ZipFile(folder / "no-entries.npz", "w"):
        pass
    (folder / "pickled.npz").write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.")
    torch.save({"features": torch.ones(3, 12)}, folder / "tensors.pt")


def png(width, height, rows=None, kind=0, depth=8):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    data = zlib.compress(bytes((1 + width) * (height if rows is None else rows)))
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pictures(folder):
    right = png(40, 40)
    files = {
        "right.png": right, "empty.png": b"", "cut.png": right[:50], "few-rows.png": png(40, 40, 10), "wide.png": png(0, 40),
        "huge.png": png(100_000, 100_000, 1), "text.jpg": b"hello\n", "cut.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "gif.jpg": b"GIF89a" + bytes(20), "webp.jpg": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20), "bmp.jpg": b"BM" + bytes(60),
        "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(20), "page.png": b"<!DOCTYPE html><html>not found</html>",
        "pdf.jpg": b"%PDF-1.7\n", "tiff.png": b"II*\0" + bytes(30), "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "changed.png": right[:45] + bytes([right[45] ^ 1]) + right[46:],
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


class Nms(torch.nn.Module):
    """Calls an operator of torchvision's, which the programs do not have."""

    def forward(self, boxes: torch.Tensor):
        return boxes[torch.ops.torchvision.nms(boxes, boxes[:, 0], 0.5)]


def archives(folder, models):
    source = models / "two-inputs.pt"
    shutil.copy(source, folder / "two.pt")
    shutil.copy(models / "pixels.pt", folder / "pixels.pt")
    shutil.copy(models / "dict-output.pt", folder / "no-manifest.pt")
    whole = source.read_bytes()
    (folder / "empty.pt").touch()
    (folder / "text.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    (folder / "page.pt").write_text("<!DOCTYPE html><html>not found</html>")
    (folder / "cut.pt").write_bytes(whole[:4096])
    (folder / "onnx.pt").write_bytes(b"\x08\x07\x12\x07pytorch" + bytes(64))
    (folder / "safetensors.pt").write_bytes(struct.pack("<Q", 2) + b"{}")
    (folder / "hdf.pt").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    torch.save({"weight": torch.ones(3)}, folder / "state-dict.pt")
    torch.save({"weight": torch.ones(3)}, folder / "old-state-dict.pt", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(folder / "zip.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with zipfile.ZipFile(folder / "exported.pt", "w") as archive:
        archive.writestr("archive_format", "pt2")
        archive.writestr("models/model.json", "{}")
    manifest: dict[str, Any] = {"name": "two", "inputs": [{"name": "features", "dtype": "float32", "shape": ["N", 12]},
                                          {"name": "context", "dtype": "float32", "shape": ["N", 6]}],
                "outputs": [{"name": "scores", "dtype": "float32", "shape": ["N", 5]},
                            {"name": "gate", "dtype": "float32", "shape": ["N", 16]}]}

    def manifested(name, text):
        """The same network with another manifest."""
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(folder / name, "w") as new:
            for entry in old.infolist():
                data = old.read(entry)
                new.writestr(entry.filename, text.encode() if entry.filename.endswith("amp4ec.json") else data)

    def edited(name, **changes):
        manifested(name, json.dumps({**manifest, **changes}))

    manifested("manifest-text.pt", "name: two")
    manifested("manifest-list.pt", "[]")
    edited("manifest-no-inputs.pt", inputs=[])
    edited("manifest-float64.pt", inputs=[{**manifest["inputs"][0], "dtype": "float64"}, manifest["inputs"][1]])
    edited("manifest-shape.pt", inputs=[{**manifest["inputs"][0], "shape": ["N", -12]}, manifest["inputs"][1]])
    edited("manifest-no-shape.pt", inputs=[{"name": "features", "dtype": "float32"}, manifest["inputs"][1]])
    edited("manifest-one-input.pt", inputs=manifest["inputs"][:1])
    edited("manifest-half-names.pt", inputs=[manifest["inputs"][0], {**manifest["inputs"][1], "name": "place"}])
    edited("manifest-wrong-width.pt", inputs=[{**manifest["inputs"][0], "shape": ["N", 13]}, manifest["inputs"][1]])
    edited("manifest-batch.pt", batch="maybe")
    made_models(folder)


def made_models(folder):
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    saved(torch.jit.script(Nms()), folder / "nms.pt", "boxes", ["N", 4])
    # What a user may write with torch.jit.save alone.
    class Text(torch.nn.Module):
        def forward(self, x: torch.Tensor):
            return x, "text"

    class NoTensor(torch.nn.Module):
        def forward(self, x: torch.Tensor):
            return 1

    class Wants(torch.nn.Module):
        def forward(self, x: torch.Tensor):
            if x.size(1) != 7:
                raise ValueError("x must have 7 columns")
            return x

    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor):
            return x.double()

    class Number(torch.nn.Module):
        def forward(self, x: torch.Tensor, scale: float):
            return x * scale

    for name, module in (
        ("text-and-tensor", Text), ("notensor", NoTensor), ("wants", Wants), ("double", Double), ("number", Number)):
        saved(torch.jit.script(module()), folder / f"{name}.pt", "x", ["N", 8])


def saved(script, path, name, shape):
    manifest = {"name": path.stem, "inputs": [{"name": name, "dtype": "float32", "shape": shape}],
                "outputs": [{"name": "y", "dtype": "float32", "shape": shape}]}
    buffer = io.BytesIO()
    torch.jit.save(script, buffer, _extra_files={"amp4ec.json": json.dumps(manifest)})
    path.write_bytes(buffer.getvalue())

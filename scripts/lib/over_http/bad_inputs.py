"""Requests that are wrong, one mistake each: the code that each must be answered with, and what it looks like."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from over_http.raw import chunked

#: The coordinator's bound on a body, before and after it is unpacked.
BODY_LIMIT = 64 << 20
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Model:
    """What is served: one input of bytes (pixels, batch first) and one output."""

    name: str
    input: str
    #: Without the batch.
    shape: list[int]
    output: str

    @property
    def item_bytes(self) -> int:
        size = 1
        for each in self.shape:
            size *= each
        return size

    @property
    def path(self) -> str:
        return f"/v2/models/{self.name}/infer"


@dataclass(frozen=True)
class Case:
    name: str
    #: The codes of which the answer has one.
    expected: set[int]
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""


def whole(model: Model, **changes: Any) -> dict[str, Any]:
    """A right input, but for the changes; `None` leaves a key out."""
    return {key: value for key, value in {
        "name": model.input, "shape": [1, *model.shape], "datatype": "UINT8", "parameters": {"binary_data_size": model.item_bytes}, **changes,
    }.items() if value is not None}


def binary(name: str, expected: set[int], document: Any, tail: bytes, length: str | None = None) -> Case:
    """A request of the binary extension; `document` is its JSON, or its text."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Case(name, expected, text + tail, {HEADER_LENGTH: str(len(text)) if length is None else length})


def text(name: str, expected: set[int], body: Any, **headers: str) -> Case:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Case(name, expected, data, {name.replace("_", "-"): value for name, value in headers.items()})


def all_cases(model: Model) -> Iterator[Case]:
    yield from shapes(model)
    yield from names(model)
    yield from types(model)
    yield from values(model)
    yield from sizes(model)
    yield from documents(model)
    yield from parameters(model)
    yield from codings(model)
    yield from limits(model)
    yield from pictures(model)
    yield from places(model)


def shapes(model: Model) -> Iterator[Case]:
    item = bytes(model.item_bytes)
    for name, shape in {
        "product over 2^64": [1 << 32, 1 << 32, 1, 1],
        "product over 2^64 that wraps to what is there": [(1 << 61) + 1, 8, *model.shape[1:]],
        "product over 2^63": [1 << 62, 2, 1, 1],
        "size over 64 bits": [10**30, *model.shape],
        "size of 2^63": [1 << 63, *model.shape],
        "negative batch": [-1, *model.shape],
        "two negative sizes": [-1, -model.shape[0], *model.shape[1:]],
        "fraction": [1.5, *model.shape],
        "whole number as fraction": [1.0, *model.shape],
        "text": ["1", *model.shape],
        "truth": [True, *model.shape],
        "nested": [[1], *model.shape],
        "null in it": [None, *model.shape],
        "rank 0": [],
        "rank 1": [model.item_bytes],
        "rank one too high": [1, 1, *model.shape],
        "rank 1,000": [1] * 1_000,
        "no list": model.item_bytes,
        "other size": [1, *model.shape[:-1], model.shape[-1] - 1],
        "sizes exchanged": [1, *reversed(model.shape)],
        "batch of two, bytes of one": [2, *model.shape],
        "batch of a million, bytes of one": [1_000_000, *model.shape],
    }.items():
        yield binary(f"shape: {name}", {400, 413}, {"inputs": [whole(model, shape=shape)]}, item)
        yield text(f"shape in JSON: {name}", {400, 413}, {"inputs": [whole(model, shape=shape, parameters=None, data=[1, 2, 3])]})
    yield binary("shape: none", {400}, {"inputs": [whole(model, shape=None)]}, item)
    yield binary("shape: twice", {400}, json.dumps({"inputs": [whole(model)]}).encode().replace(b'"shape"', b'"shape": [1], "shape"', 1), item)
    # No items at all: an empty answer or a refusal, but nothing that waits.
    yield binary("shape: batch of zero", {200, 400}, {"inputs": [whole(model, shape=[0, *model.shape], parameters={"binary_data_size": 0})]}, b"")


def names(model: Model) -> Iterator[Case]:
    item = bytes(model.item_bytes)
    good = whole(model)
    for name, inputs in {
        "unknown": [whole(model, name="no-such-input")],
        "empty": [whole(model, name="")],
        "none": [whole(model, name=None)],
        "a number": [whole(model, name=7)],
        "long": [whole(model, name="x" * 20_000)],
        "with a zero byte": [whole(model, name=model.input + "\0")],
        "no inputs": [],
        "not a list": good,
        "a list of lists": [[good]],
        "null": None,
        "a hundred": [whole(model, name=f"i{number}", parameters={"binary_data_size": 0}) for number in range(100)],
    }.items():
        yield binary(f"input: {name}", {400}, {"inputs": inputs}, item)
    yield binary("input: twice", {400}, {"inputs": [good, good]}, item * 2)
    yield binary("input: one more", {400}, {"inputs": [good, whole(model, name="more")]}, item * 2)
    yield binary("input: no such key", {400}, {"outputs": []}, item)
    for name, outputs in {
        "unknown": [{"name": "no-such-output"}],
        "twice": [{"name": model.output}, {"name": model.output}],
        "without name": [{}],
        "not a list": {"name": model.output},
        "null in it": [None],
        "a thousand": [{"name": f"o{number}"} for number in range(1_000)],
        "one known, one not": [{"name": model.output}, {"name": "no-such-output"}],
    }.items():
        yield binary(f"output: {name}", {400}, {"inputs": [good], "outputs": outputs}, item)


def types(model: Model) -> Iterator[Case]:
    item = bytes(model.item_bytes)
    for name in ("FLOAT99", "uint8", "UINT8 ", "", 7, None, ["UINT8"]):
        yield binary(f"type: {name!r}", {400}, {"inputs": [whole(model, datatype=name)]}, item)
    for name, width in {"INT8": 1, "BOOL": 1, "FP16": 2, "BF16": 2, "FP32": 4, "INT64": 8, "UINT64": 8, "FP64": 8}.items():
        size = model.item_bytes * width
        yield binary(f"type: {name}, not the model's", {400},
                     {"inputs": [whole(model, datatype=name, parameters={"binary_data_size": size})]}, bytes(size))


def values(model: Model) -> Iterator[Case]:
    count = model.item_bytes

    def with_data(name: str, data: str, expected: int = 400) -> Case:
        document = json.dumps({"inputs": [whole(model, parameters=None, data="HERE")]})
        return text(f"data: {name}", {expected}, document.replace('"HERE"', data).encode())

    zeros = "0," * (count - 1)
    for name, last in {"256": "256", "-1": "-1", "fraction": "0.5", "fraction of zero": "1.0", "exponent": "1e2", "text": '"1"', "null": "null",
                       "truth": "true", "NaN": "NaN", "Infinity": "Infinity", "hexadecimal": "0x10", "leading zero": "01", "plus": "+1",
                       "a long number": "1" + "0" * 5_000, "object": "{}", "nothing": ""}.items():
        yield with_data(f"last is {name}", f"[{zeros}{last}]")
    yield with_data("one missing", f"[{zeros[:-1]}]")
    yield with_data("one more", f"[{zeros}0,0]")
    yield with_data("empty", "[]")
    yield with_data("no list", "0")
    yield with_data("text", '"AAAA"')
    yield with_data("object", "{}")
    yield with_data("ragged", f"[[{zeros}0],[0]]")
    yield with_data("nested deeper than the shape", "[" * 40 + zeros + "0" + "]" * 40)
    yield with_data("not closed", f"[{zeros}0")
    yield with_data("closed twice", f"[{zeros}0]]")
    yield text("data: neither here nor behind", {400}, {"inputs": [whole(model, parameters=None)]})
    yield binary("data: here and behind", {400}, {"inputs": [whole(model, data=[0] * count)]}, bytes(count))


def sizes(model: Model) -> Iterator[Case]:
    count = model.item_bytes
    item = bytes(count)
    for name, size in {"one less": count - 1, "one more": count + 1, "zero": 0, "negative": -count, "fraction": count + 0.5, "text": str(count),
                       "null": None, "2^63": 1 << 63, "2^64 and what is there": (1 << 64) + count, "10^40": 10**40}.items():
        yield binary(f"binary_data_size: {name}", {400, 413}, {"inputs": [whole(model, parameters={"binary_data_size": size})]}, item)
    good = {"inputs": [whole(model)]}
    yield binary("bytes: one missing", {400}, good, item[1:])
    yield binary("bytes: one more", {400}, good, item + b"x")
    yield binary("bytes: none", {400}, good, b"")
    length = len(json.dumps(good))
    for name, value in {"99999999999": "99999999999", "2^64": str(1 << 64), "negative": "-1", "minus zero": "-0", "letters": "abc", "hexadecimal": "0x10",
                        "fraction": f"{length}.0", "exponent": "1e2", "plus": f"+{length}", "two numbers": f"{length}, {length}", "blank inside": "1 2",
                        "the body's and one": str(length + count + 1), "one less than the JSON": str(length - 1),
                        "one more than the JSON": str(length + 1), "all of the body": str(length + count)}.items():
        yield binary(f"header length: {name}", {400}, good, item, length=value)
    yield Case("header length: twice", {400}, json.dumps(good).encode() + item, {HEADER_LENGTH: f"{length}\r\n{HEADER_LENGTH}: 0"})
    # Raw mode: the whole body is the one input's bytes.
    yield Case("raw: one byte missing", {400}, item[1:], {HEADER_LENGTH: "0"})
    yield Case("raw: one byte more", {400}, item + b"x", {HEADER_LENGTH: "0"})
    yield Case("raw: nothing", {400}, b"", {HEADER_LENGTH: "0"})


def documents(model: Model) -> Iterator[Case]:
    deep = 250_000
    good = json.dumps({"inputs": [whole(model, parameters=None, data=[0] * model.item_bytes)]}).encode()
    for name, body in {
        "nothing": b"", "blanks": b"  \n", "null": b"null", "list": b"[]", "text": b'"inputs"', "number": b"1", "no keys": b"{}",
        "not JSON": b"inputs=1", "cut": good[:-1], "cut in a text": good[:20], "something behind": good + b"x", "two documents": good + good,
        "byte order mark": b"\xef\xbb\xbf" + good, "comment": b"/* */" + good, "comma at the end": good[:-1] + b",}",
        "single quotes": good.replace(b'"', b"'"), "UTF-16": good.decode().encode("utf-16"),
        "wrong UTF-8": b'{"id":"\xff\xfe",' + good[1:], "long form of a byte": b'{"id":"\xc0\x80",' + good[1:],
        "half a surrogate pair": b'{"id":"\\ud800",' + good[1:],
        "control character": b'{"id":"a\x01",' + good[1:], "unknown escape": b'{"id":"\\x41",' + good[1:], "key twice": b'{"inputs":[],' + good[1:],
        "250,000 lists": b"[" * deep, "250,000 lists, closed": b"[" * deep + b"]" * deep, "250,000 objects": b'{"a":' * deep,
        "250,000 lists as data": b'{"inputs":[{"name":"x","shape":[1],"datatype":"UINT8","data":' + b"[" * deep + b"]" * deep + b"}]}",
        "250,000 lists in what nobody reads": b'{"more":' + b"[" * deep + b"]" * deep + b"," + good[1:],
        "250,000 keys": b"{" + b",".join(b'"k%d":0' % number for number in range(deep)) + b"}",
    }.items():
        yield text(f"JSON: {name}", {400}, body)


def parameters(model: Model) -> Iterator[Case]:
    item = bytes(model.item_bytes)
    good = {"inputs": [whole(model)]}
    ids: dict[str, Any] = {"a number": 7, "null": None, "a list": [], "10,000 characters": "x" * 10_000}
    for name, value in ids.items():
        yield binary(f"id: {name}", {400}, {"id": value, **good}, item)
    wrongs: dict[str, list[Any]] = {
        "timeout": [-1, 1.5, "soon", 1 << 64, True, []], "priority": [-1, 1.5, "high", 1 << 64], "binary_data_output": ["yes", 1, None],
    }
    for key, wrong in wrongs.items():
        for value in wrong:
            yield binary(f"{key}: {value!r}", {400}, {"parameters": {key: value}, **good}, item)
    yield binary("parameters: a list", {400}, {"parameters": [], **good}, item)
    for value in (-1, 0, 1.5, "five", 1 << 64, 1_000_000_000):
        # More classes than there are could also be cut; a number that is none cannot.
        expected = {200, 400} if isinstance(value, int) and value >= 0 else {400}
        yield binary(f"classification: {value!r}", expected,
                     {**good, "outputs": [{"name": model.output, "parameters": {"classification": value}}]}, item)
    yield binary("binary_data: 'yes'", {400}, {**good, "outputs": [{"name": model.output, "parameters": {"binary_data": "yes"}}]}, item)
    for key in ("shared_memory_region", "shared_memory_byte_size"):
        yield binary(f"{key} of an input", {400, 501}, {"inputs": [whole(model, parameters={key: 5 if key.endswith("size") else "region"})]}, b"")


def packed(data: bytes, coding: str = "gzip") -> bytes:
    maker = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    return maker.compress(data) + maker.flush()


def blanks(count: int, coding: str = "gzip") -> bytes:
    """So many blanks, packed: what is small on the wire and large behind it."""
    maker = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    block = b" " * (1 << 20)
    parts = [maker.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, maker.compress(b" " * (count & ((1 << 20) - 1))), maker.flush()])


def codings(model: Model) -> Iterator[Case]:
    good = json.dumps({"inputs": [whole(model, parameters=None, data=[0] * model.item_bytes)]}).encode()
    gzip = packed(good)
    for name, body in {
        "no gzip at all": good, "nothing": b"", "cut": gzip[:-9], "without its end": gzip[:-4], "wrong checksum": gzip[:-8] + bytes(4) + gzip[-4:],
        "something behind": gzip + b"x", "a bit over": gzip[:100] + bytes([gzip[100] ^ 16]) + gzip[101:], "packed twice": packed(gzip),
    }.items():
        yield text(f"gzip: {name}", {400}, body, Content_Encoding="gzip")
    yield text("deflate: gzip in it", {400}, gzip, Content_Encoding="deflate")
    for coding in ("br", "zstd", "gzip, gzip", "gzip, deflate", "x", "identity, br"):
        yield text(f"coding {coding}", {400, 415}, gzip, Content_Encoding=coding)


def limits(model: Model) -> Iterator[Case]:
    # Under the limit it is read, and is wrong for what stands there; over it, it is not read.
    yield text("body: just under the limit", {400}, b" " * (BODY_LIMIT - 1) + b"x")
    yield text("body: one byte over the limit", {413}, b" " * (BODY_LIMIT + 1))
    yield Case("body: far over the limit, announced", {413}, b"x", {"Content-Length": str(1 << 40)})
    yield Case("body: over 64 bits, announced", {400, 413}, b"x", {"Content-Length": str(1 << 64)})
    yield Case("body: over the limit in chunks", {413}, chunked(b" " * (BODY_LIMIT + 1), 1 << 20), {"Transfer-Encoding": "chunked"})
    for coding in ("gzip", "deflate"):
        yield text(f"{coding}: just under the limit unpacked", {400}, blanks(BODY_LIMIT - 1, coding), Content_Encoding=coding)
        yield text(f"{coding}: one byte over the limit unpacked", {413}, blanks(BODY_LIMIT + 1, coding), Content_Encoding=coding)
        yield text(f"{coding}: a bomb of 512 MiB", {413}, blanks(512 << 20, coding), Content_Encoding=coding)


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pictures(model: Model) -> Iterator[Case]:
    huge = png(1_000_000, 1_000_000, packed(b"\0" * 1_000, "deflate"))
    for name, picture in {"no picture": b"no picture", "nothing": b"", "JPEG's first bytes": b"\xff\xd8\xff\xe0", "a PNG of a million by a million": huge,
                          "a PNG without its pixels": png(8, 8, b"")}.items():
        yield Case(f"picture: {name}", {400}, picture, {"Content-Type": "image/png"})
        element = struct.pack("<I", len(picture)) + picture
        yield binary(f"picture as BYTES: {name}", {400}, {"inputs": [whole(
            model, datatype="BYTES", shape=[1], parameters={"binary_data_size": len(element)})]}, element)
    yield Case("picture: GIF", {400, 415}, b"GIF89a", {"Content-Type": "image/gif"})
    for name, data in {"a length past the end": struct.pack("<I", 1_000) + b"x", "a length of 2^32": b"\xff\xff\xff\xff" + b"x", "half a length": b"\1\0",
                       "a byte behind": struct.pack("<I", 1) + b"xy", "no element": b""}.items():
        yield binary(f"BYTES: {name}", {400}, {"inputs": [whole(
            model, datatype="BYTES", shape=[1], parameters={"binary_data_size": len(data)})]}, data)
    yield text("BYTES in JSON: no text", {400}, {"inputs": [whole(model, datatype="BYTES", shape=[1], parameters=None, data=[1])]})


def places(model: Model) -> Iterator[Case]:
    good = json.dumps({"inputs": [whole(model)]}).encode()
    item, length = bytes(model.item_bytes), {HEADER_LENGTH: str(len(good))}
    base = f"/v2/models/{model.name}"
    for name in ("no-such-model", model.name + "x", model.name.upper(), "%00", "..", "%2e%2e%2f", "%ff", "x" * 2_000):
        yield Case(f"model {name[:20]!r}", {404}, good + item, length, path=f"/v2/models/{name}/infer")
        yield Case(f"metadata of model {name[:20]!r}", {404}, b"", method="GET", path=f"/v2/models/{name}")
    for version in ("2", "0", "1.0", "-1", "latest", "99999999999999999999", "%31%32"):
        yield Case(f"version {version!r}", {404}, good + item, length, path=f"{base}/versions/{version}/infer")
        yield Case(f"metadata of version {version!r}", {404}, b"", method="GET", path=f"{base}/versions/{version}")
    for path in ("/v2/models//infer", f"{base}/infer/more", f"{base}/versions//infer", f"{base}/infer/", "/v2/model", "/v3", "/v2/trace/setting",
                 "/v2/logging", "/v2/systemsharedmemory/status", "//v2", "/v2/../status", "/%76%32"):
        yield Case(f"path {path}", {404}, good + item if path.endswith("infer") else b"", length if path.endswith("infer") else {}, path=path,
                   method="POST" if "infer" in path else "GET")
    for method, path in (("GET", f"{base}/infer"), ("PUT", f"{base}/infer"), ("DELETE", base), ("POST", base), ("POST", "/v2"), ("POST", "/v2/health/live"),
                         ("POST", f"{base}/stats"), ("GET", "/v2/repository/index"), ("OPTIONS", f"{base}/infer"), ("OPTIONS", "/v2"), ("PATCH", "/status"),
                         ("HEAD", f"{base}/infer"), ("TRACE", "/v2")):
        yield Case(f"{method} {path}", {405}, b"", method=method, path=path)
    yield Case("a method that nobody knows", {400, 405}, b"", method="FOO", path="/v2")
    yield Case("a path without a slash", {400, 404}, b"", method="GET", path="v2")
    yield Case("a path with a blank", {400, 404}, b"", method="GET", path="/v2 /x")
    yield Case("a header of 20,000 bytes", {400, 431}, b"", {"X-Long": "x" * 20_000}, method="GET", path="/v2")
    yield Case("500 headers", {400, 431}, b"", {f"X-{number}": "x" for number in range(500)}, method="GET", path="/v2")
    yield Case("two Hosts", {400}, b"", {"Host": "localhost\r\nHost: localhost"}, method="GET", path="/v2")
    yield Case("no Host", {400}, b"", {"Host": ""}, method="GET", path="/v2")
    yield Case("a page of elsewhere", {403}, good + item, {**length, "Origin": "http://example.org"})
    yield Case("the name of another server", {403}, good + item, {**length, "Host": "example.org"})
    for verb in ("load", "unload"):
        for name in (model.name, "no-such-model"):
            # What nobody can do yet, or an operator alone.
            yield Case(f"{verb} of {name}", {401, 403, 501}, b"{}", path=f"/v2/repository/models/{name}/{verb}")
    # What stands there is not used.
    yield Case("index: not JSON", {200, 400}, b"{", path="/v2/repository/index")

"""`amp4ec bench --verify` that runs as long as a script needs it, and the times of its replies."""

import itertools
import json
import random
import signal
import struct
import subprocess
import zipfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes.local_cluster import Failed, Process

#: Distinct inputs: a reply that belongs to another request would show.
ITEMS = 24
#: Nothing here runs this long; the script ends the bench when it is done.
LONGEST_S = 24 * 3600
#: After the end of sending, what is under way is answered within the requests' deadline of 60 s.
END_LIMIT_S = 90


def npy(shape: Sequence[int], dtype: str, values: bytes) -> bytes:
    """An array as a .npy file's bytes; `dtype` in NumPy's short form."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def make_items(model: Path, path: Path, seed: int) -> None:
    """Writes random inputs for the model, as many items as `ITEMS`, as its manifest describes them."""
    with zipfile.ZipFile(model) as archive:
        manifests = [name for name in archive.namelist() if name.endswith("/amp4ec.json")]
        if not manifests:
            raise Failed(f"{model} has no manifest: export it with scripts/export-model")
        manifest = json.loads(archive.read(manifests[0]))
    chooser = random.Random(seed)
    with zipfile.ZipFile(path, "w") as archive:
        for spec in manifest["inputs"]:
            shape = [ITEMS if size == "N" else size for size in spec["shape"]]
            if spec["dtype"] not in ("float32", "uint8") or not all(isinstance(size, int) for size in shape):
                raise Failed(f"input {spec['name']} of {model} is {spec['dtype']}{spec['shape']}: only float32 and uint8 of fixed size "
                             "can be made up")
            count = 1
            for size in shape:
                count *= size
            if spec["dtype"] == "uint8":
                made = npy(shape, "|u1", chooser.randbytes(count))
            else:
                made = npy(shape, "<f4", array("f", (chooser.uniform(-1, 1) for _ in range(count))).tobytes())
            archive.writestr(spec["name"] + ".npy", made)


def make_reference(products: Path, model: Path, items: Path, path: Path) -> None:
    """The whole model's outputs for the items, a few at a time, in one process: no request will be of all of them."""
    command = [products / "amp4ec", "reference", "--model", model, "--input", items, "--output", path, "--batch", "4"]
    result = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    if result.returncode != 0:
        raise Failed(f"the reference was not made: {result.stdout.strip()}")


class Load:
    """One bench under way. `replies` are its replies so far: dictionaries as in the timeline, with `at` in seconds since 1970."""

    def __init__(self, products: Path, folder: Path, name: str, prefix: list[str], address: str, items: Path, reference: Path, batch: int,
                 concurrency: int, seed: int) -> None:
        self._path = folder / f"{name}.jsonl"
        self._concurrency = concurrency
        self._offset = 0
        self._start: float | None = None
        self._rest = b""
        self.replies: list[dict[str, Any]] = []
        self._process = Process(name, [
            *prefix, products / "amp4ec", "bench", "--json", "--coordinator", address, "--input", items, "--verify", reference,
            "--batch", batch, "--concurrency", concurrency, "--distinct", ITEMS, "--seed", seed, "--duration", f"{LONGEST_S}s",
            "--timeline", self._path], folder)

    def poll(self) -> list[dict[str, Any]]:
        """Reads what has come since; a bench that has ended is a failure."""
        if not self._process.is_running:
            raise Failed(f"the bench ended by itself.{self._process.last_words()}")
        self._read()
        return self.replies

    def _read(self) -> None:
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            text = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = text.split(b"\n")
        for line in map(json.loads, lines):
            if self._start is None:
                self._start = line["started_unix_ms"] / 1e3
            else:
                line["at"] = self._start + line["at_ms"] / 1e3
                self.replies.append(line)

    def finish(self) -> dict[str, Any]:
        """Ends the sending; returns the bench's own report."""
        self._process.send(signal.SIGINT)
        text, code = self._process.output(END_LIMIT_S)
        self._read()
        if not text.strip():
            raise Failed(f"the bench ended with exit code {code} and no report.{self._process.last_words()}")
        return json.loads(text)

    def kill(self) -> None:
        self._process.kill()

    # What the replies say.

    def rate(self, begin: float, end: float) -> float:
        """Items of right replies in each second of the span."""
        return sum(reply["items"] for reply in self.replies if reply["ok"] and begin < reply["at"] <= end) / (end - begin)

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time without a right reply that touches the span, in seconds; what has not ended counts up to the last reply."""
        times = [reply["at"] for reply in self.replies if reply["ok"]]
        return max((after - before for before, after in itertools.pairwise(times) if after > begin and before < end), default=0.0)

    def has_answered(self, moment: float) -> bool:
        """Whether each client has had a reply since: what was under way at that moment has been answered then.

        How many were under way is not known: a client that had its reply may not have asked again yet.
        """
        clients = set()
        for reply in reversed(self.replies):
            if reply["at"] <= moment:
                break
            clients.add(reply["client"])
        return len(clients) == self._concurrency

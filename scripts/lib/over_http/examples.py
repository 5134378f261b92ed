"""What users write: examples/python and the Python of the documents, run as they stand."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from over_http import environment
from over_http.refusing import Refusing
from processes.local_cluster import PRODUCTS, ROOT, Argument, Failed, LocalCluster

FOLDER = ROOT / "examples" / "python"
LIMIT_S = 120
#: Documents whose Python blocks are run in their order, as one program, against a coordinator that has the demo's model.
DOCUMENTS = ("README.md", "docs/serving.md")
DOCUMENTED_ADDRESS, DOCUMENTED_PHOTO = "127.0.0.1:9101", re.compile(r'"[^"]*grace_hopper\.jpg"')
COMPARE = ("import numpy as np, sys; a = np.load(sys.argv[1])['logits']; b = np.load(sys.argv[2])['output']; "
           "assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()")
TAKE_INPUT = "import numpy as np, sys; np.savez(sys.argv[2], image=np.load(sys.argv[1])['input'])"


def check(condition: bool, problem: str) -> None:
    if not condition:
        raise Failed(problem)


def documented(document: str, address: str, photo: Path) -> str:
    """The program that a document's Python blocks are together, for this coordinator and photo."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    program = DOCUMENTED_PHOTO.sub(repr(str(photo)), "\n".join(blocks).replace(DOCUMENTED_ADDRESS, address))
    check(bool(blocks) and address in program and str(photo) in program, f"{document} has no Python that asks {DOCUMENTED_ADDRESS} about a photo")
    return program


class Examples:
    """`reference` has torch's own inputs and outputs for the model behind `address`; `photos` is a cluster for the demo's model."""

    def __init__(self, folder: Path, address: str, model: str, reference: Path, photos: LocalCluster) -> None:
        self.folder, self.address, self.model, self.reference, self.photos = folder, address, model, reference, photos
        self.pictures = sorted((ROOT / ".models" / "photos").glob("*.jpg"))
        check(len(self.pictures) >= 2, "the photos are missing; type: make demo-files")

    def run(self) -> str:
        serving: list[Argument] = ["--http", "127.0.0.1:0", "--micro-batch", 4, "--state-dir", self.folder / "state"]
        self.photos.serve(*serving)
        for client in environment.CLIENTS:
            self.documents(client)
            self.pictures_are_labelled(client)
            self.arrays(client)
            self.errors(client)
        self.photos.stop_coordinator()
        tokens = self.folder / "http-tokens"
        token = make_token(tokens)
        self.photos.serve(*serving, "--http-token-file", tokens)
        self.tokens(token)
        return f"{len(DOCUMENTS)} documents and 4 scripts with 2 clients; tokens, right and wrong"

    @property
    def photos_address(self) -> str:
        assert self.photos.http is not None
        return self.photos.http

    @staticmethod
    def example(client: str, name: str, *options: Argument, expected: int = 0) -> str:
        return environment.run([environment.python(client), FOLDER / name, *options], LIMIT_S, expected=expected)

    def documents(self, client: str) -> None:
        photo = next(picture for picture in self.pictures if picture.name == "grace_hopper.jpg")
        for document in DOCUMENTS:
            said = environment.run([environment.python(client), "-c", documented(document, self.photos_address, photo)], LIMIT_S)
            check(":military uniform" in said, f"the Python of {document} says: {said}")

    def pictures_are_labelled(self, client: str) -> None:
        said = self.example(client, "picture.py", "--url", self.photos_address, *self.pictures)
        check("grace_hopper.jpg: military uniform" in said and len(said.splitlines()) == len(self.pictures), f"picture.py says: {said}")

    def arrays(self, client: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "in.npz", Path(folder) / "out.npz"
            environment.run([environment.torch_python(), "-c", TAKE_INPUT, self.reference, given], LIMIT_S)
            self.example(client, "infer_sync.py", "--url", self.address, "--model", self.model, "--input", given, "--output", made)
            environment.run([environment.torch_python(), "-c", COMPARE, made, self.reference], LIMIT_S)
        said = self.example(client, "infer_aio.py", "--url", self.address)
        check("100 requests answered" in said, f"infer_aio.py says: {said}")

    def errors(self, client: str) -> None:
        with Refusing() as refusing:
            said = self.example(client, "errors.py", "--url", refusing.through_to(self.address))
        check(all(f": {code}: " in said for code in (400, 404, 504)), f"errors.py says: {said}")
        check("refused with 429" in said and "refused with 503" in said and "as Retry-After says" in said, f"errors.py says: {said}")

    def tokens(self, token: str) -> None:
        client = environment.CLIENTS[-1]
        for name, *more in (("infer_sync.py",), ("infer_aio.py", "--requests", 3), ("picture.py", self.pictures[0]), ("errors.py",)):
            self.example(client, name, "--url", self.photos_address, "--token", token, *more)
            # No such model; nobody there.
            self.example(client, name, "--url", self.address, "--model", "no-such-model", *more, expected=1)
            self.example(client, name, "--url", "127.0.0.1:1", *more, expected=69)
        # No token; a wrong one.
        self.example(client, "infer_aio.py", "--url", self.photos_address, expected=1)
        self.example(client, "picture.py", "--url", self.photos_address, "--token", token[::-1], self.pictures[0], expected=1)


def make_token(file: Path) -> str:
    """A file with a client's token, and the token."""
    line = subprocess.run([str(PRODUCTS / "amp4ec"), "secret", "--http-token", "client", "--label", "examples"], capture_output=True, text=True,
                          check=True).stdout
    file.touch(mode=0o600)
    file.write_text(line)
    return line.split(":")[1].strip()

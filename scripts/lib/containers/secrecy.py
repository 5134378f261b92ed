"""That who sits on the wire between containers learns nothing, and who knocks without a key gets nowhere."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import zipfile
from pathlib import Path

from processes.local_cluster import Failed

from .capture import Capture
from .docker import docker

#: Where the programs speak their own protocol; HTTP is another matter.
WORKER, COORDINATOR = 9000, 9100


def without_keys(text: str) -> str:
    """A compose file whose cluster talks plain text: no service has a key."""
    changed, count = re.subn(r"\{source: \w+, target: amp4ec_cluster_secret\}(, )?", "", text)
    if count < 2 or "target: amp4ec_cluster_secret" in changed:
        raise Failed("the compose file mounts keys in another way: without_keys must find them there")
    return changed


def bridge_of(project: str) -> str:
    """The interface of this machine that all packets of a project's containers go over."""
    return "br-" + docker("network", "inspect", "--format", "{{.Id}}", f"{project}_default").strip()[:12]


def tensor_bytes(items: Path) -> bytes:
    """Some bytes of the first array, from its middle: random ones, so that nothing makes them shorter on their way."""
    with zipfile.ZipFile(items) as archive:
        data = archive.read(archive.namelist()[0])
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    middle = start + (len(data) - start) // 2 // 64 * 64
    return data[middle:middle + 48]


def patterns(digest: str, label: str, items: Path) -> dict[str, list[bytes]]:
    """What a stranger would look for, each in all the forms in which it may be written."""
    return {"the model's digest": [bytes.fromhex(digest), digest.encode()], f"the label \"{label}\"": [label.encode()],
            "a tensor's bytes": [tensor_bytes(items)]}


def found(capture: Capture, wanted: dict[str, list[bytes]]) -> list[str]:
    return [what for what, forms in wanted.items() if any(capture.holds(form) for form in forms)]


def refusal_of_a_stranger(address: tuple[str, int]) -> str:
    """How a port ends a TLS handshake of somebody without a key, as `openssl s_client` would be told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout=20) as plain, context.wrap_socket(plain) as encrypted:
            raise Failed(f"{address[0]}:{address[1]} lets in who has no key ({encrypted.cipher()})")
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            raise Failed(f"{address[0]}:{address[1]} ends the handshake without an alert: {error}") from None
        return (error.reason or "").lower()

"""What goes over a network of containers, as whoever shares its wire sees it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from types import TracebackType

from processes.local_cluster import Failed

#: Of <linux/if_ether.h>, <linux/if_packet.h> and <asm/socket.h>; Python's module does not name them all.
ALL_PROTOCOLS, LEVEL, ADD_MEMBERSHIP, PROMISCUOUS, FORCE_RECEIVE_BUFFER = 0x0003, 263, 1, 1, 33
#: What waits in the kernel while Python is busy.
BUFFER_BYTES = 64 << 20
#: A model goes over the wire once, and some requests: more than this is no test of a minute.
LIMIT_BYTES = 1 << 30
#: A frame that the kernel has put together from several.
FRAME_BYTES = 1 << 17
IPV4, TCP, SYN = 0x0800, 6, 0x02
#: The longest record of TLS 1.3 (RFC 8446, 5.2).
RECORD_BYTES = (1 << 14) + 256

Address = tuple[str, int]


class Stream:
    """One direction of a TCP connection: what was sent, by sequence number."""

    def __init__(self) -> None:
        #: The number of the first byte, where the connection's beginning was seen.
        self.first: int | None = None
        self._pieces: dict[int, bytes] = {}

    def add(self, number: int, payload: bytes) -> int:
        """Returns how many bytes are new."""
        known = self._pieces.get(number, b"")
        if len(payload) <= len(known):
            return 0
        self._pieces[number] = payload
        return len(payload) - len(known)

    def runs(self) -> list[tuple[int, bytes]]:
        """Bytes without a hole between them, with the number of each run's first."""
        start = min(self._pieces, default=0) if self.first is None else self.first
        runs: list[tuple[int, bytearray]] = []
        # Numbers go round after 4 GiB; no stream here is half as long.
        for distance, piece in sorted(((number - start + (1 << 31)) % (1 << 32) - (1 << 31), piece) for number, piece in self._pieces.items()):
            end = runs[-1][0] + len(runs[-1][1]) if runs else None
            if end is None or distance > end:
                runs.append((distance, bytearray(piece)))
            elif distance + len(piece) > end:
                runs[-1][1].extend(piece[end - distance:])
        return [((start + distance) % (1 << 32), bytes(run)) for distance, run in runs]


class Capture:
    """Takes all TCP over IPv4 on an interface from the block's beginning to its end. Needs root."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._streams: dict[tuple[Address, Address], Stream] = {}
        self._bytes = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)

    def __enter__(self) -> Capture:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
            self._socket.bind((self._interface, 0))
            # A bridge shows what goes from one of its ports to another only so.
            request = struct.pack("iHH8s", socket.if_nametoindex(self._interface), PROMISCUOUS, 0, b"")
            self._socket.setsockopt(LEVEL, ADD_MEMBERSHIP, request)
            self._socket.setsockopt(socket.SOL_SOCKET, FORCE_RECEIVE_BUFFER, BUFFER_BYTES)
        except OSError as error:
            raise Failed(f"nothing can be captured on {self._interface}: {error}") from None
        self._socket.settimeout(0.2)
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _take(self) -> None:
        while self._bytes < LIMIT_BYTES:
            if self._ending.is_set():
                # What came before the end is in the kernel's buffer, and read faster than heartbeats fill it.
                self._socket.setblocking(False)
            try:
                self._add(self._socket.recv(FRAME_BYTES))
            except TimeoutError:
                continue
            except BlockingIOError:
                return

    def _add(self, frame: bytes) -> None:
        if len(frame) < 34 or struct.unpack_from("!H", frame, 12)[0] != IPV4 or frame[23] != TCP:
            return
        header = 14 + (frame[14] & 15) * 4
        length = struct.unpack_from("!H", frame, 16)[0] or len(frame) - 14
        source, target, number = struct.unpack_from("!HHI", frame, header)
        flags = frame[header + 13]
        key = ((socket.inet_ntoa(frame[26:30]), source), (socket.inet_ntoa(frame[30:34]), target))
        stream = self._streams.setdefault(key, Stream())
        if flags & SYN:
            stream.first = (number + 1) % (1 << 32)
        payload = frame[header + (frame[header + 12] >> 4) * 4:14 + length]
        if payload and not flags & SYN:
            self._bytes += stream.add(number, payload)

    # What was seen, once the block has ended.

    def holds(self, pattern: bytes) -> bool:
        """Whether these bytes went over the wire, one after another, in any stream."""
        return any(pattern in run for stream in self._streams.values() for _, run in stream.runs())

    def pairs(self, ports: tuple[int, ...]) -> set[frozenset[str]]:
        """Who has sent something to whom at one of these ports, or from it."""
        return {frozenset((source[0], target[0])) for (source, target), stream in self._streams.items()
                if (source[1] in ports or target[1] in ports) and stream.runs()}

    def not_encrypted(self, ports: tuple[int, ...]) -> Iterator[str]:
        """Streams of these ports that are anything but records of TLS, as far as their beginning was seen."""
        for (source, target), stream in self._streams.items():
            runs = stream.runs()
            if not (source[1] in ports or target[1] in ports) or stream.first is None or not runs or runs[0][0] != stream.first:
                continue
            data, position = runs[0][1], 0
            while position + 5 <= len(data):
                kind, version, length = struct.unpack_from("!BHH", data, position)
                # A handshake, or the alert that refuses it, comes first.
                kinds = (20, 21, 22, 23) if position else (21, 22)
                if kind not in kinds or version not in (0x0301, 0x0303) or length > RECORD_BYTES:
                    yield f"{source[0]}:{source[1]} → {target[0]}:{target[1]}, byte {position}"
                    break
                position += 5 + length

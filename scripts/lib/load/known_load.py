"""Programs that use a stated amount of something, for tests of what the product reports: run as `python3 scripts/lib/load/known_load.py WHAT …`.

    burn CORES SECONDS MIB      that share of a core, evenly, and so much memory; prints the CPU seconds that it burned
    exchange OWN-PORT PEER-HOST PEER-PORT BYTES-PER-SECOND SECONDS
                                UDP datagrams at an even pace, each of 1,442 bytes on Ethernet; prints how many bytes that were
"""

import socket
import sys
import time

#: Short against the second between two samples.
STEP_S = 0.02
PAYLOAD = 1_400
#: Ethernet, IPv4 and UDP put 14, 20 and 8 bytes before the payload; interfaces count them all.
ON_ETHERNET = PAYLOAD + 14 + 20 + 8


def burn(cores: float, seconds: float, mebibytes: int) -> None:
    # Written, so that the pages are there.
    held = bytearray(b"\x01") * (mebibytes << 20)
    begin, before = time.monotonic(), time.process_time()
    while (now := time.monotonic() - begin) < seconds:
        while time.process_time() - before < cores * now:
            pass
        time.sleep(STEP_S)
    while time.process_time() - before < cores * seconds:
        pass
    print(time.process_time() - before, len(held))


def exchange(own_port: int, host: str, port: int, rate: float, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", own_port))
        sock.setblocking(False)
        sent, begin = 0, time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            while sent * ON_ETHERNET < rate * now:
                try:
                    sock.sendto(bytes(PAYLOAD), (host, port))
                    sent += 1
                except BlockingIOError:
                    break
            try:
                while True:
                    sock.recv(65_536)
            except (BlockingIOError, ConnectionRefusedError):
                pass
            time.sleep(STEP_S)
        print(sent * ON_ETHERNET)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "burn":
        burn(float(rest[0]), float(rest[1]), int(rest[2]))
    else:
        exchange(int(rest[0]), rest[1], int(rest[2]), float(rest[3]), float(rest[4]))

"""What people who look cost: the coordinator's processor time with ten viewers, beside that with none."""

from __future__ import annotations

import http.client
import os
import threading
import time

from served_cluster import ServedCluster

WINDOW_S = 20
VIEWERS = 10
#: Shares of a core that the viewers may take together.
WANTED = 0.01


class Viewer:
    """Reads events, as a page does, and counts their bytes."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
        self._reply = self._connection.getresponse()
        if self._reply.status != 200:
            raise SystemExit(f"test-dashboard: GET /events gives {self._reply.status}: {self._reply.read().decode()}")
        self._socket = self._connection.sock
        self.byte_count = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while part := self._reply.read1(65_536):
                self.byte_count += len(part)
        except (OSError, ValueError, http.client.HTTPException):
            # The coordinator has ended.
            pass


def processor_seconds(process: int) -> float:
    """Nanoseconds of each thread, summed: finer than the kernel's ticks."""
    total = 0
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def share(process: int) -> float:
    before, began = processor_seconds(process), time.monotonic()
    time.sleep(WINDOW_S)
    return (processor_seconds(process) - before) / (time.monotonic() - began)


def main() -> int:
    with ServedCluster() as served:
        assert served.cluster.coordinator is not None
        process = served.cluster.coordinator.pid
        # What is prepared after the start (standby plans) is over.
        served.cluster.wait_for_status("standby plans are loaded", lambda status: bool(status["standby"]) and all(one["staged"] for one in status["standby"]))
        time.sleep(3)
        rows = [("no viewer", share(process))]
        viewers = [Viewer(served.port, served.tokens["client"]) for _ in range(VIEWERS)]
        counted, began = sum(viewer.byte_count for viewer in viewers), time.monotonic()
        rows.append((f"{VIEWERS} viewers", share(process)))
        rate = (sum(viewer.byte_count for viewer in viewers) - counted) / (time.monotonic() - began) / VIEWERS
        print(f"coordinator with three workers at rest, windows of {WINDOW_S} s, shares of one core:")
        for name, value in rows:
            print(f"  {name}: {value:.2%}")
        cost = rows[1][1] - rows[0][1]
        print(f"  the viewers: {cost:.2%} of a core; {rate / 1000:.1f} kB/s for each")
        if cost > WANTED:
            print(f"test-dashboard: that is over {WANTED:.0%}")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

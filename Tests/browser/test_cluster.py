"""The dashboard of a real coordinator with three workers under load."""

from __future__ import annotations

import re
import time
import unittest
from collections.abc import Callable

from playwright.sync_api import expect

from browser import LIMIT_MS, PHONE, WIDE, BrowserTestCase, WatchedPage
from served_cluster import ServedCluster

expect.set_options(timeout=LIMIT_MS)

#: From a worker's end until the page shows it: a picture comes each second.
LOSS_LIMIT_S = 2.0


class ClusterTests(BrowserTestCase):
    served: ServedCluster

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.served = ServedCluster().__enter__()
        cls.addClassCleanup(cls.served.__exit__, None, None, None)

    def open(self, role: str, viewport: dict[str, int] = WIDE, color_scheme: str = "light") -> WatchedPage:
        """Logs in as that role."""
        watched = self.chromium.open(self.served.address, viewport, color_scheme=color_scheme)
        self.addCleanup(watched.close)
        page = watched.page
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("#main")).to_be_hidden()
        page.get_by_label("Token").fill(self.served.tokens[role])
        page.keyboard.press("Enter")
        expect(page.locator("#who")).to_contain_text(role)
        expect(page.locator("#ring .stage")).to_have_count(3)
        # The first question, without a cookie, was refused, and the browser says so.
        watched.problems = [problem for problem in watched.problems if "401" not in problem]
        return watched

    def wait(self, what: str, condition: Callable[[], bool], limit_s: float = LIMIT_MS / 1000) -> float:
        """Seconds until it holds."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > limit_s:
                self.fail(f"not within {limit_s} s: {what}")
            time.sleep(0.02)
        return time.monotonic() - began

    def test_1_loss_under_load(self) -> None:
        watched = self.open("client")
        page = watched.page
        load = self.served.cluster.begin("bench", "--duration", "25s")
        expect(page.locator("#throughput")).to_have_text(re.compile(r"^[1-9]"))
        expect(page.locator("#latency")).to_contain_text("ms")
        expect(page.locator("#lost")).to_have_text("0")
        admitted = page.locator("#lost-note").inner_text()
        expect(page.locator("#stages")).to_contain_text(re.compile(r"[1-9][\d.]* [kM]B/s"))

        read = """() => [document.getElementById('ring').getAttribute('aria-label'), document.getElementById('nodes').innerText,
                         document.getElementById('log').innerText, document.getElementById('lost').innerText, document.getElementById('lost-note').innerText]"""

        def is_shown() -> bool:
            ring, nodes, log, lost, note = page.evaluate(read)
            return ("w2" not in ring and "✕ lost" in nodes and "w2 is lost" in log and re.search(r"after w2 is lost · lost: 0", log) is not None
                    and lost == "0" and note != admitted)

        self.served.cluster.worker("w2").kill()
        seconds = self.wait("ring, node, event and 'lost: 0'", is_shown)
        print(f"a killed worker is shown after {seconds:.2f} s")
        self.assertLessEqual(seconds, LOSS_LIMIT_S)
        self.served.cluster.restart_worker("w2")
        expect(page.locator("#ring .stage")).to_have_count(3)
        result = load.result()
        self.assertEqual((result["errors"], result["mismatches"]), (0, 0))
        # What the page says of all requests is what the load has counted.
        expect(page.locator("#lost-note")).to_contain_text("0 failed")
        counters = self.served.cluster.status()["counters"]
        self.assertEqual(counters["requests_admitted"], counters["requests_completed"] + counters["requests_failed"] + counters["requests_cancelled"])
        self.assertGreaterEqual(counters["requests_completed"], result["requests"])
        self.assertEqual(watched.problems, [])

    def test_2_restart(self) -> None:
        """The banner, then everything again, without a new log-in: the history goes on too."""
        page = self.open("client").page
        expect(page.locator("#log")).to_contain_text("plan", ignore_case=True)
        before = page.locator("#log time").first.get_attribute("datetime")
        self.served.cluster.stop_coordinator()
        expect(page.locator("#banner")).to_contain_text("Connection lost, reconnecting")
        expect(page.locator("#banner")).to_contain_text(re.compile(r"The figures are from \d\d:\d\d:\d\d"))
        self.served.serve()
        expect(page.locator("#banner")).to_be_hidden()
        expect(page.locator("#ring .stage")).to_have_count(3)
        expect(page.locator("#who")).to_have_text("client: grafana")
        times = page.locator("#log time").evaluate_all("all => all.map((one) => one.dateTime)")
        self.assertIn(before, times, "what happened before the restart is gone")
        self.assertEqual(times, sorted(times, reverse=True), "the newest is on top")

    def test_3_client(self) -> None:
        """A client sees no buttons, is told why, and is refused where its browser tries it without one."""
        page = self.open("client").page
        expect(page.locator("#nodes tr")).to_have_count(3)
        expect(page.locator("#nodes button:visible")).to_have_count(0)
        expect(page.locator("#drain-note")).to_contain_text("operator's token")
        answer = page.evaluate("fetch('nodes/w1/drain', {method: 'POST'}).then(async (reply) => [reply.status, (await reply.json()).error])")
        self.assertEqual(answer[0], 403)
        self.assertIn("operator", answer[1])
        self.assertEqual(page.evaluate("document.cookie"), "", "a script can read the cookie")

    def test_4_operator(self) -> None:
        """Drains a node and takes it back; the history says who it was."""
        page = self.open("operator").page
        page.get_by_role("button", name="Drain w3").click()
        page.locator("#drain-yes").click()
        expect(page.locator("#drain-result")).to_contain_text("✓ w3 is drained")
        expect(page.locator("#nodes tr").nth(2)).to_contain_text("drained")
        expect(page.locator("#log")).to_contain_text("drained by operator:anna")
        expect(page.locator("#ring .stage")).to_have_count(2)
        events = self.served.cluster.ask("status", "--history")["events"]
        self.assertTrue([one for one in events if one.get("node") == "w3" and "operator:anna" in one["details"].get("cause", "")])
        page.get_by_role("button", name="Take back w3").click()
        page.locator("#drain-yes").click()
        expect(page.locator("#drain-result")).to_contain_text("✓ w3 takes part again")
        expect(page.locator("#ring .stage")).to_have_count(3)
        page.locator("#logout").click()
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("#main")).to_be_hidden()

    def test_5_phone_and_dark(self) -> None:
        grounds = []
        for scheme in ["light", "dark"]:
            page = self.open("client", PHONE, scheme).page
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            self.assertLessEqual(width[0], width[1], "the page scrolls sideways")
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        self.assertNotEqual(grounds[0], grounds[1])


if __name__ == "__main__":
    unittest.main()

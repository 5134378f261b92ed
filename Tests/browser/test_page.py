"""The page alone, against a made coordinator: what it shows of clusters of any size, and what it does when things go wrong."""

from __future__ import annotations

import gzip
import re
import unittest

from playwright.sync_api import expect

from browser import LIMIT_MS, PHONE, WIDE, BrowserTestCase, WatchedPage
from made_states import MadeCluster, some_nodes
from mock_coordinator import PAGE, MockCoordinator

expect.set_options(timeout=LIMIT_MS)

#: Less than one photograph.
PAGE_LIMIT = 30_000


class PageTests(BrowserTestCase):
    def open(self, mock: MockCoordinator, viewport: dict[str, int] = WIDE, color_scheme: str = "light") -> WatchedPage:
        watched = self.chromium.open(mock.address, viewport, color_scheme=color_scheme)
        self.addCleanup(watched.close)
        return watched

    def mock(self, cluster: MadeCluster, role: str = "anyone", pause_s: float = 0.1) -> MockCoordinator:
        mock = MockCoordinator(cluster, role, pause_s=pause_s)
        self.addCleanup(mock.stop)
        return mock

    def check_clean(self, watched: WatchedPage, host: str) -> None:
        self.assertEqual(watched.problems, [])
        self.assertEqual(watched.hosts, {host}, "the page asked another host")

    def test_sizes(self) -> None:
        """1, 3 and 50 nodes, on a desk and on a phone: all of them are there, nothing is wider than the window."""
        for count, stages in [(1, 1), (3, 3), (50, 7), (50, 50)]:
            for viewport in [WIDE, PHONE]:
                with self.subTest(nodes=count, stages=stages, width=viewport["width"]):
                    mock = self.mock(MadeCluster(some_nodes(count), stages), pause_s=0.4)
                    watched = self.chromium.open(mock.address, viewport)
                    page = watched.page
                    expect(page.locator("#nodes tr")).to_have_count(count)
                    expect(page.locator("#ring .stage")).to_have_count(stages)
                    expect(page.locator("#stages .stage-row")).to_have_count(stages)
                    expect(page.locator("#nodes-summary")).to_contain_text(f"{count} ready")
                    expect(page.locator("#throughput")).to_have_text(re.compile(r"\d"))
                    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                    self.assertLessEqual(width[0], width[1], "the page scrolls sideways")
                    ends = page.evaluate("[document.documentElement.scrollHeight, document.querySelector('footer').getBoundingClientRect().bottom + scrollY]")
                    self.assertLess(ends[0], max(ends[1], viewport["height"]) + 40, "there is nothing below the page's end")
                    self.check_clean(watched, f"127.0.0.1:{mock.port}")
                    # Fifty nodes that change are work for a machine that other tests want too.
                    watched.close()
                    mock.stop()

    def test_figures(self) -> None:
        """Throughput, latency, the balance of requests, links and compression are what the counters say."""
        cluster = MadeCluster(some_nodes(3), 3, items_per_second=320)
        page = self.open(self.mock(cluster)).page
        expect(page.locator("#latency-note")).to_contain_text("mean 140 ms")
        # Two of three latencies lie between 0.1 and 0.25 s; the throughput is 320 of the mock's seconds, which are the browser's.
        expect(page.locator("#throughput")).to_have_text(re.compile(r"^(2[6-9]\d|3[0-7]\d)$"))
        expect(page.locator("#lost")).to_have_text("0")
        expect(page.locator("#lost-note")).to_contain_text("0 failed")
        note = page.locator("#lost-note").inner_text().replace(",", "")
        admitted, answered, still_open = map(int, re.findall(r"of ([\d]+) admitted: ([\d]+) answered.* (\d+) open", note)[0])
        self.assertEqual(admitted, answered + still_open)
        stages = page.locator("#stages").inner_text()
        for part in ["layers 0–50 (51)", "40 % of messages compressed, 10 % saved", "link carries 117 MB/s", "▲ slowest", "· busy "]:
            self.assertIn(part, stages)
        # A difference between what was admitted and what became of it is shown, whatever the coordinator calls it.
        cluster.admitted_and_lost = 3
        expect(page.locator("#lost")).to_have_text("3")
        expect(page.locator("#lost-tile")).to_have_attribute("data-level", "bad")
        cluster.failed = 2
        expect(page.locator("#lost-note")).to_contain_text("⚠ 2 failed")

    def test_loss(self) -> None:
        """A lost node: ring, table, event and its figures change, and the words change with the colours."""
        cluster = MadeCluster(some_nodes(3), 3)
        mock = self.mock(cluster)
        watched = self.open(mock)
        page = watched.page
        expect(page.locator("#ring .stage")).to_have_count(3)
        expect(page.locator("#log")).to_have_attribute("aria-live", "polite")
        cluster.lose("w2")
        expect(page.locator("#ring .stage")).to_have_count(2)
        expect(page.locator("#nodes tr").nth(1)).to_contain_text("✕ lost")
        expect(page.locator("#nodes-summary")).to_contain_text("✕ 1 lost")
        newest = page.locator("#log li").first
        expect(newest).to_contain_text("Plan 2 serves in")
        expect(newest).to_contain_text("after w2 is lost · lost: 0 · failed: 0 · sent again: 8")
        self.assertIn("w1, w3", page.locator("#ring").get_attribute("aria-label").replace("stage 1 on ", "").replace("stage 2 on ", ""))
        cluster.come_back("w2")
        expect(page.locator("#ring .stage")).to_have_count(3)
        # Warnings alone, and plans.
        page.locator("#important").check()
        expect(page.locator("#log li:visible", has_text="is made")).to_have_count(0)
        expect(page.locator("#log li:visible", has_text="w2 is lost")).not_to_have_count(0)
        self.check_clean(watched, f"127.0.0.1:{mock.port}")

    def test_empty(self) -> None:
        """Before there is anything to show, the page says what it waits for."""
        cluster = MadeCluster([], 0)
        cluster.model = False
        watched = self.open(self.mock(cluster))
        page = watched.page
        expect(page.locator("#waiting-heading")).to_contain_text("the model is being analysed")
        cluster.model = True
        expect(page.locator("#waiting-heading")).to_have_text("Waiting for workers")
        expect(page.locator("#waiting-help")).to_contain_text("amp4ec-worker --coordinator")
        expect(page.locator("#no-nodes")).to_be_visible()
        cluster.names.append("w1")
        cluster.states["w1"], cluster.causes["w1"] = "ready", "answering"
        expect(page.locator("#waiting-heading")).to_have_text("Waiting for a plan")
        cluster.plan(1)
        expect(page.locator("#waiting")).to_be_hidden()
        expect(page.locator("#ring .stage")).to_have_count(1)
        self.assertEqual(watched.problems, [])

    def test_reconnect(self) -> None:
        """A coordinator that goes: the banner says since when the figures are old; with the next one it is gone, and nothing is counted twice."""
        cluster = MadeCluster(some_nodes(3), 3)
        first = self.mock(cluster)
        watched = self.open(first)
        page = watched.page
        expect(page.locator("#throughput")).to_have_text(re.compile(r"\d"))
        expect(page.locator("#banner")).to_be_hidden()
        first.stop()
        banner = page.locator("#banner")
        expect(banner).to_contain_text("Connection lost, reconnecting")
        expect(banner).to_contain_text(re.compile(r"The figures are from \d\d:\d\d:\d\d, \d+ s ago"))
        self.assertIn("connection lost", page.title())
        with MockCoordinator(MadeCluster(some_nodes(2), 2), port=first.port) as second:
            expect(banner).to_be_hidden()
            expect(page.locator("#ring .stage")).to_have_count(2)
            expect(page.locator("#nodes tr")).to_have_count(2)
            # The counters began again: no rate is below zero.
            self.assertNotIn("-", page.locator("#throughput").inner_text())
            self.assertEqual([problem for problem in watched.problems if "ERR_CONNECTION_REFUSED" not in problem and "ERR_" not in problem], [])
            second.stop()

    def test_silence(self) -> None:
        """A connection over which nothing comes is a lost one; a refusal is repeated with its reason."""
        mock = self.mock(MadeCluster(some_nodes(1), 1))
        page = self.open(mock).page
        expect(page.locator("#ring .stage")).to_have_count(1)
        mock.refusal = (503, "64 viewers are connected, which is the limit")
        mock.pause_s = 30
        expect(page.locator("#banner")).to_contain_text("The coordinator refuses (503): 64 viewers are connected")
        mock.refusal, mock.pause_s = None, 0.1
        expect(page.locator("#banner")).to_be_hidden()

    def test_hostile_names(self) -> None:
        """What comes from outside is text, wherever it is shown."""
        evil = "<img src=x onerror=alert(1)>"
        cluster = MadeCluster([evil, "</script><script>alert(2)</script>", "x" * 200], 3)
        cluster.happened("node is lost", "warning", evil, cause="<b onmouseover=alert(3)>cause</b>", **{evil: evil})
        mock = self.mock(cluster, "operator")
        for viewport in [WIDE, PHONE]:
            watched = self.open(mock, viewport)
            page = watched.page
            expect(page.locator("#nodes tr")).to_have_count(3)
            expect(page.locator("#nodes tr th").first).to_contain_text(evil)
            expect(page.locator("#log")).to_contain_text("<b onmouseover=alert(3)>cause</b>")
            page.locator("#nodes button").first.click()
            expect(page.locator("#drain-heading")).to_have_text(f"Drain {evil}?")
            self.assertEqual(page.locator("main img, main script, dialog img").count(), 0)
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            self.assertLessEqual(width[0], width[1])
            self.check_clean(watched, f"127.0.0.1:{mock.port}")

    def test_drain(self) -> None:
        """Operators have buttons, which ask first and do nothing when the answer is no; others are told why there are none."""
        mock = self.mock(MadeCluster(some_nodes(3), 3), "operator")
        page = self.open(mock).page
        buttons = page.locator("#nodes button")
        expect(buttons).to_have_count(3)
        # By keyboard.
        page.get_by_role("button", name="Drain w2").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#drain")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#drain")).to_be_hidden()
        self.assertEqual(mock.posts, [])
        page.get_by_role("button", name="Drain w2").click()
        page.locator("#force").check()
        page.locator("#drain-yes").click()
        expect(page.locator("#drain-result")).to_contain_text("✓ w2 is drained")
        self.assertEqual(mock.posts, [("/nodes/w2/drain", {"force": True})])
        page.get_by_role("button", name="Take back w2").click()
        page.locator("#drain-yes").click()
        expect(page.get_by_role("button", name="Drain w2")).to_be_visible()
        self.assertEqual(mock.posts[1], ("/nodes/w2/drain", {"undo": True}))
        reader = self.open(self.mock(MadeCluster(some_nodes(3), 3), "client")).page
        expect(reader.locator("#nodes tr")).to_have_count(3)
        expect(reader.locator("#nodes button:visible")).to_have_count(0)
        expect(reader.locator("#drain-note")).to_contain_text("takes an operator's token")

    def test_login(self) -> None:
        """Where tokens are asked for, nothing is shown before one was given; a wrong one is refused."""
        mock = self.mock(MadeCluster(some_nodes(1), 1))
        mock.tokens = {"right": "client"}
        page = self.open(mock).page
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("#main")).to_be_hidden()
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#login-error")).to_contain_text("none of those")
        page.get_by_label("Token").fill("right")
        page.keyboard.press("Enter")
        expect(page.locator("#ring .stage")).to_have_count(1)
        expect(page.locator("#who")).to_have_text("client: anna")
        self.assertEqual([value for _, value in mock.posts], [{"token": "wrong"}, {"token": "right"}])

    def test_colours(self) -> None:
        """Dark where the reader wants it; text stands out from its ground in both."""
        contrast = """() => {
          const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const colour = getComputedStyle(at).backgroundColor;
              if (!colour.endsWith(", 0)")) return colour;
            }
            return "rgb(255, 255, 255)";
          };
          const isRead = (e) => e.offsetParent && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
          return [...document.querySelectorAll("main *, header *")].filter(isRead).map((e) => {
            const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className + "|" + e.textContent.trim().slice(0, 30)];
          }).sort((a, b) => a[0] - b[0])[0];
        }"""
        grounds = set()
        for scheme in ["light", "dark"]:
            cluster = MadeCluster(some_nodes(3), 3)
            cluster.lose("w3")
            page = self.open(self.mock(cluster, "operator"), color_scheme=scheme).page
            expect(page.locator("#log li")).not_to_have_count(0)
            expect(page.locator("#ring .stage")).to_have_count(2)
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            worst = page.evaluate(contrast)
            self.assertGreaterEqual(worst[0], 4.5, f"{scheme}: {worst[1]}")
        self.assertEqual(len(grounds), 2, "dark looks as light does")

    def test_many_events(self) -> None:
        """A log that never ends stays of one size, and the newest is on top."""
        cluster = MadeCluster(some_nodes(1), 1)
        for number in range(800):
            cluster.happened("a link is out", "warning", number=str(number))
        page = self.open(self.mock(cluster)).page
        expect(page.locator("#log li").first).to_contain_text("number: 799")
        self.assertLessEqual(page.locator("#log li").count(), 300)

    def test_weight(self) -> None:
        """All that a browser fetches, as it is sent."""
        self.assertLess(sum(len(gzip.compress(file.read_bytes(), 9)) for file in PAGE.iterdir()), PAGE_LIMIT)


if __name__ == "__main__":
    unittest.main()

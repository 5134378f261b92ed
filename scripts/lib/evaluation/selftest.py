"""The arithmetic, the tables, the claims and the resuming, on numbers that were worked by hand."""

import json
import tempfile
import unittest
from pathlib import Path

from processes.local_cluster import Failed

from . import claims, document, figures, plots, ratios, settings, summary, together
from .cluster import link_rise, read_timeline
from .lab import moment
from .state import OtherSettings, State


class Figures(unittest.TestCase):
    def test_percentiles_are_values_that_were_measured(self):
        values = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
        self.assertEqual([figures.percentile(values, share) for share in (0.5, 0.95, 0.99, 1)], [50, 100, 100, 100])
        self.assertEqual(figures.percentile([7], 0.5), 7)
        self.assertIsNone(figures.percentile([], 0.5))

    def test_latency(self):
        self.assertEqual(figures.latency([4, 1, 3, 2]), {"count": 4, "mean": 2.5, "p50": 2, "p95": 4, "p99": 4, "max": 4})

    def test_windows_are_whole_and_half_open(self):
        self.assertEqual(figures.windows([0, 0.99, 1.0, 2.5, 2.9, 3.4], 0, 3.5, 1), [2, 1, 2])
        self.assertEqual(figures.windows([10.5], 10, 12, 1), [1, 0])

    def test_stability(self):
        # Counts 1, 3: mean 2, deviation 1.
        self.assertAlmostEqual(figures.stability([0.1, 1.1, 1.2, 1.3], 0, 2), 0.5)
        self.assertEqual(figures.stability([0.5, 1.5, 2.5], 0, 3), 1)
        # One reply every three seconds: counts 1, 0, 0.
        self.assertAlmostEqual(figures.stability([0.5, 3.5], 0, 6), 1 - 2 ** 0.5)
        self.assertIsNone(figures.stability([], 0, 3))

    def test_within(self):
        self.assertEqual(figures.within([1, 1, 2, 2.1]), 0.75 + 0.25)
        self.assertEqual(figures.within([1, 1, 1, 5]), 0.75)

    def test_rise_interpolates_and_survives_a_restart(self):
        counter = [(0, 100), (1, 110), (2, 130), (3, 5), (4, 15)]
        self.assertAlmostEqual(figures.rise(counter, 0, 2), 30)
        self.assertAlmostEqual(figures.rise(counter, 0.5, 1.5), 15)
        self.assertAlmostEqual(figures.rise(counter, 2, 4), 15)
        self.assertEqual(figures.rates(counter), [(1, 10), (2, 20), (4, 10)])

    def test_rate_is_between_the_first_and_the_last(self):
        self.assertEqual(figures.rate([0, 1, 1.5, 2, 9], 0.5, 5), 2)
        self.assertIsNone(figures.rate([1, 9], 0, 5))

    def test_slices_belong_to_those_that_ran(self):
        timelines = {"a": (100, [[0.5 * index] for index in range(40)]), "b": (100, [[1.0 * index] for index in range(20)])}
        # All at once b is as fast as ever and a half as fast.
        timelines["a"] = (100, [reply for reply in timelines["a"][1] if reply[0] < 10 or reply[0] % 1 == 0])
        found = together.rates(timelines, [(["a"], 100, 105), (["b"], 105, 110), (["a", "b"], 110, 115)])
        self.assertEqual(found, {"alone": {"a": [8], "b": [4]}, "together": {"a": [4], "b": [4]}})
        with self.assertRaisesRegex(Failed, "b answered fewer than two requests in 1 s"):
            together.rates(timelines, [(["b"], 100, 100.9)])

    def test_gap(self):
        self.assertEqual(figures.longest_gap([1, 2, 5, 6], 3, 4), 3)
        self.assertEqual(figures.longest_gap([1, 2, 5, 6], 5, 9), 1)
        self.assertEqual(figures.longest_gap([], 0, 9), 0)

    def test_ratio_and_difference(self):
        self.assertEqual((figures.ratio(3, 2), figures.ratio(None, 2), figures.ratio(3, 0)), (1.5, None, None))
        self.assertAlmostEqual(figures.difference(1.1, 1.0), 0.1)


class Settings(unittest.TestCase):
    def test_the_factor_leaves_a_core(self):
        self.assertEqual(settings.factor(2), 0.3333)
        self.assertEqual(settings.factor(3), 0.6667)
        self.assertEqual([settings.factor(cores) for cores in (4, 64)], [1.0, 1.0])

    def test_scenarios_are_the_papers(self):
        self.assertEqual(settings.BY_NAME["scale-up"].nodes, {"high-1": "high", "high-2": "high", "medium": "medium", "low": "low"})
        totals = {cell: sum(settings.PROFILES[profile][0] for profile in settings.BY_NAME[cell].nodes.values()) for cell in settings.BASELINE}
        self.assertEqual(totals, {"standard": 2.0, "scale-up": 3.0, "scale-down": 1.6})
        self.assertEqual(settings.monolith_arguments(settings.BY_NAME["eager-3"], 1.0)[-2:], ["--threads", "3"])
        self.assertEqual(settings.monolith_arguments(settings.BY_NAME["cut-2"], 0.3333), ["--micro-batch", "4", "--executors", "1"])
        with self.assertRaises(ValueError):
            settings.chosen(["standard", "medium-rare"])


class Reading(unittest.TestCase):
    def test_timeline(self):
        begin, replies = read_timeline('{"concurrency":1,"started_unix_ms":2500}\n{"at_ms":1500,"items":32,"latency_ms":1499.5,"ok":true,'
                                       '"queue_ms":0.25,"receive_ms":0.1,"replays":2,"retries":0}\n')
        self.assertEqual((begin, replies), (2.5, [[1.5, 1499.5, 0.25, 1, 0, 2, 0.1]]))

    def test_links_of_a_worker_that_was_started_anew(self):
        def link(count):
            return {"from": "a", "to": "b", "messages": count, "raw_bytes": count * 10, "wire_bytes": count * 5,
                    "compressed_share": 0, "bandwidth_bytes_per_second": 1}

        self.assertEqual([link_rise([link(3)], [link(now)])[0]["messages"] for now in (5, 2)], [2, 2])
        self.assertEqual(link_rise([], [link(4)])[0]["wire_bytes"], 20)

    def test_the_engines_times(self):
        self.assertAlmostEqual(moment("1970-01-02T00:00:01.500000001Z"), 86401.5, places=6)
        self.assertEqual(moment("1970-01-01T00:00:01Z"), 1)


class Rendering(unittest.TestCase):
    def test_markdown(self):
        self.assertEqual(document.markdown_table(["a", "b"], [["x|y", 1]]), "| a | b |\n| --- | ---: |\n| x\\|y | 1 |")

    def test_both_forms_hold_the_same_and_nothing_is_taken_for_a_tag(self):
        page = document.Document("A & B")
        page.table(["what", "value"], [["1 < 2", "**3**"]])
        page.plot("p.svg", plots.lines("t", "x", "y", [("s", [(0, 1), (1, 2)])]), "caption")
        page.plot("none.svg", plots.lines("t", "x", "y", []), "left out")
        self.assertIn("1 &lt; 2</td><td><strong>3</strong>", page.html())
        self.assertIn("<svg", page.html())
        self.assertIn("![caption](p.svg)", page.markdown())
        self.assertEqual(list(page.plots), ["p.svg"])
        with self.assertRaises(AssertionError):
            page.table(["one"], [["1", "2"]])

    def test_numbers(self):
        self.assertEqual([document.show(None), document.show(1234.56), document.times(0.21651), document.times(0.05), document.percent(-0.7835, 2, True)],
                         ["–", "1,234.6", "0.22×", "0.0500×", "-78.35 %"])

    def test_ticks_cover_the_values(self):
        self.assertEqual(plots.nice_ticks(0, 97), [0, 20, 40, 60, 80, 100])
        self.assertEqual(plots.decade_ticks(30, 900), [20, 50, 100, 200, 500, 1000])
        self.assertEqual(plots.distribution([3, 1, 2, 4]), [(1, 0.0), (1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)])
        self.assertEqual(plots.runs([(0, 5), (1, 6), (9, 7)], 3), [[(0, 5), (1, 6)], [(9, 7)]])


def window(latencies, every, batch=32, cached=0, concurrency=1):
    """Replies at even distances."""
    return {"begin": 0, "seconds": 10, "batch": batch, "concurrency": concurrency, "containers": {"coordinator": {"cpu_s": 0.25, "cores": 0.025}},
            "counters": {"micro_batches_dispatched": 1000}, "host_cores": [1, 0], "replies": [
                [every * (index + 1), took, 1.5, 1, cached, 0, 0.5] for index, took in enumerate(latencies)]}


class Resuming(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "out" / "state.jsonl"

    def tearDown(self):
        self._folder.cleanup()

    def begin(self, fresh=False, **changes):
        return State(self.path, {"factor": 0.5, "batch": 32, **changes}, fresh)

    def test_a_run_goes_on_where_it_stopped(self):
        cells = settings.chosen(["standard", "eager-2"])
        state = self.begin()
        self.assertEqual([(repeat, cell.name) for repeat, cell in state.todo(cells, 2)],
                         [(1, "standard"), (1, "eager-2"), (2, "standard"), (2, "eager-2")])
        state.add("standard", 1, {"lone": 1})
        state.add("eager-2", 1, problem="no room")
        again = self.begin()
        self.assertEqual([(repeat, cell.name) for repeat, cell in again.todo(cells, 1)], [(1, "eager-2")])
        self.assertEqual((again.problem("eager-2"), again.is_impossible("eager-2")), ("no room", False))
        again.add("cache", 1, problem="no such option", impossible=True)
        self.assertTrue(self.begin().is_impossible("cache"))
        again.add("eager-2", 1, {"lone": 2})
        self.assertIsNone(self.begin().problem("eager-2"))
        self.assertEqual(self.begin().results("eager-2"), [{"lone": 2}])
        self.assertEqual(self.begin().todo(cells, 1), [])
        self.assertEqual(len(self.begin(fresh=True).todo(cells, 1)), 2)

    def test_half_a_line_is_as_good_as_none(self):
        self.begin().add("standard", 1, {"lone": 1})
        whole = self.path.read_bytes()
        self.path.write_bytes(whole + b'{"cell":"standard","repeat":2,"resu')
        state = self.begin()
        self.assertEqual(len(state.results("standard")), 1)
        self.assertEqual(self.path.read_bytes(), whole)
        self.path.write_bytes(b'{"sett')
        self.assertEqual(self.begin().results("standard"), [])

    def test_other_settings_are_refused(self):
        self.begin()
        with self.assertRaisesRegex(OtherSettings, "factor 0.5, and this run has 0.6"):
            self.begin(factor=0.6)

    def test_verdicts_follow_from_numbers(self):
        state = self.begin()
        # The cluster: a lone request takes 0.2 s, and 10 come in a second. The monolith: 1 s, one in a second.
        state.add("standard", 1, {"lone": window([200] * 40, 0.2), "load": window([300] * 90, 0.1, concurrency=3), "start": {"workers_s": {"high": 0.5}}})
        state.add("eager-2", 1, {"lone": window([1000] * 10, 1)})
        found = summary.Summary(state)
        self.assertAlmostEqual(found.throughput("standard"), 320)
        self.assertAlmostEqual(found.throughput("eager-2"), 32)
        rows = {row[0]: row for row in claims.paper_claims(found)[1]}
        self.assertEqual(rows["throughput against the monolith"][2:4], ["+900.00 %", "**reached**"])
        self.assertEqual(rows["latency against the monolith, without the cache"][2:4], ["-80.00 %", "**reached**"])
        self.assertEqual(rows["latency against the monolith, with the cache"][3], "**not measured**")
        self.assertEqual(rows["linear scaling up to three nodes"][3], "**not measured**")
        self.assertEqual(rows["scheduling overhead"][2:4], ["1.00 ms", "**reached**"])
        design = {row[0]: row for row in claims.design_rows(found, {})[1]}
        self.assertEqual(design["worker's start to ready, high, with its scaled CPU"][2:], ["0.50 s", "reached"])
        self.assertEqual(design["worker's start to ready, low, with its scaled CPU"][2:], ["–", "not measured"])
        self.assertEqual(design["coordinator's CPU for 1,000 micro-batches"][2:], ["0.25 s", "reached"])
        self.assertEqual(design["throughput, standard, against the eager monolith"][2:], ["10.00×", "reached"])

    def test_ratios_are_held_against_another_runs(self):
        state = self.begin()
        state.add("standard", 1, {"lone": window([200] * 40, 0.2), "load": window([300] * 90, 0.1, concurrency=3)})
        state.add("eager-2", 1, {"lone": window([1000] * 10, 1)})
        mine = ratios.of(summary.Summary(state))
        self.assertEqual({name: round(value, 3) for name, value in mine.items()},
                         {"throughput, standard by eager-2": 10, "lone request, standard by eager-2": 0.2})
        ratios.write(self.path.parent / ratios.FILE, mine)
        kept = json.loads((self.path.parent / ratios.FILE).read_text())
        self.assertEqual(ratios.compare(mine, {**kept, "more": 1})[1], [])
        self.assertEqual(ratios.compare(mine, {"throughput, standard by eager-2": 8.6})[1], ["throughput, standard by eager-2"])
        self.assertEqual(len(ratios.compare(mine, {"throughput, standard by eager-2": 8.8})[0]), 1)
        self.assertEqual(ratios.compare(mine, {"other": 1}), ([], []))

    def test_cells_are_compared_within_a_repeat(self):
        state = self.begin()
        for repeat, slow in ((1, 1), (2, 3), (3, 1)):
            # In the second repeat all of the machine is slower; in the third the cluster alone.
            state.add("standard", repeat, {"lone": window([200 * slow * (2 if repeat == 3 else 1)] * 4, 0.2 * slow)})
            state.add("eager-2", repeat, {"lone": window([1000 * slow] * 4, 1.0 * slow)})
        found = summary.Summary(state)
        self.assertAlmostEqual(found.lone_by("standard", "eager-2"), 0.2)
        self.assertIsNone(found.lone_by("standard", "eager-3"))
        self.assertEqual(found.minutes(), [0, 0, 0])

    def test_what_the_machine_takes(self):
        state = self.begin()
        state.add("together-standard", 1, {"together": {"alone": {"high": [10, 12, 11], "medium": [5, 5, 9]},
                                                          "together": {"high": [8, 8, 8], "medium": [4, 4, 4]}}})
        found = summary.Summary(state)
        self.assertEqual((found.at_once_by_alone("standard"), found.at_once_by_alone("scale-up")), (12 / 16, None))

    def test_hits_are_told_from_misses(self):
        state = self.begin()
        lone = window([10, 10, 10], 1, cached=1)
        lone["replies"].append([4, 400, 2, 1, 0, 0, 0])
        state.add("cache", 1, {"lone": lone})
        found = summary.Summary(state).window("cache", "lone")
        self.assertEqual((found.hit_share(), found.latency(1)["mean"], found.latency(0)["mean"]), (0.75, 10, 400))


def run():
    result = unittest.TextTestRunner(verbosity=1).run(unittest.TestLoader().loadTestsFromModule(__import__(__name__, fromlist=["*"])))
    return 0 if result.wasSuccessful() else 1

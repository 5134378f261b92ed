"""What a coordinator says in its log, as events with times, and what they amount to: who is ready, which plan serves."""

import os
import re
from collections.abc import Collection
from datetime import datetime, timezone

LINE = re.compile(r'^(?P<time>\S+Z) (?P<level>\w+) \w+: (?P<text>.*?)(?P<facts>(?: [\w-]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]\S*))*)$')
FACT = re.compile(r' ([\w-]+)=("(?:[^"\\]|\\.)*"|\S+)')
NODES = re.compile(r"on ([^→\[]+?)(?: →|$)")


class Event:
    """One line: `at` in seconds since 1970, the constant message, and the facts by name."""

    def __init__(self, match: re.Match[str]) -> None:
        moment = datetime.strptime(match["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        self.at = moment.timestamp()
        self.level = match["level"]
        self.message = match["text"]
        self.facts = {name: value.strip('"') for name, value in FACT.findall(match["facts"])}


class CoordinatorLog:
    """One coordinator's log, read as it grows."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.events: list[Event] = []
        self._offset = 0
        self._rest = b""
        self.ready: set[str] = set()
        self._made: dict[str, list[str]] = {}
        #: Generation, nodes and time of the plan that serves; `None` while none does.
        self.serving: tuple[str, list[str], float] | None = None
        self._pending: str | None = None
        self.links_out: set[tuple[str, str]] = set()

    def poll(self) -> None:
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            text = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = text.split(b"\n")
        for line in lines:
            match = LINE.match(line.decode(errors="replace"))
            if match:
                event = Event(match)
                self.events.append(event)
                self._follow(event)

    def _follow(self, event: Event) -> None:
        node, message = event.facts.get("node"), event.message
        if message == "node is ready":
            self.ready.add(event.facts["node"])
        elif message in ("node is joining", "node is suspect", "node is lost", "node is draining", "node is drained"):
            self.ready.discard(event.facts["node"])
            if message == "node is lost" and self.serving is not None and node in self.serving[1]:
                self.serving = None
        elif message == "plan is made":
            nodes = [name.strip() for group in NODES.findall(event.facts["stages"]) for name in group.split("+")]
            self._made[event.facts["generation"]] = nodes
            self._pending = event.facts["generation"]
        elif message == "plan serves":
            generation = event.facts["generation"]
            self.serving = (generation, self._made.get(generation, []), event.at)
            if self._pending == generation:
                self._pending = None
        elif message in ("a deployment failed", "no plan is possible"):
            self._pending = None
        elif message == "a link is out":
            self.links_out.add((event.facts["from"], event.facts["to"]))
        elif message == "a link counts as mended":
            self.links_out.discard((event.facts["from"], event.facts["to"]))

    def is_whole(self, names: set[str]) -> bool:
        """All are ready, and a plan over all of them serves; while a link is out a plan over some is the best there is."""
        if not names <= self.ready or self.serving is None or self._pending is not None:
            return False
        nodes = set(self.serving[1])
        return nodes <= self.ready and (names <= nodes or bool(self.links_out))

    def first(self, message: str, after: float, **facts: str) -> Event | None:
        """The first event of that message since `after` with those facts."""
        for event in self.events:
            if event.at >= after and event.message == message and all(event.facts.get(k) == v for k, v in facts.items()):
                return event
        return None

    def served(self, after: float, having: Collection[str] = (), lacking: Collection[str] = ()) -> float | None:
        """When a plan with and without those nodes began to serve, made since `after`."""
        made: dict[str, set[str]] = {}
        for event in self.events:
            if event.at < after:
                continue
            if event.message == "plan is made":
                made[event.facts["generation"]] = set(self._made[event.facts["generation"]])
            elif event.message == "plan serves" and event.facts["generation"] in made:
                nodes = made[event.facts["generation"]]
                if nodes.issuperset(having) and nodes.isdisjoint(lacking):
                    return event.at
        return None

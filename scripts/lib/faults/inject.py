"""The faults that scripts/chaos injects, each with what must be true before it is over."""

import time
from typing import ClassVar

from faults.cluster import COORDINATOR, LOOK_S, now
from processes.local_cluster import Failed

#: Shorter than the silence (1 s) that makes a worker suspect: nothing may happen but a pause.
SHORT_STOP_S = 0.5
#: Between suspect (1 s) and lost (2 s).
SUSPECT_STOP_S = 1.5
#: A stopped worker that wakes, and a cable that is mended, do so this long after the cluster has found its way without them.
REST_S = 0.5
#: A cut that nobody notices ends after this long; it shows in the table as a gap of that length.
UNNOTICED_S = 30


class Return:
    """A worker that came back or was new: how long until a plan with it served, and the gap in replies meanwhile."""

    def __init__(self, kind, began, served):
        self.kind, self.began, self.served = kind, began, served
        self.gap_s = None


class Fault:
    """One fault. `count`: it must hit work in flight, seen in what was replayed, or in requests that the client sent again."""

    def __init__(self, kind, limit_s=None, proof="replayed"):
        self.kind, self.limit_s, self.proof = kind, limit_s, proof
        self.detail = ""
        self.began = self.ended = None
        #: When the coordinator knew, and when a new plan served.
        self.detected = self.planned = None
        self.returns = []
        # Filled in at the end, from the replies.
        self.gap_s = self.rate_before = None
        self.replayed = self.retries = 0

    @property
    def counts(self):
        return {"replayed": self.replayed > 0, "retried": self.retries > 0, None: False}[self.proof]

    @property
    def plan_s(self):
        return self.planned - self.detected if self.planned and self.detected else None


class Faults:
    """Injects them into one cluster; all choices come from one seeded generator."""

    #: How often each kind comes in one round.
    ROUND: ClassVar[dict[str, int]] = {
        "kill_worker": 4, "kill_two": 1, "kill_all": 1, "stop_until_suspect": 2, "stop_until_lost": 2, "cut_workers_one_way": 2,
        "cut_workers_both_ways": 1, "cut_from_coordinator": 1, "cut_to_coordinator": 1, "cut_coordinator_both_ways": 1,
        "kill_coordinator": 2, "drain_worker": 1, "stop_shortly": 1, "stop_coordinator": 1, "join_and_leave": 1}

    def __init__(self, cluster, chooser, newcomer=None, only=None):
        self.cluster, self.chooser, self.newcomer = cluster, chooser, newcomer
        self._deck = []
        #: How often each worker was lost.
        self._hits = {}
        self._round = [kind for kind, times in self.ROUND.items() for _ in range(times)
                       if (not only or kind in only) and (newcomer is not None or kind != "join_and_leave")]

    @classmethod
    def names(cls):
        return sorted(cls.ROUND)

    def next(self):
        """The next fault, injected and over: whole again."""
        if not self._deck:
            self._deck = list(self._round)
            self.chooser.shuffle(self._deck)
        return getattr(self, self._deck.pop())()

    # Workers that die.

    def kill_worker(self):
        victim = self._victim()
        fault = Fault("SIGKILL of a worker", 1)
        fault.detail = victim
        fault.began = now()
        self.cluster.kill_worker(victim)
        self._lost_and_planned(fault, victim)
        self._restart(fault, victim)
        return fault

    def kill_two(self):
        first, second = self._spared(2, self.cluster.names)
        fault = Fault("SIGKILL of two workers, the second while the loss of the first is mended", 1)
        fault.detail = f"{first}, then {second}"
        fault.began = now()
        self.cluster.kill_worker(first)
        pause = self.chooser.uniform(0, 0.2)
        time.sleep(pause)
        self.cluster.kill_worker(second)
        self._lost_and_planned(fault, first, second)
        self._restart(fault, first, second)
        return fault

    def kill_all(self):
        fault = Fault("SIGKILL of all workers: requests wait for one")
        fault.detail = ", ".join(self.cluster.names)
        fault.began = now()
        for name in self.cluster.names:
            self.cluster.kill_worker(name)
        for name in self.cluster.names:
            self.cluster.event(f"the loss of {name} is seen", "node is lost", fault.began, node=name)
        fault.detected = now()
        for name in self.cluster.names:
            self.cluster.start_worker(name)
        fault.planned = self.cluster.served("a plan serves again", fault.detected)
        fault.ended = self.cluster.wait_whole()
        return fault

    # Workers that fall silent.

    def stop_shortly(self):
        victim = self._victim()
        fault = Fault(f"SIGSTOP of a worker for {SHORT_STOP_S} s: no reason to act", 3, proof=None)
        self._stop(fault, victim, SHORT_STOP_S)
        return fault

    def stop_until_suspect(self):
        victim = self._victim()
        fault = Fault(f"SIGSTOP of a worker for {SUSPECT_STOP_S} s: suspect, not lost", 3)
        self._stop(fault, victim, SUSPECT_STOP_S)
        return fault

    def _stop(self, fault, victim, seconds):
        fault.detail = victim
        worker = self.cluster.processes[victim]
        fault.began = now()
        self.cluster.freeze(worker)
        try:
            time.sleep(seconds)
        finally:
            self.cluster.thaw(worker)
        # Whether it came to a new plan is the coordinator's business; whole it must be.
        self._settle(fault, now())
        suspicion = self.cluster.log.first("node is suspect", fault.began, node=victim)
        if suspicion is not None:
            fault.detected = suspicion.at
            fault.planned = self.cluster.log.served(suspicion.at, lacking=[victim])

    def stop_until_lost(self):
        victim = self._victim()
        fault = Fault("SIGSTOP of a worker until it is lost, then SIGCONT", 3)
        fault.detail = victim
        worker = self.cluster.processes[victim]
        fault.began = now()
        self.cluster.freeze(worker)
        try:
            self._lost_and_planned(fault, victim)
            time.sleep(REST_S)
        finally:
            self.cluster.thaw(worker)
        self._comes_back(fault, "return after SIGCONT", victim)
        return fault

    # Cables.

    def cut_workers_one_way(self):
        source, destination = self._neighbours()
        fault = Fault("DROP between two workers, one direction", 3)
        fault.detail = f"{source} → {destination}" if self.chooser.random() < 0.5 else f"{destination} → {source}"
        self._cut_workers(fault, [tuple(fault.detail.split(" → "))], (source, destination))
        return fault

    def cut_workers_both_ways(self):
        source, destination = self._neighbours()
        fault = Fault("DROP between two workers, both directions", 3)
        fault.detail = f"{source} ↔ {destination}"
        self._cut_workers(fault, [(source, destination), (destination, source)], (source, destination))
        return fault

    def _cut_workers(self, fault, links, used):
        """`used` is the way that activations take. Cut in either direction it is out: without acknowledgements nothing more is sent."""
        fault.began = now()
        self._drop(links)
        try:
            fault.detected = self._noticed(fault, "a link is out", **{"from": used[0], "to": used[1]})
            if fault.detected:
                fault.planned = self.cluster.served("a plan without the link serves", fault.detected)
                time.sleep(REST_S)
        finally:
            self._undrop(links)
        self._settle(fault, now())

    def cut_from_coordinator(self):
        return self._cut_from_cluster("DROP from the coordinator to a worker", lambda victim: [(COORDINATOR, victim)])

    def cut_to_coordinator(self):
        return self._cut_from_cluster("DROP from a worker to the coordinator", lambda victim: [(victim, COORDINATOR)])

    def cut_coordinator_both_ways(self):
        return self._cut_from_cluster(
            "DROP between coordinator and a worker, both directions", lambda victim: [(COORDINATOR, victim), (victim, COORDINATOR)])

    def _cut_from_cluster(self, kind, links_of):
        victim = self._victim()
        fault = Fault(kind, 3)
        fault.detail = victim
        links = links_of(victim)
        fault.began = now()
        self._drop(links)
        try:
            if self._noticed(fault, "node is lost", node=victim):
                self._lost_and_planned(fault, victim)
                time.sleep(REST_S)
        finally:
            self._undrop(links)
        if fault.detected:
            self._comes_back(fault, "return after DROP", victim)
        else:
            self._settle(fault, now())
        return fault

    def _noticed(self, fault, message, **facts):
        """When the coordinator knew; `None` where it did not come to know for long."""
        end = now() + UNNOTICED_S
        event = self.cluster.wait(message, lambda: self.cluster.log.first(message, fault.began, **facts) or now() > end, UNNOTICED_S * 2)
        return None if event is True else event.at

    # Orderly ends, and the coordinator.

    def drain_worker(self):
        victim = self._victim()
        fault = Fault("SIGTERM of a worker (drain), then a new process", 3, proof=None)
        fault.detail = victim
        fault.began = now()
        code = self.cluster.terminate_worker(victim)
        if code != 0:
            raise Failed(f"{victim} ended with exit code {code} after SIGTERM")
        fault.planned = self.cluster.served(f"a plan without {victim} serves", fault.began, lacking=[victim])
        self._restart(fault, victim)
        return fault

    def join_and_leave(self):
        fault = Fault("a new worker joins by --coordinator, and leaves by SIGTERM", 3, proof=None)
        fault.detail = self.newcomer
        fault.began = now()
        listens = self.cluster.start_worker(self.newcomer, "--coordinator", self.cluster.address)
        fault.returns.append(Return("join of a new worker", listens, self.cluster.served(
            f"a plan with {self.newcomer} serves", listens, having=[self.newcomer])))
        self.cluster.wait_whole()
        code = self.cluster.terminate_worker(self.newcomer)
        if code != 0:
            raise Failed(f"{self.newcomer} ended with exit code {code} after SIGTERM")
        self._settle(fault, now())
        return fault

    def kill_coordinator(self):
        fault = Fault("SIGKILL of the coordinator, then a new process", proof="retried")
        fault.detail = COORDINATOR
        fault.began = now()
        self.cluster.kill_coordinator()
        self.cluster.start_coordinator()
        fault.detected = now()
        fault.planned = self.cluster.served("a plan serves again", fault.began)
        fault.ended = self.cluster.wait_whole()
        return fault

    def stop_coordinator(self):
        fault = Fault("SIGSTOP of the coordinator for 3 s: no worker may be blamed", proof=None)
        fault.detail = COORDINATOR
        fault.began = now()
        self.cluster.freeze(self.cluster.coordinator)
        try:
            time.sleep(3)
        finally:
            self.cluster.thaw(self.cluster.coordinator)
        self._settle(fault, now())
        return fault

    # Steps that several share.

    def _victim(self):
        """A worker of the plan that serves."""
        return self._spared(1, set(self.cluster.names) & set(self.cluster.route()) or self.cluster.names)[0]

    def _spared(self, count, names):
        """Those that were hit least of late, by chance among equals. A worker that is lost again and again is left out of plans for a while
        (docs/recovery.md); here each loss is to be one of its own."""
        names = sorted(names)
        self.chooser.shuffle(names)
        chosen = sorted(names, key=lambda name: self._hits.get(name, 0))[:count]
        for name in chosen:
            self._hits[name] = self._hits.get(name, 0) + 1
        return chosen

    def _neighbours(self):
        """Two workers between which activations travel now."""
        route = self.cluster.route()
        if len(route) < 2:
            raise Failed(f"the plan that serves has one node only ({route}): there is no link to cut")
        place = self.chooser.randrange(len(route) - 1)
        return route[place], route[place + 1]

    def _drop(self, links):
        for source, destination in links:
            self.cluster.lab.drop(source, destination)

    def _undrop(self, links):
        for source, destination in links:
            self.cluster.lab.undrop(source, destination)

    def _lost_and_planned(self, fault, *victims):
        for victim in victims:
            lost = self.cluster.event(f"the loss of {victim} is seen", "node is lost", fault.began, node=victim)
            # A silent one is planned around as soon as it is suspect.
            suspicion = self.cluster.log.first("node is suspect", fault.began, node=victim)
            detected = min(lost, suspicion.at) if suspicion else lost
            fault.detected = min(fault.detected or detected, detected)
        fault.planned = self.cluster.served(f"a plan without {', '.join(victims)} serves", fault.began, lacking=victims)

    def _restart(self, fault, *names):
        """The gap that the fault made must be over first, so that it is not taken for the return's."""
        fault.ended = self._reply()
        listening = [(name, self.cluster.start_worker(name)) for name in names]
        for name, began in listening:
            served = self.cluster.served(f"a plan with {name} serves", began, having=[name])
            fault.returns.append(Return("restart of a worker", began, served))
        self.cluster.wait_whole()

    def _comes_back(self, fault, kind, victim):
        fault.ended = began = now()
        fault.returns.append(Return(kind, began, self.cluster.served(f"a plan with {victim} serves", began, having=[victim])))
        self.cluster.wait_whole()

    def _reply(self):
        since = now()
        self.cluster.wait("a reply", lambda: self.cluster.load.replies[-1]["at"] > since)
        return since

    def _settle(self, fault, since):
        """Whole for long enough that what the fault set off has shown in the log."""
        calm = since
        while now() - calm < REST_S:
            self.cluster.look()
            if not self.cluster.log.is_whole(set(self.cluster.expected)):
                self.cluster.wait_whole()
                calm = now()
            time.sleep(LOOK_S)
        fault.ended = self._reply()

"""A crew without Ray: nodes with places, what happens on them, and time that passes only while something is awaited."""

from types import SimpleNamespace

import numpy as np

from zoo.population import Job, Journal, Manager, ProxySetting, RandomSearch, Record, Trial
from zoo.population import patience as waiting
from zoo.population import pool as pools
from zoo.population.executor import evaluate
from zoo.population.pool import Report
from zoo.spaces import DARTS

GENOTYPE = DARTS.sample(np.random.default_rng(0))
SETTING = ProxySetting(0, 0, 0, 1)


def jobs(*indices):
    return [Job(Trial(index=i, genotype=GENOTYPE, setting=SETTING, start=0, stop=1), i, None) for i in indices]


def answer(batch):
    return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for job in batch]


class Clock:
    """Time that passes only while something is awaited."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        for module in (pools, waiting):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now), raising=False)


class Crew:
    """Nodes by name with so many places each, and what happens there: "ok", or what a fault is called."""

    def __init__(self, clock, **nodes):
        self.clock, self.places, self.happens = clock, nodes, {}
        self.where, self.pending, self.sent, self.stopped, self.count = {}, [], [], [], 0
        self.batches = {}

    def start(self, avoid):
        self.count += 1
        self.pending.append((self.count, frozenset(avoid)))
        return self.count

    def send(self, worker, batch, attempt):
        self.sent.append((self.where[worker], [job.trial.index for job in batch], attempt))
        self.batches[worker] = (batch, attempt)

    def stop(self, worker):
        self.stopped.append(worker)
        self.pending = [one for one in self.pending if one[0] != worker]
        self.batches.pop(worker, None)
        self.where.pop(worker, None)

    def nodes(self):
        return set(self.places)

    def close(self):
        for held in (self.where, self.pending, self.batches):
            held.clear()

    def poll(self, seconds):
        reports = []
        for worker, avoid in list(self.pending):
            used = list(self.where.values())
            # as Ray does: a node that kills its workers has the most room
            fitting = [node for node, places in self.places.items() if node not in avoid and used.count(node) < places]
            if fitting:
                node = min(fitting, key=lambda one: (used.count(one) / self.places[one], one))
                self.pending.remove((worker, avoid))
                self.where[worker] = node
                begins = str(self.happens.get(node, "ok")).removeprefix("start: ")
                bad = str(self.happens.get(node, "ok")).startswith("start: ")
                reports.append(Report(worker=worker, node=node, fault=begins if bad else "", unfit="other" in begins))
                if bad:
                    del self.where[worker]
        for worker, (batch, attempt) in list(self.batches.items()):
            happens = self.happens.get(self.where[worker], "ok")
            if callable(happens):
                happens = happens(batch)
            if happens == "hangs":
                continue
            del self.batches[worker]
            if happens == "ok":
                reports.append(Report(worker=worker, outcomes=evaluate(answer, batch, attempt)))
            else:
                reports.append(Report(worker=worker, node=self.where.pop(worker), fault=happens))
        if not reports:
            self.clock.now += seconds
        return reports


def searched(pool, count=12):
    journal = Journal.memory({})
    finished = Manager(RandomSearch(DARTS, SETTING, count, seed=0, keep=False), journal).run(pool)
    return finished, journal

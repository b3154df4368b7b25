"""A training that costs nothing but continues like a real one, a strategy that listens, an executor out of order."""

import hashlib
import random

import numpy as np
import pytest

from zoo.population import ProxySetting, Record, Trial
from zoo.population.executor import evaluate
from zoo.spaces import ECONAS_ZOO

SETTING = ProxySetting.parse("c4r4s0e6")


def fake_training(jobs):
    """Every epoch hashes the state before it, so that a stage depends on all the stages it continues.

    The weights are that state. Every fifth trial fails.
    """
    outcomes = []
    for job in jobs:
        trial = job.trial
        state, start = (f"root {job.root}", 0) if job.checkpoint is None else (job.checkpoint.decode(), trial.start)
        for epoch in range(start, trial.stop):
            state = hashlib.sha256(f"{state} {epoch}".encode()).hexdigest()
        if trial.index % 5 == 4:
            record = Record(index=trial.index, ok=False, reason="every fifth fails", epochs_paid=trial.stop - start)
            outcomes.append((record, None))
            continue
        metrics = {"accuracy": int(state[:8], 16) / 16**8}
        record = Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=trial.stop - start)
        outcomes.append((record, state.encode() if trial.keep else None))
    return outcomes


class Halving:
    """Generations of four networks; the better half of each trains on, twice. What it asks depends on what it hears."""

    def __init__(self, generations=2, seed=0):
        self.seed = seed
        self.stages = [(0, 2), (2, 4), (4, 6)] * generations
        self.queue = []  # what is to be asked next: (genotype, start, stop, resumes)
        self.running = set()
        self.ended = []  # (accuracy, index, genotype) of the stage before
        self.asked = {}

    def ask(self, n, first):
        while not self.queue and not self.running and self.stages:
            start, stop = self.stages.pop(0)
            rng = np.random.default_rng((self.seed, first))
            best = sorted(self.ended, key=lambda end: (-end[0], end[1]))[: 2 if start == 2 else 1]
            self.ended = []
            if start == 0:
                self.queue = [(ECONAS_ZOO.sample(rng), start, stop, None) for _ in range(4)]
            else:
                self.queue = [(genotype, start, stop, index) for _, index, genotype in best]
        part, self.queue = self.queue[:n], self.queue[n:]
        trials = [
            Trial(index=first + i, genotype=g, setting=SETTING, start=a, stop=b, resumes=source, keep=b < 6)
            for i, (g, a, b, source) in enumerate(part)
        ]
        self.running |= {trial.index for trial in trials}
        self.asked |= {trial.index: trial for trial in trials}
        return trials

    def tell(self, records):
        for record in records:
            self.running.remove(record.index)
            if record.ok:
                self.ended.append((record.metrics["accuracy"], record.index, self.asked[record.index].genotype))

    def resumable(self):
        """Those that may be promoted, and not what pending trials resume: the manager knows that by itself."""
        waiting = {source for *_, source in self.queue if source is not None}
        return {i for i in {index for _, index, _ in self.ended} | self.running | waiting if self.asked[i].keep}


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class Shuffled:
    """Workers that end in a random order, several at once or one; dies after ``lives`` batches have come back."""

    def __init__(self, workers, seed=0, lives=None, training=fake_training):
        self.workers, self.lives, self.training = workers, lives, training
        self.rng = random.Random(seed)
        self.running = []
        self.sent = []

    @property
    def free(self):
        return self.workers - len(self.running)

    def submit(self, jobs):
        assert self.free > 0, "submitted without a free worker"
        self.running.append(jobs)
        self.sent.append([job.trial.index for job in jobs])

    def collect(self):
        self.rng.shuffle(self.running)
        outcomes = []
        for _ in range(self.rng.randint(1, len(self.running))):
            if self.lives == 0:
                raise Killed
            if self.lives is not None:
                self.lives -= 1
            part = evaluate(self.training, self.running.pop())
            outcomes += self.rng.sample(part, len(part))
        return outcomes

    def close(self):
        pass


@pytest.fixture
def training():
    return fake_training


@pytest.fixture
def halving():
    return Halving


@pytest.fixture
def shuffled():
    return Shuffled


@pytest.fixture
def killed():
    return Killed

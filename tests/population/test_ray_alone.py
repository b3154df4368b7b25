import os
import socket

import numpy as np
import pytest

from zoo.population import Job, ProxySetting, Record, Trial
from zoo.population.ray_executor import RayExecutor, ray
from zoo.spaces import DARTS


def make_factory():
    # Nested, so that it is sent to the workers by value: they cannot import a test.
    def factory(payload):
        def evaluator(batch):
            metrics = {"payload": payload, "niceness": os.nice(0)}
            return [(Record(index=job.trial.index, ok=True, metrics=metrics), None) for job in batch]

        return evaluator

    return factory


def test_without_an_address_ray_starts_here_and_stops_with_the_executor(monkeypatch, tmp_path):
    # Neither a cluster that the environment names nor one that Ray has noted is joined.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert not ray.is_initialized()
    executor = RayExecutor(make_factory(), 42, workers=1)
    assert ray.is_initialized()
    trial = Trial(
        index=0, genotype=DARTS.sample(np.random.default_rng(0)), setting=ProxySetting(0, 0, 0, 1), start=0, stop=1
    )
    executor.submit([Job(trial, 0, None)])
    ((record, _),) = executor.collect()
    assert record.metrics == {"payload": 42, "niceness": os.nice(0)}, "not behind everything else on the machine"
    (node,) = ray.nodes()
    assert node["NodeManagerAddress"] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):  # another address of this machine
        socket.create_connection(("127.0.0.2", node["NodeManagerPort"]), timeout=3)
    executor.close()
    assert not ray.is_initialized()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    executor.close()
    assert ray.is_initialized(), "what somebody else has started since then is not stopped"
    ray.shutdown()

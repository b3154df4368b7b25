"""Nodes that come and go while a search runs, on Ray's own nodes: processes of this machine."""

import os
import threading
import time

import pytest

from zoo.population import Journal, Manager, ProxySetting, RandomSearch, Record, SerialExecutor
from zoo.population.ray_executor import RayExecutor, ray
from zoo.spaces import DARTS

TRIALS = 300  # more than there is time for before the last event


def make_noting():
    # Nested, so that it is sent to the workers by value: they cannot import a test.
    def factory(folder):
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "serial"

        def evaluator(batch):
            (folder / f"{node} {os.getpid()} {batch[0].trial.index}").touch()
            if not (folder / "hurry").exists():
                time.sleep(1.0)  # until everything has happened
            return [
                (Record(index=j.trial.index, ok=True, metrics={"accuracy": 1 / (1 + j.trial.index)}), None)
                for j in batch
            ]

        return evaluator

    return factory


def search():
    return RandomSearch(DARTS, ProxySetting(0, 0, 0, 1), TRIALS, seed=0, keep=False)


def seen(folder):
    """What workers have begun: by trial the node and the process."""
    return {int(path.name.split()[2]): tuple(path.name.split()[:2]) for path in folder.glob("* * *")}


def wait_for(condition):
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.05)


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.mark.slow
def test_a_second_node_joins_then_the_first_loses_its_worker_and_is_lost(cluster, tmp_path, caplog):
    """It begins on no node at all, as where a cluster has scaled itself down."""
    serial = Journal.memory({})
    (tmp_path / "serial").mkdir()
    (tmp_path / "serial" / "hurry").touch()
    assert Manager(search(), serial).run(SerialExecutor(make_noting()(tmp_path / "serial")))
    noted = tmp_path / "noted"
    noted.mkdir()
    executor = RayExecutor(make_noting(), noted, workers=3, address=cluster.address, report=lambda _: None)
    assert "waiting for nodes that have it" in caplog.text
    found = []

    def run():
        journal = Journal.memory({})  # belongs to its thread
        found.append((Manager(search(), journal).run(executor), journal.counts(), journal.digest()))

    thread = threading.Thread(target=run)
    thread.start()
    first = cluster.add_node(num_cpus=1)  # Ray wants the main thread for nodes
    wait_for(lambda: seen(noted))
    assert len({node for node, _ in seen(noted).values()}) == 1
    second = cluster.add_node(num_cpus=2)
    wait_for(lambda: len({pid for _, pid in seen(noted).values()}) == 3)
    (pid,) = {pid for node, pid in seen(noted).values() if node == first.node_id}
    os.kill(int(pid), 9)
    wait_for(lambda: len({pid for node, pid in seen(noted).values() if node == first.node_id}) == 2)
    cluster.remove_node(first, allow_graceful=False)
    (noted / "hurry").touch()
    thread.join(120)
    executor.close()
    assert found == [(True, serial.counts(), serial.digest())]
    assert {node for node, _ in seen(noted).values()} == {first.node_id, second.node_id}

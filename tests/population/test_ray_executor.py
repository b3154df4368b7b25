import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from zoo.population import Job, Journal, Manager, ProxySetting, Record, SerialExecutor, Trial, cluster_address
from zoo.population.cluster_address import find_cluster
from zoo.population.faults import ATTEMPTS, MachineFault
from zoo.population.ray_executor import RayExecutor, _room, ray
from zoo.reliability.study import Study
from zoo.spaces import DARTS

GENOTYPE = DARTS.sample(np.random.default_rng(0))


@pytest.fixture
def start(local_ray):
    made = []

    def make(factory, payload=None, workers=1):
        made.append(RayExecutor(factory, payload, workers=workers))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def jobs(*indices):
    setting = ProxySetting(0, 0, 0, 1)
    return [Job(Trial(index=i, genotype=GENOTYPE, setting=setting, start=0, stop=1), i, None) for i in indices]


def make_mortal():
    # Nested, so that it is sent to the workers by value: they cannot import a test.
    def factory(folder):
        def deadly(index, deaths):
            """Whether this trial still has to kill its worker; every death leaves a file."""
            left = folder / f"{index} {os.getpid()}"
            if len(list(folder.glob(f"{index} *"))) >= deaths.get(index, 0):
                return False
            left.touch()
            return True

        def evaluator(batch):
            for job in batch:
                if deadly(job.trial.index, {3: 1, 8: 3}):
                    os._exit(1)
            return [(Record(index=j.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for j in batch]

        return evaluator

    return factory


def test_a_batch_whose_worker_dies_is_sent_again_and_never_a_result(start, tmp_path):
    executor = start(make_mortal(), tmp_path)
    executor.submit(jobs(2, 3))
    found = [(r.index, r.ok, r.attempt, r.batch) for r, _ in executor.collect()]
    assert found == [(2, True, 2, 2), (3, True, 2, 2)]
    assert executor.free == 1
    executor.submit(jobs(8, 9))
    with pytest.raises(MachineFault, match="the batch of trial 8 was sent 3 times in vain: its process ended"):
        executor.collect()
    assert len(list(tmp_path.iterdir())) == 1 + ATTEMPTS


def make_odd():
    def factory(payload):
        import threading

        def evaluator(batch):
            index = batch[0].trial.index
            if index == 1:  # what cannot be sent
                return [(Record(index=1, ok=True), threading.Lock())]
            try:
                payload["images"][0] = 1
                wrote = 1
            except ValueError:
                wrote = 0
            metrics = {"wrote": wrote, "sum": float(payload["images"].sum()), "pid": os.getpid()}
            return [(Record(index=index, ok=True, metrics=metrics), None)]

        return evaluator

    return factory


def test_arrays_arrive_read_only_and_outcomes_that_cannot_be_sent_are_failures(start):
    executor = start(make_odd(), {"images": np.ones((10, 3, 16, 16), dtype=np.uint8)})
    executor.submit(jobs(0))
    ((record, _),) = executor.collect()
    assert (record.metrics["wrote"], record.metrics["sum"]) == (0, 7680.0)
    executor.submit(jobs(1))
    ((record, weights),) = executor.collect()
    assert (record.index, record.ok, record.attempt, weights) == (1, False, 1, None)
    assert record.reason.startswith("TypeError: cannot pickle"), "the same wherever it ran"
    executor.submit(jobs(2))
    ((again, _),) = executor.collect()
    assert again.ok


def make_training(deadly=False):
    def factory(folder):
        def evaluator(batch):
            outcomes = []
            for job in batch:
                index = job.trial.index
                if deadly and index == 5 and not (folder / "died").exists():
                    (folder / "died").touch()
                    os._exit(1)
                if index == 7:
                    raise RuntimeError("seven")
                rng = np.random.default_rng((index, job.trial.setting.c))
                record = Record(index=index, ok=True, metrics={"accuracy": rng.random()}, epochs_paid=job.trial.stop)
                outcomes.append((record, None))
            return outcomes

        return evaluator

    return factory


def study():
    grid = [ProxySetting.parse("c4r4s0e1"), ProxySetting.parse("c2r2s0e1")]
    return Study(DARTS, grid, ProxySetting.parse("c0r0s0e2"), repeats=2, growth=[5], batch=2)


def test_any_number_of_workers_gives_the_digest_of_none_and_a_death_does_not_show(start, tmp_path):
    serial = Journal.memory({})
    assert Manager(study(), serial, batch=2).run(SerialExecutor(make_training()(tmp_path)))
    assert serial.counts() == {"trials": 20, "done": 20, "failed": 2, "pending": 0}
    for workers, deadly in ((1, False), (2, True), (4, False)):
        journal = Journal.memory({})
        executor = start(make_training(deadly), tmp_path, workers)
        assert executor.free == workers
        assert Manager(study(), journal, batch=2).run(executor)
        executor.close()
        assert journal.digest() == serial.digest()
        assert max(record.attempt for record in journal.records().values()) == 1 + deadly


def make_broken():
    def factory(payload):
        raise ImportError("no module\nnamed payload")

    return factory


def test_a_worker_that_cannot_start_is_an_error_and_no_record(start):
    """The cause is the machine's, so no trial may be written off for it."""
    executor = start(make_broken())
    executor.submit(jobs(0))
    with pytest.raises(MachineFault, match="lost in a row: it cannot start: ImportError: no module named payload"):
        executor.collect()


# ---------------------------------------------------------------- without Ray


@pytest.mark.parametrize(
    ("has", "asked", "room"),
    [
        ({"CPU": 8.0}, (4, 1, 0.0), 4),
        ({"CPU": 8.0}, (16, 1, 0.0), 8),
        ({"CPU": 8.0}, (8, 3, 0.0), 2),
        ({"CPU": 8.0, "GPU": 2.0}, (8, 1, 0.0), 8),
        ({"CPU": 64.0, "GPU": 2.0}, (64, 1, 0.25), 8),
        ({"CPU": 64.0, "GPU": 2.0}, (64, 1, 0.3), 6),
        ({"CPU": 64.0, "GPU": 4.0}, (64, 1, 2.0), 2),
    ],
)
def test_a_small_cluster_has_room_for_as_many_workers_as_fit(monkeypatch, caplog, has, asked, room):
    monkeypatch.setattr(ray, "cluster_resources", lambda: has)
    assert _room(*asked, elastic=False) == room
    assert ("room for" in caplog.text) == (room < asked[0])
    assert "others begin" not in caplog.text
    assert _room(*asked, elastic=True) == room
    assert ("the others begin when nodes join" in caplog.text) == (room < asked[0])
    assert ("GPUs, none of which this run asks for" in caplog.text) == ("GPU" in has and not asked[2])


@pytest.mark.parametrize("asked", [(1, 4, 0.0), (1, 1, 0.5)])
def test_a_machine_without_room_is_an_error_and_a_cluster_may_grow(monkeypatch, caplog, asked):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(ValueError, match="no room for a worker"):
        _room(*asked, elastic=False)
    assert _room(*asked, elastic=True) == 0
    assert "no room for a worker with" in caplog.text
    assert "waiting for nodes that have it" in caplog.text


@pytest.mark.parametrize(("options", "message"), [({"workers": 0}, "at least 1, got 0"), ({"workers": -1}, "got -1")])
def test_workers_are_counted_before_anything_starts(options, message):
    with pytest.raises(ValueError, match=message):
        RayExecutor(make_odd(), None, **options)
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.5"):
        RayExecutor(make_odd(), None, workers=1, gpus=-0.5)


@pytest.mark.parametrize(
    "address", ["", "localhost", "localhost:", ":6379", "host:port", "ray://host", "1.2.3.4:63x", "local"]
)
def test_a_malformed_address_is_named_with_what_is_expected(address):
    with pytest.raises(ValueError, match="is not a Ray address, expected auto, host:port or ray://host:port") as error:
        find_cluster(address)
    assert repr(address) in str(error.value)


@pytest.fixture
def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    return port


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "localhost:{}", "[::1]:{}"])
def test_an_address_nobody_answers_at_is_an_error_and_no_wait(form, closed_port):
    address = form.format(closed_port)
    with pytest.raises(ValueError, match="no Ray cluster answers at") as error:
        find_cluster(address)
    assert address in str(error.value)


def test_an_address_that_cannot_exist_is_an_error_too(monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(ValueError, match=r"no Ray cluster answers at 127\.0\.0\.1:99999999"):
        find_cluster("127.0.0.1:99999999")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ValueError, match="no Ray cluster answers at no-such-host:6379"):
        find_cluster("no-such-host:6379")


@pytest.fixture
def answering():
    """A port where somebody says what a gRPC server says first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_an_address_somebody_answers_at_is_given_back(answering):
    assert find_cluster(answering) == answering
    assert find_cluster(f"ray://{answering}") == f"ray://{answering}"


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_that_accepts_and_never_answers_as_ray_does_is_an_error_in_time(says, monkeypatch):
    monkeypatch.setattr(cluster_address, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                connection.sendall(says)
                time.sleep(0.5)

        threading.Thread(target=serve, daemon=True).start()
        address, began = f"127.0.0.1:{server.getsockname()[1]}", time.monotonic()
        with pytest.raises(ValueError, match="no Ray cluster answers at"):
            find_cluster(address)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("note", [None, "", "\n"])
@pytest.mark.parametrize("variable", ["RAY_TMPDIR", "TMPDIR"])
def test_auto_without_a_cluster_says_how_to_start_one(tmp_path, monkeypatch, note, variable):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    if note is not None:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(note)
    with pytest.raises(ValueError, match="no running Ray cluster was found; start one with `ray start --head`"):
        find_cluster("auto")


def test_auto_finds_the_cluster_ray_noted_or_the_environment_names(tmp_path, monkeypatch, closed_port, answering):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "ray").mkdir()
    Path(tmp_path, "ray", "ray_current_cluster").write_text(answering + "\n")
    assert find_cluster("auto") == answering
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    with pytest.raises(ValueError, match=f"answers at 127.0.0.1:{closed_port}"):
        find_cluster("auto")


def test_ray_that_cannot_start_here_is_one_line(monkeypatch):
    def refuse(**_):
        raise RuntimeError("Failed to start\nthe GCS server")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(MachineFault, match="Ray cannot start here: RuntimeError: Failed to start the GCS server"):
        RayExecutor(make_odd(), None, workers=1)

"""docs/cluster.md: its manifests are what Ray and Kubernetes expect; its commands run where one machine allows it."""

import http.client
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from zoo.experiments.folder import check_folder

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
WITH_JOBS = importlib.util.find_spec("aiohttp") is not None  # of ray[default]


def manifests():
    yaml = pytest.importorskip("yaml")
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def section(title):
    """The commands of a section."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    (block, *_) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return block.splitlines()


def test_the_cluster_has_the_form_that_ray_expects():
    jsonschema = pytest.importorskip("jsonschema")
    (folder,) = importlib.util.find_spec("ray").submodule_search_locations
    cluster, _ = manifests()
    jsonschema.validate(cluster, json.loads(Path(folder, "autoscaler", "ray-schema.json").read_text()))
    kinds = cluster["available_node_types"]
    assert cluster["head_node_type"] in kinds
    assert kinds["head"]["resources"] == {"CPU": 0}
    assert all(
        "RAY_worker_niceness=0 ray start" in cluster[name][-1] for name in cluster if name.endswith("ray_commands")
    )


def test_the_kubernetes_cluster_begins_without_workers_and_keeps_runs_on_a_volume():
    _, found = manifests()
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayCluster")
    head, (group,) = found["spec"]["headGroupSpec"], found["spec"]["workerGroupSpecs"]
    assert head["rayStartParams"] == {"num-cpus": "0"}
    (mount,), (volume,) = head["template"]["spec"]["containers"][0]["volumeMounts"], head["template"]["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    assert f"--out {mount['mountPath']}/" in PAGE
    assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]
    assert found["spec"]["enableInTreeAutoscaling"]


def test_a_run_in_the_folder_of_a_job_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "session_2026-01-01_1" / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for out in (Path("runs/study"), folder / "runs"):
        with pytest.raises(ValueError, match="Ray removes with its job, expected an absolute path elsewhere"):
            check_folder(out)
    check_folder(tmp_path / "runs")
    assert list(folder.iterdir()) == []


# ---------------------------------------------------------------- with Ray


@contextmanager
def cluster(commands):
    """A cluster by its commands, in a home of its own; its nodes end with this block, and no other Ray does."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="r") as place:  # names of sockets are short
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        env = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": path,
            "HOME": place,
            "RAY_TMPDIR": place,
        }
        started = []
        try:
            for command in commands:
                words = shlex.split(command)
                if words[0] == "export":
                    env |= dict(word.split("=") for word in words[1:])
                elif words[:2] == ["ray", "start"]:
                    log = Path(place, f"{len(started)}.log")
                    with log.open("w") as out:
                        node = subprocess.Popen(
                            [*words, "--block"], env=env, stdout=out, stderr=out, start_new_session=True
                        )
                    started.append(node)
                    wait_for(lambda path=log: "Ray runtime started" in path.read_text(), log)
                else:
                    said(words, env, place)
            yield env
        finally:
            for node in reversed(started):
                node.send_signal(signal.SIGTERM)
            for node in reversed(started):
                try:
                    node.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(node.pid, signal.SIGKILL)


def wait_for(condition, log):
    ends = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < ends, log.read_text()
        time.sleep(0.2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def serves(port):
    """Whether Ray answers there; merely to connect may reach oneself, where the port is one of those given out."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)) as page:
            page.request("GET", "/api/version")
            return page.getresponse().status in (200, 401)  # without the token
    except (OSError, http.client.HTTPException):
        return False


def said(words, env, folder):
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def port() -> Iterator[str]:
    return free_port()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_on_one_machine_run_as_the_page_says(port, tmp_path):
    commands = [line.replace("6379", port) for line in section("Try it on one machine")]
    assert [line.split()[0] for line in commands] == ["export", *["ray"] * 3, *["thriftnas"] * 4]
    rest = commands[4:]
    with cluster(commands[:4]) as env:
        answers = [said(shlex.split(line), env, tmp_path) for line in rest]
        alone = shlex.split(rest[0].split(" --workers")[0])
        said([*alone, "--out", "runs/alone"], env, tmp_path)
        assert said(["thriftnas", "run", "digest", "runs/alone"], env, tmp_path) == answers[-1]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not WITH_JOBS, reason="jobs need ray[default]")
def test_a_job_runs_and_its_relative_out_is_refused(port, tmp_path):
    """With what the page says of jobs, but for the sizes."""
    page = free_port()
    before, build = section("Try it on one machine")[:2], section("Try it on one machine")[4]
    build = build.split(" --workers")[0] + " --workers 1 --address auto"
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "note").touch()
    with cluster([*before, f"ray start --head --port {port} --num-cpus 2 --dashboard-port {page}"]) as env:
        submit = ["ray", "job", "submit", "--address", f"http://127.0.0.1:{page}", "--working-dir", "dist", "--"]
        wait_for(lambda: serves(page), Path(env["HOME"], "0.log"))
        said([*submit, *shlex.split(build), "--out", str(tmp_path / "run")], env, tmp_path)
        assert (tmp_path / "run" / "journal.sqlite").exists()
        refused = subprocess.run(
            [*submit, *shlex.split(build), "--out", "runs/here"], env=env, cwd=tmp_path, capture_output=True, text=True
        )
        assert refused.returncode
        assert "Ray removes with its job" in refused.stdout + refused.stderr

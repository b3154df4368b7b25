"""The server: read only, for this machine alone or for whoever has the token; its pages run no foreign script."""

import base64
import hashlib
import http.client
import json
import re
import shutil
import threading
from contextlib import closing, contextmanager

import pytest

from tests.live.conftest import EVIL, IDENTITY
from zoo.experiments import Run
from zoo.live.compared import comparison_page
from zoo.live.folder_site import FolderSite
from zoo.live.run_site import RunSite
from zoo.live.server import Server, is_loopback
from zoo.live.snapshot import run_at
from zoo.population.journal import Journal


@contextmanager
def served(site, host="127.0.0.1"):
    server = Server(site, host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def ask(server, path="/", method="GET", **headers):
    """Status, headers and text of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)) as link:
        link.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = link.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


@pytest.fixture
def empty(tmp_path):
    Journal.create(tmp_path / EVIL.replace("/", ""), IDENTITY).close()
    return tmp_path / EVIL.replace("/", "")


def test_only_its_own_addresses_are_served_and_nothing_is_written(empty):
    with served(RunSite(run_at(empty))) as server:
        port = server.server_address[1]
        assert ask(server)[0] == 200
        assert ask(server, Host=f"localhost:{port}")[0] == 200
        for name in (f"evil.example:{port}", "evil.example", f"127.0.0.1.evil.example:{port}", "127.0.0.1:1", "", "["):
            assert ask(server, Host=name)[0] == 421, name
        assert [ask(server, method=method)[0] for method in ("POST", "PUT", "DELETE")] == [501] * 3
        assert [ask(server, path)[0] for path in ("/journal.sqlite", "/../", "/run/0/", "/%2e%2e/")] == [404] * 4
        assert ask(server, method="HEAD")[2] == ""


def test_elsewhere_a_token_is_wanted_which_leaves_the_address_for_a_cookie(empty):
    with served(RunSite(run_at(empty)), "0.0.0.0") as server:
        assert ask(server)[0] == 403
        assert ask(server, "/?token=wrong")[0] == 403
        assert ask(server, "/events")[0] == 403
        assert server.token in server.address
        code, headers, _ = ask(server, f"//evil.example/?token={server.token}")
        assert (code, headers["Location"]) == (303, "/evil.example/")
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        cookie = headers["Set-Cookie"].split(";")[0]
        assert ask(server, Cookie=cookie)[0] == 200
        assert ask(server, Cookie="thriftnas=x; ;;=")[0] == 403


def test_a_page_runs_its_own_scripts_and_no_other(empty):
    with served(RunSite(run_at(empty))) as server:
        _, headers, text = ask(server)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert len(scripts) == 2
    assert all(f"'sha256-{one}'" in headers["Content-Security-Policy"] for one in hashes)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "&lt;script&gt;alert(1)" in text


def test_events_tell_the_state_and_the_version_of_the_report(empty):
    with served(RunSite(run_at(empty))) as server:
        link = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
        with closing(link):
            link.request("GET", "/events")
            answer = link.getresponse()
            assert answer.getheader("Content-Type") == "text/event-stream"
            lines = [answer.readline().decode() for _ in range(5)]
    assert lines[0] == "event: state\n"
    assert json.loads(lines[1].removeprefix("data: "))["state"] == "stopped"
    assert lines[3] == "event: report\n"


def test_a_report_is_made_again_only_when_the_journal_has_grown(runs, tmp_path, monkeypatch):
    folder = shutil.copytree(runs / "evolution", tmp_path / "run")
    site, made = RunSite(run_at(folder)), []
    make = RunSite._made
    monkeypatch.setattr(RunSite, "_made", lambda self: made.append(1) or make(self))
    pages = {site.answer("/report", {}).text for _ in range(3)}
    assert (len(pages), len(made)) == (1, 1)
    assert 'id="live"' in site.answer("/", {}).text
    assert 'id="live"' not in pages.pop()


def test_a_folder_is_listed_and_its_runs_are_compared(runs):
    site = FolderSite(runs)
    listed = site.answer("/", {}).text
    assert "3 runs, 0 of them running." in listed
    numbers = {name: site._numbers[str(runs / name)] for name in ("evolution", "other", "front")}
    assert f'href="run/{numbers["front"]}/"' in listed
    compared = site.answer("/compare", {"run": [str(numbers["evolution"]), str(numbers["other"]), "99", "x"]}).text
    differing = compared.split("In what they differ")[1].split("</table>")[0]
    assert "strategy parameters parents" in differing
    assert "strategy parameters start" not in differing
    first, other = Run(runs / "evolution"), Run(runs / "other")
    assert "one and again have the highest accuracy" in comparison_page({"one": first, "again": first, "other": other})
    with pytest.raises(ValueError, match="expected 2 to 6 runs"):
        site.answer("/compare", {"run": ["0"]})
    assert "all runs" in site.answer(f"/run/{numbers['front']}/", {}).text
    assert [site.answer(path, {}) for path in ("/run/99/", "/run/x/", "/run/0", "/other")] == [None] * 4


def test_a_port_out_of_range_and_a_folder_that_is_none_are_refused(thriftnas, runs, tmp_path):
    port = thriftnas("run", "watch", runs / "evolution", "--web", "--port", "70000")
    assert (port.code, port.err) == (2, "error: port: expected 0 to 65535, got 70000\n")
    folder = thriftnas("run", "list", tmp_path / "none", "--web")
    assert folder.code == 2
    assert "is no folder" in folder.err


def test_loopback_addresses():
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "localhost.evil", "")] == [False] * 4

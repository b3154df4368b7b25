"""Every kind of page in a browser: nothing wrong on its console, nothing asked of elsewhere, nothing cut off, readable
by everybody; points that are hovered and chosen; a page that follows a search which is really running, and is killed.

One browser for all of it; skipped where there is none, or where playwright and axe-core are not installed.
"""  # fmt: skip

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.killing import kill_at, started
from tests.live.conftest import EVIL
from tests.live.test_server import served
from tests.reliability.test_report import good
from zoo.live.folder_site import FolderSite
from zoo.live.run_site import RunSite
from zoo.live.snapshot import run_at
from zoo.reliability.analysis import judge
from zoo.reliability.own_table import Asked, read_own_table
from zoo.reliability.report import findings_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
HAND, DESK = 390, 1280


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def axe_script():
    from importlib.resources import files

    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(runs, tmp_path_factory):
    """Pages by name, as files."""
    folder = tmp_path_factory.mktemp("pages")
    found = good(networks=8)
    about = {**found.about, "data": {"name": EVIL, "classes": [EVIL], "train": 1, "validation": 1}, "command": [EVIL]}
    (folder / "study.html").write_text(findings_page(replace(found, about=about), folder / EVIL), encoding="utf-8")
    rng = np.random.default_rng(0)
    table = folder / "t.csv"
    rows = [f"n{i},{i + rng.random():.3f},{i + rng.random():.3f},{rng.random():.3f}" for i in range(12)]
    table.write_text("\n".join([f"name,ref,good,{EVIL}", *rows]))
    asked = Asked(reference=("ref",), proxies=("good", EVIL), name="name")
    (folder / "analysis.html").write_text(judge(read_own_table(table, asked)).page, encoding="utf-8")
    shutil.copy(runs / "evolution" / "report.html", folder / "search.html")
    shutil.copy(runs / "front" / "front.html", folder / "front.html")
    site = FolderSite(runs)
    (folder / "list.html").write_text(site.answer("/", {}).text, encoding="utf-8")
    (folder / "compared.html").write_text(site.answer("/compare", {"run": ["0", "1", "2"]}).text, encoding="utf-8")
    return folder


def opened(browser, address, width=DESK, **context):
    """A page, and a list of everything that went wrong in it or was asked of elsewhere."""
    wrong = []
    page = browser.new_context(viewport={"width": width, "height": 900}, **context).new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    return page, wrong


@pytest.mark.parametrize("name", ["study", "analysis", "search", "front", "list", "compared"])
def test_a_page_is_whole_on_a_hand_and_a_desk_in_the_light_and_the_dark(browser, axe_script, pages, name):
    address = (pages / f"{name}.html").as_uri()
    for width, scheme in ((HAND, "light"), (DESK, "dark")):
        page, wrong = opened(browser, address, width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        letters = """[...document.querySelectorAll("svg.chart text")].filter(one => one.checkVisibility()).map(one =>
            parseFloat(getComputedStyle(one).fontSize) * Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b))"""
        assert min(page.evaluate(letters), default=9) > 7, name
        page.evaluate(axe_script)
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        assert wrong == []
        page.context.close()


def test_a_point_says_what_it_is_and_shows_its_network_when_it_is_chosen(browser, pages):
    page, wrong = opened(browser, (pages / "front.html").as_uri())
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    point = page.locator("figure:not([hidden]) .wider [data-of]").last  # others may lie below it
    point.hover()
    assert page.inner_text("#hover").startswith("trial ")
    point.click()
    told = page.locator("figure:not([hidden]) .told")
    assert "thriftnas run export" in told.inner_text()
    before = told.inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert told.inner_text() != before
    assert page.locator(".choice figure:visible").count() == 1
    page.get_by_label("Axes:").select_option("1")
    assert page.locator(".choice figure:visible").count() == 1
    assert wrong == []
    page.context.close()


def test_a_candidate_of_a_study_shows_its_numbers_and_its_search_when_it_is_chosen(browser, pages):
    page, wrong = opened(browser, (pages / "study.html").as_uri())
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    figure = page.locator("figure").first
    point = figure.locator(".wider [data-of^=candidate]").first
    point.hover(force=True)  # signals of a setting may lie above each other
    assert " ρ " in page.inner_text("#hover")
    point.focus()
    page.keyboard.press("Enter")
    told = figure.locator(".told")
    assert "Kendall τ" in told.inner_text()
    assert "thriftnas econas search" in told.inner_text()
    assert told.locator("h3").inner_text() in page.inner_text("#hover")
    point.click(force=True)
    shown = {told.locator("h3").inner_text()}
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        shown.add(told.locator("h3").inner_text())
    assert len(shown) == 3
    assert wrong == []
    page.context.close()


def test_a_page_is_complete_without_scripts_and_on_paper(browser, pages):
    page, _ = opened(browser, (pages / "front.html").as_uri(), java_script_enabled=False)
    assert page.locator("figure svg:visible").count() >= 2
    assert page.locator("button:visible, select:visible").count() == 0
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator(".wider:visible").count() >= 2
    assert len(page.pdf()) > 10_000
    page.context.close()


@pytest.mark.slow
def test_a_page_follows_a_search_that_is_running_and_sees_it_killed(browser, tmp_path):
    run = tmp_path / "run"
    words = ["zoo", "build", "--data", "digits", "--models", "500", "--setting", "c0r0s0e1", "--channels", "4"]
    words += ["--cells", "3", "--resolution", "8", "--train", "100", "--val", "50", "--batch", "20"]
    with started([*words, "--out", str(run)], tmp_path / "log") as process:
        while not (run / "journal.sqlite").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        time.sleep(1)
        with served(RunSite(run_at(run))) as server:
            page, wrong = opened(browser, server.address)
            loads = []
            page.on("load", lambda page: loads.append(page.url))
            page.locator("#live[data-state=running]").wait_for()
            page.locator("#report tbody tr").nth(1).wait_for(state="attached", timeout=120_000)
            page.locator(".ran summary").click()
            assert page.locator(".next:visible").count() == 0  # somebody runs it
            kill_at(process, run, 3, 0)
            page.locator("#live[data-state=interrupted]").wait_for(timeout=60_000)
            assert f"thriftnas run resume {run}" in page.inner_text("#live")
            page.locator(".next code", has_text="thriftnas run resume").wait_for(timeout=60_000)  # in the report, too
            assert page.locator("details.ran[open]").count() == 1  # what was opened stays open
            assert loads == []
            assert wrong == []
            page.context.close()

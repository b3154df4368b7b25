"""What the documentation site is made of: tutorials that run, every command with its options, one picture."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import typer

from tests.test_readme import broken_links, read
from zoo.cli import app

ROOT = Path(__file__).parents[1]
MAKING = ROOT / "docs" / "making"
SCRIPTS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
QUICK = ("own_numbers", "published_table")
"""Those that train nothing."""

WITHOUT_TORCH = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"no module named {name!r}: not installed here", name=name)
sys.meta_path.insert(0, Nothing())
"""
"""Run when an interpreter starts: as where torch is not installed."""


def making(name):
    """A module of docs/making, whose modules find each other beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MAKING))
        found = importlib.import_module(name)
    sys.modules.pop(name)
    return found


@pytest.fixture(scope="module")
def tutorials():
    return making("tutorials")


def test_there_are_six_tutorials_and_all_are_in_the_navigation():
    assert len(SCRIPTS) == 6
    assert set(re.findall(r"tutorials/(\w+)\.md", read("mkdocs.yml"))) == {script.stem for script in SCRIPTS}


def test_comments_are_text_and_everything_else_is_code(tutorials):
    text = "# # Title\n#\n# One\n# line.\n\na = 1\n\n\ndef f():\n    # inside\n    return a\n\n# Last\n"
    assert list(tutorials.parts(text)) == [
        ("text", "# Title\n\nOne\nline."),
        ("code", "a = 1\n\n\ndef f():\n    # inside\n    return a"),
        ("text", "Last"),
    ]


def test_what_a_block_prints_stands_below_it(tutorials, tmp_path):
    script = tmp_path / "one.py"
    script.write_text("# # One\n\na = 2\nprint(a)\n\n# Then\n\nprint(a * a)\n")
    shown = tutorials.page(script)
    assert [shown.index(part) for part in ("# One", "print(a)", "\n2\n", "Then", "print(a * a)", "\n4\n")] == sorted(
        shown.index(part) for part in ("# One", "print(a)", "\n2\n", "Then", "print(a * a)", "\n4\n")
    )
    script.write_text("raise ValueError('broken')\n")
    with pytest.raises(RuntimeError, match="broken"):
        tutorials.page(script)


@pytest.mark.parametrize(
    "script",
    [pytest.param(one, id=one.stem, marks=() if one.stem in QUICK else pytest.mark.slow) for one in SCRIPTS],
)
def test_a_tutorial_runs_and_prints(script, tutorials, monkeypatch, tmp_path):
    monkeypatch.delenv("NAS_BENCH_201", raising=False)
    if script.stem == "published_table":
        (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    page = tutorials.page(script)
    assert page.startswith("# ")
    assert page.count('title="prints"') >= 2


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_links_of_a_tutorial_lead_somewhere(script, tutorials, tmp_path):
    text = tutorials.page(script, run=False)
    page = script.with_suffix(".md")
    assert not page.exists()
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "tutorials").mkdir()
    copy = tmp_path / "tutorials" / page.name
    copy.write_text(text.replace("](../", "](../docs/"))
    assert broken_links(copy) == []


def test_the_page_of_commands_has_every_command_with_every_option():
    commands = making("commands")
    text = commands.page()
    root = typer.main.get_command(app)
    for path in commands.names():
        command = root
        for name in path[1:]:
            command = command.commands[name]
        section = text.partition(f"## {' '.join(path)}\n")[2].partition("\n## ")[0]
        assert section, path
        for one in command.params:
            if one.param_type_name == "option" and not one.hidden:
                assert all(f"`{word}`" in section for word in one.opts), (path, one.name)
    assert "| `--models` | integer |" in text


def test_nothing_of_a_help_text_is_markdown_or_html():
    cell = making("commands")._cell
    assert cell("a|b <x> *y* [z](u)\n{w}") == "a\\|b \\<x> \\*y\\* \\[z\\](u) \\{w\\}"


def test_the_picture_of_the_first_page_is_one_svg_that_needs_nothing_else():
    text = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert text.lstrip().startswith(("<?xml", "<svg"))
    assert 'xmlns="http://www.w3.org/2000/svg"' in text
    assert "<script" not in text
    assert not re.search(r'(?:href|src)="https?:', text)

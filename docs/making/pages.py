"""What the site has beside docs/*.md: the command reference, executed tutorials, and documents of the root."""

import os
import re
from pathlib import Path
from typing import Any

import commands
import tutorials
from mkdocs.structure.files import File

QUICK = "QUICK" in os.environ
"""Tutorials are shown and not run: for whoever looks at other pages."""
ROOT_PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md"}
"""By page the file of the repository's root that it shows."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made, and leave their scripts out."""
    made = {"reference/commands.md": commands.page()}
    made |= {page: _moved(tutorials.ROOT / name) for page, name in ROOT_PAGES.items()}
    made |= {f"tutorials/{script.stem}.md": tutorials.page(script, run=not QUICK) for script in tutorials.scripts()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to files of the root lead to their pages; those to scripts of tutorials to what they printed."""
    up = "../" * page.file.src_uri.count("/")
    for target, name in ROOT_PAGES.items():
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{target}")
    return re.sub(r"(\]\([\w./]*tutorials/\w+)\.py\)", r"\1.md)", markdown)


def _moved(path: Path) -> str:
    """A document of the root as a page: its links lead from docs/."""
    return re.sub(r"\]\(docs/", "](", path.read_text(encoding="utf-8"))

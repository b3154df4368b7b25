"""What a reader of a page sees: its text, without tags, line ends and spaces being one space."""

import html
import re


def shown(page: str) -> str:
    """The text of a page or a part of it."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())

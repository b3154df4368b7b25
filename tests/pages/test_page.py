"""Pages: what is filled in is escaped, and lines end where a reader expects it."""

from zoo.pages.page import facts, unbroken, words


def test_a_command_ends_its_lines_between_words() -> None:
    """Not after the hyphens of an option; what is copied is the command itself."""
    shown = words("thriftnas run export '<b>' --best")
    assert '<span class="word">--best</span>' in shown
    assert "<b>" not in shown
    assert shown.striptags().split() == ["thriftnas", "run", "export", "'<b>'", "--best"]


def test_a_number_stays_with_its_unit() -> None:
    assert unbroken("10 % to 163 k of 5 kinds") == "10\xa0% to 163\xa0k of 5 kinds"


def test_an_option_stays_whole_and_a_minus_is_one() -> None:
    assert unbroken("the same with --compare 3") == 'the same with <span class="option">--compare</span> 3'
    assert unbroken("-2.4 points [-31.5, +26.8], c-3 at 5-6") == "−2.4 points [−31.5, +26.8], c-3 at 5-6"
    assert "<b>" not in unbroken("<b> --x")


def test_a_whole_number_is_written_as_one() -> None:
    written = dict(facts({"budget": 1500.0, "share": 0.5, "seed": 0}))
    assert written == {"budget": "1500", "share": "0.5", "seed": "0"}

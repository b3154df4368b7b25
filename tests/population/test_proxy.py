import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.population.proxy import (
    LEVELS,
    ProxySetting,
    acceleration,
    channels_at,
    merge_coinciding,
    parse_grid,
    resolution_at,
    share_at,
    training_macs,
)
from zoo.spaces import ECONAS_ZOO, Skeleton, cost

level = st.integers(0, LEVELS - 1)
ORIGINAL = Skeleton()
EVERY_LEVEL = [ProxySetting(0, r, 0, 1) for r in range(LEVELS)]


# ---------------------------------------------------------------- the written form


@settings(deadline=None)
@given(level, level, level, st.integers(1, 10_000))
def test_a_setting_survives_its_written_form(c, r, s, e):
    setting = ProxySetting(c, r, s, e)
    assert str(setting) == f"c{c}r{r}s{s}e{e}"
    assert ProxySetting.parse(str(setting)) == setting
    assert ProxySetting.parse(f" {setting}\n") == setting


MALFORMED = ["", "c0", "c0r0s0", "r0c0s0e1", "c0r0s0e", "c-1r0s0e1", "c0r0s0e1.5", "C0R0S0E1", "c0r0s0e1x", "c0 r0s0e1"]


@pytest.mark.parametrize("text", [*MALFORMED, "c0r0s0e٣", "c0r0s0e1 c0r0s0e2", "{}"])
def test_a_malformed_setting_is_named(text):
    with pytest.raises(ValueError, match="not a proxy setting") as error:
        ProxySetting.parse(text)
    assert repr(text) in str(error.value)
    assert "c4r4s0e60" in str(error.value)


@pytest.mark.parametrize(
    ("text", "wrong", "expected"),
    [
        ("c5r0s0e1", "c5", "c0 to c4"),
        ("c0r5s0e1", "r5", "r0 to r4"),
        ("c0r0s9e1", "s9", "s0 to s4"),
        ("c0r0s0e0", "e0", "at least 1"),
    ],
)
def test_an_unknown_level_is_named_with_what_exists(text, wrong, expected):
    for read in (ProxySetting.parse, parse_grid):
        with pytest.raises(ValueError, match=wrong) as error:
            read(text)
        assert expected in str(error.value)


# ---------------------------------------------------------------- grids


def test_a_grid_comes_in_reading_order_with_the_last_factor_fastest():
    found = [str(setting) for setting in parse_grid("c{0,2}r{4,0}s0e{30,60}")]
    expected = [f"c{c}r{r}s0e{e}" for c, r, e in itertools.product((0, 2), (4, 0), (30, 60))]
    assert found == expected


def test_a_grid_holds_each_setting_once_where_it_came_first():
    found = [str(setting) for setting in parse_grid("c2r0s0e1 c{0,2,2}r0s0e1  c0r0s0e1\tc1r0s0e1")]
    assert found == ["c2r0s0e1", "c0r0s0e1", "c1r0s0e1"]


def test_white_space_inside_braces_separates_nothing():
    assert parse_grid("c{ 0, 2 ,4 }r0s0e{3,\n6} c1r1s1e1") == parse_grid("c{0,2,4}r0s0e{3,6} c1r1s1e1")


@pytest.mark.parametrize(
    "text",
    [
        *MALFORMED[1:-1],
        *("c{0}r{0}s{0}", "c{0}r{0}s{0}e{}", "c{}r0s0e1", "c{0,}r0s0e1", "c{,0}r0s0e1", "c{a}r0s0e1", "c{0 2}r0s0e1"),
        *("c{-1}r0s0e1", "c{0}}r0s0e1", "c{{0}}r0s0e1", "c{0r0s0e1", "c0c1r0s0e1", "c{0-4}r0s0e1", "c{1.0}r0s0e1"),
        *("c{0}r0s0e1,c1r0s0e1", "c{٣}r0s0e1", "x"),
    ],
)
def test_a_malformed_grid_is_named(text):
    with pytest.raises(ValueError, match="is not a") as error:
        parse_grid("c0r0s0e1 " + text)
    assert text in str(error.value)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_grid_is_an_error(text):
    with pytest.raises(ValueError, match="empty"):
        parse_grid(text)


# ---------------------------------------------------------------- what the levels are


def test_levels_are_those_of_the_table():
    # docs/papers.md, section 1; levels 0 and 4 of c and r are the authors' (Zhou 2020)
    assert [channels_at(36, i) for i in range(LEVELS)] == [36, 25, 18, 13, 9]
    assert [resolution_at(32, i) for i in range(LEVELS)] == [32, 24, 16, 12, 8]
    assert [share_at(i) for i in range(LEVELS)] == [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]


@pytest.mark.parametrize(
    ("base", "divisor", "expected"),
    [
        (28, 4, [28, 20, 16, 8, 8]),  # level 2 is 14, half-way between 12 and 16
        (16, 4, [16, 12, 8, 4, 4]),
        (4, 4, [4, 4, 4, 4, 4]),
        (224, 32, [224, 160, 128, 64, 64]),  # level 2 is 112, half-way between 96 and 128
    ],
)
def test_resolutions_are_multiples_of_what_the_form_divides_by(base, divisor, expected):
    assert [resolution_at(base, i, divisor) for i in range(LEVELS)] == expected


def test_channels_round_ties_up_and_never_vanish():
    assert channels_at(6, 4) == 2  # 1.5
    assert channels_at(1, 4) == 1


@pytest.mark.parametrize("form", ["cifar", "imagenet"])
def test_a_setting_reduces_a_skeleton_and_nothing_else(form):
    original = Skeleton(form=form, resolution=64, cells=14, classes=7, in_channels=1)
    small = ProxySetting.parse("c4r4s3e5").skeleton(original)
    assert (small.channels, small.resolution) == (9, 16 if form == "cifar" else 32)
    assert (small.cells, small.classes, small.in_channels, small.form) == (14, 7, 1, form)
    assert ProxySetting.parse("c0r0s4e1").skeleton(original) == original


def test_levels_that_train_the_same_are_merged_with_a_notice():
    kept, notices = merge_coinciding(EVERY_LEVEL, Skeleton(resolution=28))
    assert kept == EVERY_LEVEL[:4]
    assert len(notices) == 1
    for part in ("c0r4s0e1", "c0r3s0e1", "8 px"):
        assert part in notices[0]


def test_nothing_is_merged_where_levels_differ():
    grid = parse_grid("c{0,1,2,3,4}r{0,1,2,3,4}s{0,4}e{1,2}")
    assert merge_coinciding(grid, ORIGINAL) == (grid, [])


def test_channels_that_coincide_are_merged_too():
    kept, notices = merge_coinciding(parse_grid("c{3,4}r0s0e1 c4r0s1e1"), Skeleton(channels=1))
    assert [str(setting) for setting in kept] == ["c3r0s0e1", "c4r0s1e1"]
    assert len(notices) == 1


# ---------------------------------------------------------------- what they save

IMAGES = {0: 1000, 1: 500, 4: 62}


def genotypes(count=3):
    rng = np.random.default_rng(0)
    return [ECONAS_ZOO.sample(rng) for _ in range(count)]


def test_acceleration_is_the_ratio_of_counted_costs():
    few, many = ProxySetting.parse("c4r4s4e20"), ProxySetting.parse("c0r0s0e60")
    full = sum(cost(g, Skeleton(channels=36, resolution=32)).macs for g in genotypes()) * 1000 * 60
    small = sum(cost(g, Skeleton(channels=9, resolution=8)).macs for g in genotypes()) * 62 * 20
    assert training_macs(genotypes(), ORIGINAL, many, IMAGES) == full
    assert acceleration(genotypes(), ORIGINAL, many, few, IMAGES) == full / small


def test_samples_and_epochs_save_exactly_what_they_say():
    reference = ProxySetting.parse("c2r2s0e60")
    assert acceleration(genotypes(), ORIGINAL, reference, ProxySetting.parse("c2r2s1e30"), IMAGES) == 4
    assert acceleration(genotypes(), ORIGINAL, reference, reference, IMAGES) == 1


def test_every_level_of_channels_and_resolution_saves_more():
    reference = ProxySetting.parse("c0r0s0e1")
    for factor in "cr":
        ladder = parse_grid("c{0,1,2,3,4}r0s0e1" if factor == "c" else "c0r{0,1,2,3,4}s0e1")
        saved = [acceleration(genotypes(), ORIGINAL, reference, setting, IMAGES) for setting in ladder]
        assert saved == sorted(set(saved))
        assert 10 < saved[-1] < 20  # 16 by the rule, which is about halves: 4 steps of 2

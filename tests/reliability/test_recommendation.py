from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import benchmarks.coverage
from benchmarks.coverage import WORLDS, plant, recommendations
from zoo.reliability.recommendation import Candidate, choose, recommend


def generator(seed=0):
    return np.random.default_rng(seed)


def zoo(noises, networks=60, repeats=2, repeat_noise=0.02, seed=0):
    """Scores (settings, networks) and reference (networks, repeats); noises in standard deviations."""
    rng = generator(seed)
    quality = rng.standard_normal(networks)
    x = quality + np.array(noises)[:, None] * rng.standard_normal((len(noises), networks))
    return x, quality[:, None] + repeat_noise * rng.standard_normal((networks, repeats))


NAMES = ["fast", "middle", "slow"]
SPEEDS = [64.0, 8.0, 2.0]


def test_the_fastest_that_qualifies_is_recommended():
    found = recommend(*zoo([3, 0.1, 0.05]), SPEEDS, NAMES, generator())
    assert found.index == 1
    assert "middle" in found.sentence
    assert "8 times cheaper" in found.sentence
    assert found.promised == found.bounds[1] >= found.target == 0.8
    assert found.bounds[0] < 0.8
    assert found.warning == ""
    assert found.needed_networks is None
    assert 0.99 < found.ceiling.low <= found.ceiling.value <= 1


def test_the_order_of_settings_does_not_matter():
    scores, reference = zoo([3, 0.1, 0.05])
    flipped = recommend(scores[::-1], reference, SPEEDS[::-1], NAMES[::-1], generator())
    assert flipped.index == 1
    assert flipped.bounds[::-1] == pytest.approx(
        recommend(scores, reference, SPEEDS, NAMES, generator()).bounds, abs=0.02
    )


def test_nothing_above_the_ceiling_is_promised():
    scores, reference = zoo([0, 0, 0], networks=100, repeat_noise=0.45)
    scores = np.tile(reference.mean(axis=1), (3, 1))  # better than one repeat knows another
    found = recommend(scores, reference, SPEEDS, NAMES, generator(), target=0.75)
    assert found.index == 0
    assert found.promised == found.ceiling.value < found.bounds[0]


def test_a_target_above_the_ceiling_cannot_be_met():
    found = recommend(*zoo([0.1, 0.1, 0.1], repeat_noise=1), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.promised is None
    assert found.warning.startswith("Warning: the reference itself is reliable only to")
    assert f"{found.ceiling.value:.2f}" in found.sentence


def test_one_repeat_has_no_ceiling_and_says_so():
    found = recommend(*zoo([0.1, 0.1, 0.1], repeats=1), SPEEDS, NAMES, generator())
    assert found.index == 0
    assert np.isnan(found.ceiling.value)
    assert "trained once" in found.ceiling.reason
    assert "ceiling is unknown" in found.sentence


def test_none_qualifies_and_how_many_networks_would_do():
    found = recommend(*zoo([2, 1, 0.45], networks=20), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.needed_networks > 20
    assert found.sentence.endswith(f"needs about {found.needed_networks}.")
    assert "slow" in found.sentence
    more = recommend(*zoo([2, 1, 0.45], networks=3 * found.needed_networks), SPEEDS, NAMES, generator())
    assert more.index == 2


def test_no_number_of_networks_would_do():
    found = recommend(*zoo([3, 3, 3]), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.needed_networks is None
    assert "no number of networks would do" in found.sentence


@pytest.mark.parametrize("networks", [0, 1, 3])
def test_too_few_networks_to_judge(networks):
    found = recommend(*zoo([0.1, 0.1, 0.1], networks=networks), SPEEDS, NAMES, generator())
    assert found.index is None
    assert np.isnan(found.bounds).all()
    if networks != 3:
        assert "at least 4 are needed" in found.sentence


def test_a_setting_without_a_ranking_is_never_recommended():
    scores, reference = zoo([0.05, 0.05, 0.05])
    scores[0] = 0.5
    scores[1] = np.nan
    found = recommend(scores, reference, SPEEDS, NAMES, generator())
    assert found.index == 2
    assert np.isnan(found.bounds[:2]).all()
    scores[2] = 0.5
    assert "for no candidate" in recommend(scores, reference, SPEEDS, NAMES, generator()).sentence


def test_networks_without_a_reference_change_nothing():
    scores, reference = zoo([3, 0.1, 0.05])
    padded = np.hstack([scores, np.ones((3, 2))]), np.vstack([reference, np.full((2, 2), np.nan)])
    plain, other = (recommend(s, r, SPEEDS, NAMES, generator()) for s, r in ((scores, reference), padded))
    assert plain.sentence == other.sentence
    assert plain.bounds.tolist() == other.bounds.tolist()
    assert plain.ceiling == other.ceiling


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scores": np.ones((2, 9))}, r"\(3, 9\)"),
        ({"scores": np.ones(9)}, r"\(3, 9\)"),
        ({"reference": np.ones((9, 2, 2))}, "networks, repeats"),
        ({"acceleration": [1, 2]}, "3 candidates"),
        ({"acceleration": [[1, 2, 3]]}, "3 candidates"),
        ({"acceleration": [1, 2, 0]}, "positive"),
        ({"acceleration": [1, 2, np.nan]}, "positive"),
        ({"target": 1.5}, "between 0 and 1"),
        ({"level": 0}, "between 0 and 1"),
    ],
)
def test_bad_input_names_what_was_expected(change, expected):
    inputs = {"scores": np.ones((3, 9)), "reference": np.ones(9), "acceleration": SPEEDS, "names": NAMES}
    with pytest.raises(ValueError, match=f"expected .*{expected}.*got"):
        recommend(**{**inputs, **change}, rng=generator())


def candidates(noises, speeds, trains=True, **changes):
    """Candidates of a zoo, and its reference."""
    scores, reference = zoo(noises, **changes)
    names = [f"c{i}" for i in range(len(noises))]
    found = [Candidate(*one, trains=trains) for one in zip(names, scores, speeds, ["words"] * len(noises), strict=True)]
    return found, reference


def test_of_equally_fast_candidates_the_one_with_the_highest_bound_is_taken():
    for noises in ([0.2, 0.05, 0.3, 0.05], [0.05, 0.2, 0.05, 0.3]):
        found, reference = candidates(noises, [16, 16, 16, 2])
        answer = choose(found, reference, generator())
        assert (answer.bounds[:3] >= 0.8).all()
        assert answer.index == int(np.argmax(answer.bounds[:3])) == noises.index(0.05)
    same = [found[0], found[0]]
    assert choose(same, reference, generator()).index == 0  # of equals in all respects the first


def test_only_candidates_of_the_sequence_take_its_route():
    (alike, other), reference = candidates([0.5, 0.1], [16, 2], networks=40)
    found = [replace(alike, acceleration=speed) for speed in (16, 8, 4)] + [other]
    bounds = choose(found, reference, generator(), target=0.5, sequence=[]).bounds
    target = bounds[0] + 0.005  # for all at once the first three miss it, one by one they reach it

    def chosen(*sequence):
        answer = choose(found, reference, generator(), target=target, sequence=sequence)
        raised = [i for i in range(3) if answer.bounds[i] == target]
        assert all(answer.bounds[i] == pytest.approx(bounds[i]) for i in range(3) if i not in raised)
        return answer.index, raised

    assert chosen() == (3, [])
    assert chosen(0, 1, 2, 3) == (0, [0, 1, 2])
    assert choose(found, reference, generator(), target=target).index == 0  # all of them
    assert chosen(1, 3) == (1, [1])
    assert chosen(2) == (2, [2])
    # from the slowest on, until the first that does not reach it
    found.append(Candidate("weak", generator(9).standard_normal(40), 6.0))
    bounds = choose(found, reference, generator(), target=0.5, sequence=[]).bounds
    target = bounds[0] + 0.005
    assert chosen(0, 1, 2, 3, 4) == (2, [2])


@pytest.mark.parametrize("wrong", [[4], [-1]])
def test_a_sequence_of_candidates_that_are_not_there_is_refused(wrong):
    found, reference = candidates([0.1, 0.1], [2, 1])
    with pytest.raises(ValueError, match=r"from 0 to 1, got \["):
        choose(found, reference, generator(), sequence=wrong)


def test_candidates_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"one value a network each, got shapes \[\(2,\), \(3,\)\]"):
        choose([Candidate("a", np.ones(3), 1.0), Candidate("b", np.ones(2), 1.0)], np.ones(3), generator())


def test_sentences_say_how_to_use_the_answer():
    found, reference = candidates([0.05], [16.0])
    sentence = choose(found, reference, generator()).sentence
    assert sentence.startswith(
        "Search with c0 (words): 16 times cheaper than the reference, it ranks networks with rho"
    )
    assert sentence.endswith("95 % confidence over 1 candidate and 60 networks).")
    found, reference = candidates([0.05, 2], [900.0, 900.0], trains=False)
    sentence = choose(found, reference, generator()).sentence
    assert sentence.startswith("Rank networks by c0, without training: it ranks networks with rho of at least 0.9")
    assert "times cheaper" not in sentence


def assert_rarely_false(row, draws, error=1e-4):
    """At most 5 %, give or take what chance does to `draws` zoos with probability `error`."""
    assert row["false"] * draws <= stats.binom.ppf(1 - error, draws, 0.05), row


RHOS = (0.2, 0.5, 0.7, 0.795, 0.87, 0.93, 0.96)
PLANTED = {
    "noisy and tied": (
        (0.21094, 0.52344, 0.7251, 0.81787, 0.88965, 0.9458, 0.97314),
        (0.19745, 0.49899, 0.70017, 0.7954, 0.87057, 0.93036, 0.95984),
    ),
    "heavy tails": (
        (0.21387, 0.53125, 0.73242, 0.82275, 0.89111, 0.94336, 0.96924),
        (0.19711, 0.50007, 0.70193, 0.79704, 0.87166, 0.93063, 0.9606),
    ),
}
"""What `plant` finds with two repeats, strengths and true ρ: it takes seconds."""


@pytest.fixture
def _planted(monkeypatch):
    table = {(name, rho): pair for name, rows in PLANTED.items() for rho, *pair in zip(RHOS, *rows, strict=True)}
    monkeypatch.setattr(
        benchmarks.coverage, "plant", lambda world, rho, repeats: tuple(table[world.name, round(rho, 6)])
    )


@pytest.mark.usefixtures("_planted")
@pytest.mark.parametrize("world", WORLDS[1:3], ids=lambda world: world.name)
def test_a_setting_below_the_target_is_rarely_recommended(world):
    draws = 100
    assert_rarely_false(recommendations(world, "all just below", 24, draws, seed=3, resamples=300), draws)


@pytest.mark.usefixtures("_planted")
def test_a_good_setting_is_found_in_most_zoos():
    row = recommendations(WORLDS[1], "rising", 50, draws=60, seed=3, resamples=300)
    assert row["right"] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS[1:3], ids=lambda world: world.name)
def test_what_was_planted_is_what_is_planted(world):
    found = [plant(world, rho, 2) for rho in RHOS]
    assert np.transpose(found) == pytest.approx(np.array(PLANTED[world.name]), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("scenario", ["all just below", "fast half just below", "rising"])
@pytest.mark.parametrize("networks", [16, 24, 50])
def test_a_setting_below_the_target_is_rarely_recommended_anywhere(world, scenario, networks):
    assert_rarely_false(recommendations(world, scenario, networks, 800, seed=4), 800)

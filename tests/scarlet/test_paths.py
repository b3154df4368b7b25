"""Which paths a step takes: every choice once, or one path at random."""

import numpy as np
import pytest

from scarlet.supernet.paths import draw_paths


def test_a_fair_step_uses_every_choice_of_every_layer_once():
    paths = draw_paths("fair", np.random.default_rng(0), 19, 13, 50)
    assert paths.shape == (50, 13, 19)
    assert (np.sort(paths, axis=1) == np.arange(13)[:, None]).all()
    assert len(np.unique(paths[:, 0, 0])) > 6  # permutations differ between steps
    assert (paths[0, :, 0] != paths[0, :, 1]).any()  # and between layers


def test_a_uniform_step_takes_one_path_and_all_choices_are_as_likely():
    paths = draw_paths("uniform", np.random.default_rng(0), 8, 3, 3000)
    assert paths.shape == (3000, 1, 8)
    counts = np.array([[(paths[:, 0, layer] == c).sum() for c in range(3)] for layer in range(8)])
    assert (abs(counts - 1000) < 150).all()


def test_other_samplings_are_refused():
    with pytest.raises(ValueError, match="expected uniform or fair"):
        draw_paths("greedy", np.random.default_rng(0), 8, 3, 1)  # type: ignore[arg-type]

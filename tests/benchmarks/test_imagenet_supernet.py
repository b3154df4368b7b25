"""What a supernet costs at full size, at a size whose answer is known."""

import pytest


def test_work_is_that_of_all_paths_and_memory_grows_with_the_batch(benchmark):
    options = "--space nas-bench-macro --channels 4 --resolution 8 --classes 10 --images 100 --epochs 3 --measured 2"
    found = benchmark("imagenet_supernet", f"{options} --rounds 1 --batch 8 --rates 1e9")
    assert found["paths_of_a_step"] == 3  # every choice of a layer once
    assert found["multiply_adds"] == pytest.approx(100 * 3 * 3 * 3 * found["mean_macs_of_a_path"])
    assert found["rows"][1]["hours"] == pytest.approx(found["multiply_adds"] / 1e9 / 3600)
    assert found["gigabytes_of_weights"] == pytest.approx(3 * 4e-9 * found["parameters"])
    twice = benchmark("imagenet_supernet", f"{options} --rounds 1 --batch 16")
    assert twice["gigabytes_of_maps"] == pytest.approx(2 * found["gigabytes_of_maps"])

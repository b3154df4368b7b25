"""What a run reads is found again where the run and it have been moved together."""

import pytest

from zoo.experiments.moved import missing, moved


@pytest.fixture
def project(tmp_path):
    """A project that was at /before, with a run, and photos and a supernet elsewhere in it."""
    for name in ("runs/front", "runs/supernet", "photos"):
        (tmp_path / "after" / name).mkdir(parents=True)
    (tmp_path / "after/runs/supernet/supernet.pt").touch()
    return tmp_path / "after"


def source(root):
    images = {"kind": "images", "name": f"imagefolder:{root}/photos", "train": 3}
    return {"kind": "supernet", "supernet": f"{root}/runs/supernet/supernet.pt", "images": images, "latency": None}


def test_places_beside_a_moved_run_are_found(project):
    found = moved(source("/before"), "/before/runs/front", project / "runs/front")
    assert found == source(project)
    assert missing(found) == []


def test_what_is_still_there_or_nowhere_stays(project, tmp_path):
    kept = source(project)
    assert moved(kept, "/before/runs/front", project / "runs/front") == kept
    gone = moved(source("/before"), "/before/else/where/front", project / "runs/front")
    assert missing(gone) == ["/before/runs/supernet/supernet.pt", "/before/photos"]
    assert moved(source("/before"), None, project / "runs/front") == source("/before"), "a run of an earlier release"


def test_names_of_data_sets_are_no_places(project):
    digits = {"kind": "images", "name": "digits", "train": None}
    assert moved(digits, "/before/runs/front", project) == digits
    assert missing(digits) == []

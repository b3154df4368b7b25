"""`import thriftnas` is light, lists what it offers, and carries its types."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torchvision", "ray", "pandas", "scipy", "sklearn", "matplotlib")


def after(code: str) -> str:
    code = f"import sys\n{code}\nprint(sorted(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return result.stdout.strip()


def test_neither_the_face_nor_its_functions_nor_the_nouns_below_import_anything_heavy():
    code = (
        "import thriftnas, zoo.reliability, econas, scarlet, milenas\n"
        "[getattr(thriftnas, name) for name in thriftnas.__all__]\n"
        "zoo.reliability.Study, zoo.reliability.recommend, econas.Parameters"
    )
    assert after(code) == "[]"


def test_every_package_offers_what_it_lists_and_nothing_else():
    for package in ("thriftnas", "zoo.reliability", "econas", "scarlet", "milenas"):
        module = __import__(package, fromlist=["_"])
        assert all(getattr(module, name) is not None for name in module.__all__)
        assert sorted(module.__all__) == sorted(set(module.__all__))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            module.nothing  # noqa: B018
    import thriftnas

    assert dir(thriftnas) == thriftnas.__all__


def test_its_types_are_packaged():
    assert (ROOT / "thriftnas" / "py.typed").is_file()
    from setuptools import find_packages

    assert "thriftnas" in find_packages(str(ROOT), include=["thriftnas*"])

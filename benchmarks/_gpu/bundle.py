"""The bundle: images and wheels for a machine with a GPU and without a package index, in one small folder.

``python -m benchmarks._gpu.bundle --data imagefolder:DIR``; `make gpu-bundle DATA=imagefolder:DIR` runs it.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from zoo.data.image_set import ImageSet
from zoo.data.sources import load
from zoo.files import write_bytes

ROOT = Path(__file__).parents[2]
LIMIT = 60  # MiB, images, wheels and the checkout together
FILE = "images.npz"
WHEELS = (
    "pymoo", "moocore", "autograd", "cma", "alive-progress", "about-time", "graphemeu", "Deprecated", "wrapt",
    "cffi", "pycparser", "platformdirs",
)  # fmt: skip
"""pymoo, and what it needs that an environment with torch, scipy and matplotlib may lack."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bundle; 1 where it is too large, 2 for images that cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="images, as of `thriftnas zoo study --data`; none: wheels alone")
    parser.add_argument("--out", type=Path, default=Path("gpu-bundle"), help="folder")
    parser.add_argument("--train", type=int, default=14_000, help="training images")
    parser.add_argument("--val", type=int, default=3_000, help="validation images")
    parser.add_argument("--python", default="3.12", help="of the machine with the GPU")
    parser.add_argument("--no-wheels", action="store_true", help="images alone")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.data:
        try:
            images = load(args.data, resolution=32, train=args.train, validation=args.val, seed=0)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        write_images(args.out / FILE, images)
    if not args.no_wheels:
        download(args.out / "wheels", args.python)
    return report(args.out)


def write_images(path: Path, images: ImageSet) -> None:
    """Training and validation images as one compressed file of bytes, whole or not at all."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    np.savez_compressed(
        unfinished,
        train_images=images.train.images,
        train_labels=images.train.labels.astype(np.uint8),
        validation_images=images.validation.images,
        validation_labels=images.validation.labels.astype(np.uint8),
        classes=np.array(images.classes),
    )
    write_bytes(path, unfinished.read_bytes())
    unfinished.unlink()
    print(f"{path}: {len(images.train)} training and {len(images.validation)} validation images, {_mib(path):.1f} MiB")


def download(folder: Path, python: str) -> bool:
    """Wheels for Linux on x86-64; whether all of them could be had, which one line says where they could not."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    # without what they need: torch's environment has numpy, scipy and matplotlib
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--retries", "1", "--timeout", "15"]
    command += ["--only-binary=:all:", "--python-version", python, "--dest", str(folder)]
    for platform in ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64"):
        command += ["--platform", platform]
    missing = []
    for name in WHEELS:
        done = subprocess.run([*command, _tried(name)], capture_output=True, text=True, check=False)
        if done.returncode:
            missing.append(name)
            if missing == [WHEELS[0]]:  # the index is not there, or has no pymoo: the others are of no use
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                print(f"no wheels: pymoo could not be downloaded ({last})", file=sys.stderr)
                return False
    if missing:
        print(f"no wheels of {', '.join(missing)}", file=sys.stderr)
    return not missing


def _tried(name: str) -> str:
    """A package in the version that is installed here, which is known to go with the others."""
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name


def report(folder: Path) -> int:
    """Print the size of everything that is carried; 1 where it is above the limit."""
    own = sum(_mib(path) for path in folder.rglob("*") if path.is_file())
    tree = sum(_mib(path) for path in checkout())
    print(f"{folder}: {own:.1f} MiB, with the checkout {own + tree:.1f} of at most {LIMIT} MiB")
    if own + tree > LIMIT:
        print("error: too large, expected fewer images (--train, --val)", file=sys.stderr)
        return 1
    return 0


def checkout() -> list[Path]:
    """The files of the project itself: those git knows, or all sources where there is no git."""
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return [path for name in found.stdout.splitlines() if (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*.py") if ".venv" not in path.parts]


def _mib(path: Path) -> float:
    return path.stat().st_size / 2**20


if __name__ == "__main__":
    sys.exit(main())

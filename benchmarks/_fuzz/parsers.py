"""The parsers: what of a user's, of a file's or of a network's input each of them reads, with valid examples."""

import gzip
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zoo.commands.options import parse_time
from zoo.files import parsed_json
from zoo.population.columns import parse_columns
from zoo.population.costs import read_latency
from zoo.population.front import Limit, Objective, objectives
from zoo.population.journal import FILE, Journal
from zoo.population.judged import Judged
from zoo.population.manager import Manager
from zoo.population.proxy import ProxySetting, parse_grid
from zoo.population.selection import parse_weights
from zoo.population.strategy import FixedList, RandomSearch
from zoo.population.table import LAYOUTS, read_table
from zoo.population.trial import Job, Outcome, Record, Trial
from zoo.population.weights import WeightStore
from zoo.purposes import FUZZ
from zoo.reliability.own_table import Asked, read_own_table
from zoo.spaces import DARTS, ECONAS_ZOO
from zoo.spaces.blueprint import Blueprint, blueprint_from_json
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import CellGenotype, genotype_from_json
from zoo.spaces.skeleton import Skeleton

SETTING = ProxySetting(0, 0, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Parser:
    """One of them.

    Attributes:
        name: for people.
        examples: makes valid inputs.
        parse: reads an input; the folder is for files.
        weight: how often it is asked, beside the others.
        allowed: what it may raise.
    """

    name: str
    examples: Callable[[], Sequence[bytes]]
    parse: Callable[[bytes, Path], object]
    weight: float
    allowed: tuple[type[Exception], ...] = field(default=(ValueError,))


def _draw(seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, FUZZ))


def _texts(*texts: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [text.encode() for text in texts]


def _of_text(parse: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """As from the command line, where bytes that are no UTF-8 become surrogates."""
    return lambda data, _: parse(data.decode(errors="surrogateescape"))


# ---------------------------------------------------------------- architectures


def _genotypes() -> Sequence[bytes]:
    rng = _draw(0)
    found = [space.sample(rng) for space in (DARTS, ECONAS_ZOO, NAS_BENCH_MACRO) for _ in range(4)]
    return [one.to_json().encode() for one in found]


def _genotype(text: str) -> object:
    found = genotype_from_json(text)
    if isinstance(found, CellGenotype) and DARTS.contains(found):
        DARTS.function_key(found)
    return found.key


def _blueprints() -> Sequence[bytes]:
    skeleton = Skeleton(channels=4, cells=3, resolution=8, in_channels=3, classes=2)
    rest: dict[str, Any] = {"classes": ("cat", "dog"), "mean": (0.5,) * 3, "std": (0.1,) * 3}
    genotypes = [genotype_from_json(data.decode()) for data in _genotypes()]
    return [Blueprint(genotype=one, skeleton=skeleton, **rest).to_json().encode() for one in genotypes]


# ---------------------------------------------------------------- journals


def _measured(jobs: Sequence[Job]) -> list[Outcome]:
    return [
        (Record(index=job.trial.index, ok=True, metrics={"accuracy": 1 / (2 + job.trial.index)}), None) for job in jobs
    ]


def _run(journal: Journal) -> None:
    from zoo.population.executor import SerialExecutor

    strategy = RandomSearch(DARTS, SETTING, 6, seed=0, keep=False)
    Manager(strategy, journal, WeightStore(Path()), 2).run(SerialExecutor(_measured))


@cache
def _journal() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with closing(Journal.create(Path(folder, "run"), {"strategy": {"name": "random"}})) as journal:
            _run(journal)
        return Path(folder, "run", FILE).read_bytes()


@cache
def _trials() -> list[Trial]:
    with closing(_database(_rows())) as db:
        return Journal(db).trials()


def _read(journal: Journal) -> None:
    journal.counts(), journal.digest(), journal.best(Judged.of(journal.identity), "alone")
    for trial in journal.trials():
        trial.to_dict()
    Manager(FixedList(_trials()), journal, None, 2)  # it looks at no metric, of which a changed record may lack one


def _journal_file(data: bytes, folder: Path) -> None:
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
    (folder / FILE).write_bytes(data)
    with closing(Journal.open(folder, readonly=True)) as journal:
        _read(journal)


@cache
def _rows() -> bytes:
    """The journal as one of before rows had checksums."""
    data = bytearray(_journal())
    data[18:20] = 1, 1  # no write-ahead log, which is for files
    with closing(_database(bytes(data))) as db:
        db.executescript("UPDATE trials SET sum = NULL; UPDATE records SET sum = NULL")
        return db.serialize()


def _database(data: bytes) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.deserialize(data)
    return db


def _row(table: str, cell: str) -> Parser:
    """A row of a journal of before checksums."""

    def examples() -> Sequence[bytes]:
        with closing(_database(_rows())) as db:
            return [str(text).encode() for (text,) in db.execute(f"SELECT {cell} FROM {table}")]

    def parse(data: bytes, _: Path) -> None:
        with closing(_database(_rows())) as db:
            db.execute(f"UPDATE {table} SET {cell} = ? WHERE number = 2", (data.decode(errors="replace"),))
            _read(Journal(db))

    return Parser(
        name=f"rows of {table}", examples=examples, parse=parse, weight=4, allowed=(ValueError, sqlite3.Error)
    )


def _identity_of(name: str) -> Parser:
    """What a journal says that its run is."""

    def examples() -> Sequence[bytes]:
        held = json.loads((Path(__file__).parent / "identities.json").read_text(encoding="utf-8"))
        return [json.dumps(held[name]).encode()]

    def parse(data: bytes, _: Path) -> object:
        from zoo.experiments.experiment import read_experiment

        held = parsed_json(data)
        if not isinstance(held, dict) or not all(isinstance(held.get(one), dict) for one in ("identity", "options")):
            raise ValueError("a journal's identity and options are objects")
        return read_experiment(held["identity"], held["options"])

    return Parser(name=f"identity of a {name}", examples=examples, parse=parse, weight=1)


# ---------------------------------------------------------------- tables


def _csv(read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def parse(data: bytes, folder: Path) -> object:
        path = folder / "table.csv"
        path.write_bytes(data)
        return read(path)

    return parse


def _own() -> Sequence[bytes]:
    rng = _draw(1)
    lines = [f"net{i},{a:.3f},{b:.3f},{c}" for i, (a, b, c) in enumerate(rng.random((24, 3)))]
    return ["\n".join(["name,final,cheap,macs", *lines]).encode(), "\n".join(["name;final;cheap;macs", *(
        line.replace(",", ";") for line in lines)]).encode()]  # fmt: skip


def _published() -> Sequence[bytes]:
    layout, rng = LAYOUTS[1], _draw(2)
    columns = [layout.architecture, *layout.accuracy.values()]
    cells = [layout.space.sample(rng) for _ in range(20)]
    lines = [f"{layout.space.write(cell.choices)},{','.join(['50.5'] * (len(columns) - 1))}" for cell in cells]
    return ["\n".join([",".join(columns), *lines]).encode()]


def _latencies() -> Sequence[bytes]:
    lines = ["layer,choice,latency", ",,1.5", *(f"{layer},{choice},0.25" for layer in range(4) for choice in range(3))]
    return ["\n".join(lines).encode()]


# ---------------------------------------------------------------- files of tensors and images


@cache
def _model() -> tuple[bytes, str]:
    """A model file, and the facts in it."""
    import torch

    from zoo.export.model import Model, save_model
    from zoo.networks.network import build_any

    genotype = NAS_BENCH_MACRO.sample(_draw(3))
    skeleton = Skeleton(channels=4, cells=3, resolution=8, in_channels=3, classes=2)
    network = build_any(genotype, skeleton, torch.Generator().manual_seed(0)).eval()
    rest: dict[str, Any] = {
        "classes": ("cat", "dog"),
        "mean": (0.5,) * 3,
        "std": (0.1,) * 3,
        "notes": {"accuracy": 0.5},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        save_model(Model(network=network, genotype=genotype, skeleton=skeleton, **rest), path)
        data = path.read_bytes()
    return data, str(torch.load(io.BytesIO(data), weights_only=True)["facts"])


def _model_file(data: bytes, folder: Path) -> object:
    from zoo.export.model import load_model

    (folder / "model.pt").write_bytes(data)
    return load_model(folder / "model.pt")


def _model_facts(data: bytes, folder: Path) -> object:
    """In a file of before there were checksums."""
    import torch

    state = torch.load(io.BytesIO(_model()[0]), weights_only=True)
    del state["sha256"]
    torch.save({**state, "facts": data.decode(errors="replace")}, folder / "model.pt")
    return _model_file((folder / "model.pt").read_bytes(), folder)


def _supernet_file(data: bytes, _: Path) -> object:
    from scarlet.supernet.file import read_supernet

    return read_supernet(data)


def _idx_file(data: bytes, folder: Path) -> object:
    from zoo.data.idx import read_idx

    labels = bytes((0, 0, 8, 1, 0, 0, 0, 2, 1, 0))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(data)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, 1, mtime=0))
    return read_idx(folder, "train")


def _idx() -> Sequence[bytes]:
    images = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3)) + bytes(18)
    return [gzip.compress(images, 0, mtime=0), gzip.compress(images, 9, mtime=0)]


ASKED = Asked(reference=("final",), proxies=("cheap",), name="name", cost="macs")
PARSERS = (
    Parser(name="genotype", examples=_genotypes, parse=_of_text(_genotype), weight=20),
    Parser(name="network", examples=_blueprints, parse=_of_text(blueprint_from_json), weight=10),
    Parser(name="setting", examples=_texts("c4r4s0e60"), parse=_of_text(ProxySetting.parse), weight=8),
    Parser(name="grid", examples=_texts("c{0,2,4}r{0,4}s0e{30,60}", "c0r0s0e1 c1r0s0e3"), parse=_of_text(parse_grid),
           weight=8),
    Parser(name="limit", examples=_texts("macs<=500e6", "accuracy >= 0.4"), parse=_of_text(Limit.parse), weight=8),
    Parser(name="objective", examples=_texts("max accuracy", "min macs"), parse=_of_text(Objective.parse), weight=6),
    Parser(name="weights", examples=_texts("accuracy=0.4,macs=0.6"), weight=6,
           parse=_of_text(lambda text: parse_weights(text, objectives(["accuracy"], ["macs"])))),
    Parser(name="columns", examples=_texts("cheap=a@12,full=b@200", "full=a|b@200"), parse=_of_text(parse_columns),
           weight=6),
    Parser(name="time", examples=_texts("90s", "1.5h"), parse=_of_text(parse_time), weight=6),
    _row("trials", "trial"),
    _row("records", "record"),
    Parser(name="journal", examples=lambda: [_journal()], parse=_journal_file, weight=3,
           allowed=(ValueError, sqlite3.Error)),
    *map(_identity_of, ("study", "econas-table", "zoo")),
    Parser(name="own table", examples=_own, parse=_csv(lambda path: read_own_table(path, ASKED)), weight=1),
    Parser(name="published table", examples=_published, parse=_csv(read_table), weight=0.5),
    Parser(name="latencies", examples=_latencies, parse=_csv(lambda path: read_latency(path, [3] * 4)), weight=0.5),
    Parser(name="model", examples=lambda: [_model()[0]], parse=_model_file, weight=1),
    Parser(name="facts of a model", examples=lambda: [_model()[1].encode()], parse=_model_facts, weight=0.2),
    Parser(name="supernet", examples=lambda: [_model()[0]], parse=_supernet_file, weight=0.3),
    Parser(name="idx", examples=_idx, parse=_idx_file, weight=2),
)  # fmt: skip

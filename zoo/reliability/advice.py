"""Advice: what to do with a study's answer, or for a better one."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo.reliability.ceiling import networks_for, repeats_for
from zoo.reliability.findings import Finding, Findings
from zoo.spaces.genotype import CellGenotype, Genotype

MANY = 20
"""Trainings of a network at the reference beyond which longer ones are the better advice."""


def use(findings: Findings) -> str:
    """The command that uses the answer; empty where no setting is recommended."""
    return "" if findings.chosen is None else search_by(findings, findings.chosen)


def search_by(findings: Findings, found: Finding) -> str:
    """The command that searches by a candidate; empty for a score, which no search goes by."""
    if found.setting is None:
        return ""
    words = ["thriftnas", "econas", "search", *_same_training(findings.about)]
    words += ["--setting", str(found.setting), "--signal", found.signal, *_stages(found.setting.e)]
    return shlex.join([*words, "--reference", str(findings.reference)])


def _stages(epochs: int) -> Sequence[str]:
    """Options where the paper's three equal stages do not divide a schedule: two or one, as many parents."""
    if epochs % 3 == 0:
        return ()
    if epochs % 2 == 0:
        return ("--stages", "2", "--parents", "8,8", "--promotions", "8")
    return ("--stages", "1", "--parents", "16", "--promotions=")


def _same_training(about: Mapping[str, Any]) -> Iterator[str]:
    """The images, networks and recipe of the study as options: a setting means nothing without them."""
    data, identity = about.get("data") or {}, about.get("identity") or {}
    setup = identity.get("setup", {})
    if "name" not in data or not {"skeleton", "recipe"} <= setup.keys():
        return  # an invented study
    skeleton, recipe = setup["skeleton"], setup["recipe"]
    given = {"data": data["name"], "train": data["train"], "val": data["validation"]}
    given |= {"space": identity["strategy"]["space"]}
    given |= {name: skeleton[name] for name in ("resolution", "channels", "cells")}
    given |= {"batch": recipe["batch"], "lr": recipe["lr"]}
    for name, value in given.items():
        yield from (f"--{name}", str(value))
    yield "--cutout" if recipe["cutout"] else "--no-cutout"


def train_command(about: Mapping[str, Any], genotype: Genotype, name: str, epochs: int | None) -> str:
    """The command that writes a genotype to a file and trains it fully, on a run's images and at its size.

    Args:
        about: facts of the run.
        genotype: of the network.
        name: of the file and of the new run.
        epochs: of the training; None: as papers have it.

    Returns:
        The command; empty where no command finds the images.
    """
    data, identity = about.get("data") or {}, about.get("identity") or {}
    setup = identity.get("final") or identity.get("setup") or {}
    if "name" not in data or not about.get("command") or not {"skeleton", "recipe"} <= setup.keys():
        return ""
    skeleton = setup["skeleton"]
    given = {"data": data["name"], "train": data["train"], "val": data["validation"]}
    sizes = ("resolution", "channels", "cells") if isinstance(genotype, CellGenotype) else ("resolution",)
    given |= {size: skeleton[size] for size in sizes} | {"batch": setup["recipe"]["batch"], "epochs": epochs}
    words = ["thriftnas", "zoo", "train", f"{name}.json"]
    for option, value in given.items():
        words += [] if value is None else [f"--{option}", str(value)]
    written = shlex.join(["printf", "%s", genotype.to_json()])
    return f"{written} > {name}.json && {shlex.join([*words, '--out', f'runs/{name}'])}"


def notes(findings: Findings) -> Iterator[str]:
    """Sentences below the answer that nobody should overlook."""
    yield from findings.about.get("looks", ())[-1:]
    yield from _between_looks(findings)
    if blind := findings.about.get("one_class"):
        yield (
            f"{blind} of {len(findings.genotypes)} networks name one class for every validation image, trained fully: "
            "they have learned nothing but which is frequent. Train the reference longer, or balance the classes."
        )
    yield from _as_good_without_training(findings)
    yield from _limited(findings)
    needed = findings.recommendation.needed_networks
    if needed:
        yield f"A study of about {needed} networks could settle it: run the command again with --models {needed}."
    left_out = max((found.score.left_out for found in findings.candidates), default=0)
    if left_out:
        yield f"{left_out} of the networks failed at the reference and could not be compared."


def _between_looks(findings: Findings) -> Iterator[str]:
    """That an answer before the first look is none: its bounds do not know how often somebody looks."""
    strategy = findings.about.get("identity", {}).get("strategy", {})
    if strategy.get("until") == "decided" and not findings.about.get("looks"):
        yield (
            "This study decides at its looks, and none has been reached: an answer that is read before holds at 95 % "
            "for one reading only."
        )


def unfinished(findings: Findings) -> str:
    """That the study has measured fewer networks than it is to have; empty where it has not."""
    measured, planned = len(findings.genotypes), findings.about.get("planned", 0)
    if planned <= measured:
        return ""
    return f"Not finished: {measured} of {planned} networks are measured at every setting so far"


def needed_repeats(findings: Findings) -> int | None:
    """Trainings per network that lift the ceiling to the target, or its interval where that reaches below.

    None where neither lies below, and where no number would do.
    """
    answer = findings.recommendation
    top, target = answer.ceiling, answer.target
    if top.value < target:
        return repeats_for(top.value, findings.repeats, target)
    return repeats_for(top.low, findings.repeats, target) if top.low < target else None


def _as_good_without_training(findings: Findings) -> Iterator[str]:
    """That a score without training ranks as well as the recommended, else best setting."""
    subject = findings.chosen or findings.best_trained
    if subject is None or subject.setting is None:
        return
    rivals = [one for one in findings.free if one.rho >= subject.rho]  # False for NaN
    if not rivals:
        return
    kind = "recommended" if findings.chosen else "best"
    yield (
        f"{_listed(rivals)} {'ranks' if len(rivals) == 1 else 'rank'} these networks as well as or better than the "
        f"{kind} setting, {subject.name} (ρ {subject.rho:.2f}), and that takes no training at all."
    )


def _listed(found: Sequence[Finding]) -> str:
    named = [f"{'counting ' if one.counted else ''}{one.signal} (ρ {one.rho:.2f})" for one in found]
    text = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    return text[0].upper() + text[1:] if found[0].counted else text


def _limited(findings: Findings) -> Iterator[str]:
    """What would lift the ceiling, where it is what limits the answer."""
    answer = findings.recommendation
    top, target, repeats = answer.ceiling, answer.target, needed_repeats(findings)
    if top.value < target:
        yield f"The reference limits this answer. {_more_repeats(repeats, f'its reliability to {target:.2f}')}"
    elif top.low < target:
        lift = f"the low end of its interval to {target:.2f}"
        number = networks_for(top, findings.repeats, len(findings.genotypes), target)
        if number is None or answer.needed_networks is not None:
            networks = ""  # of several numbers the reader needs one
        else:
            networks = f" About {number} networks would help too: --models {number}."
        yield (
            f"The ceiling may lie below the target of {target:.2f}: its interval begins at {top.low:.2f}. "
            f"{_more_repeats(repeats, lift)}{networks}"
        )
    elif math.isnan(top.value) and findings.repeats == 1:
        yield "The ceiling is unknown with one training a network: run the command again with --repeats 2."


def _more_repeats(repeats: int | None, lift: str) -> str:
    if repeats is None:
        return "No number of repeats is known to help: train the reference longer."
    longer = " Training it longer may cost less." if repeats > MANY else ""
    return (
        f"About {repeats} trainings of every network would lift {lift}: run the command again with "
        f"--repeats {repeats}.{longer}"
    )

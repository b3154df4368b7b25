"""A study's findings as tables and as one JSON-ready answer."""

import math
from typing import Any

import pandas as pd

from zoo.reliability.advice import needed_repeats
from zoo.reliability.findings import Finding, Findings
from zoo.reliability.interval import Estimate
from zoo.reliability.partial import PLACEBO


def candidates_frame(findings: Findings) -> pd.DataFrame:
    """Everything that ranks networks, one row each, in the findings' order: what ``study.csv`` holds.

    The last row is the placebo, MACs plus noise: of what it says beyond MACs, which must be nothing.
    """
    rows = [_row(found, findings.reference_seconds) for found in findings.candidates]
    rows.append({"setting": "", "signal": PLACEBO} | _estimate("beyond_macs", findings.placebo))
    rows[-1]["reason"] = findings.placebo.reason
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(("k", "networks", "failed"), "Int64"))  # whole numbers, the placebo has none


def _row(found: Finding, reference_seconds: float) -> dict[str, Any]:
    score = found.score
    return {
        "setting": "" if found.setting is None else str(found.setting),
        "signal": found.signal,
        "acceleration": found.acceleration,
        "speedup": _number(found.speedup),
        **_estimate("spearman", score.spearman),
        "bound": found.bound,
        "corrected": score.corrected,
        **_estimate("beyond_macs", score.beyond),
        **_estimate("tolerant", score.tolerant),
        **_estimate("kendall", score.kendall),
        **_estimate("top_k", score.top_k),
        **_estimate("holds_best", score.holds_best),
        **_estimate("regret", score.regret),
        "k": score.k,
        "accuracy": found.accuracy,
        "seconds": found.seconds,
        "reference_seconds": reference_seconds,
        "networks": score.networks,
        "failed": score.failed,
        "reason": score.spearman.reason,
    }


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def differences_frame(findings: Findings) -> pd.DataFrame:
    """How much better every signal ranks than accuracy at the same setting: what ``differences.csv`` holds."""
    named = {found.name: found for found in findings.trained}
    return pd.DataFrame(
        [
            {
                "setting": str(named[one.first].setting),
                "signal": named[one.first].signal,
                "against": named[one.second].signal,
                "difference": one.spearman.value,
                "low": one.spearman.low,
                "high": one.spearman.high,
            }
            for one in findings.differences
        ],
        columns=["setting", "signal", "against", "difference", "low", "high"],
    )


def entropy_frame(findings: Findings) -> pd.DataFrame:
    """ρ along every factor: one row per line, with its entropy."""
    return pd.DataFrame(
        {
            "factor": line.factor,
            "fixed": line.fixed,
            "settings": " ".join(map(str, line.settings)),
            "spearman": " ".join(f"{value:.4f}" for value in line.spearman),
            "entropy": line.entropy.value,
            "entropy_low": line.entropy.low,
            "entropy_high": line.entropy.high,
        }
        for line in findings.lines
    )


def recommendation_dict(findings: Findings) -> dict[str, Any]:
    """The answer as JSON-ready data, None where a number is undefined: what ``recommendation.json`` holds."""
    answer, chosen = findings.recommendation, findings.chosen
    ceiling = answer.ceiling
    return {
        "setting": None if chosen is None or chosen.setting is None else str(chosen.setting),
        "signal": None if chosen is None else chosen.signal,
        "name": None if chosen is None else chosen.name,
        "acceleration": None if chosen is None else chosen.acceleration,
        "speedup": None if chosen is None else _number(chosen.speedup),
        "seconds": None if chosen is None else _number(chosen.seconds),
        "reference_seconds": _number(findings.reference_seconds),
        "cost": findings.cost,
        "spearman": None if chosen is None else _number(chosen.rho),
        "corrected": None if chosen is None else _number(chosen.score.corrected),
        "promised": None if answer.promised is None else _number(answer.promised),
        "target": answer.target,
        "sentence": answer.sentence,
        "warning": answer.warning,
        "ceiling": {
            "value": _number(ceiling.value),
            "low": _number(ceiling.low),
            "high": _number(ceiling.high),
            "reason": ceiling.reason,
        },
        "needed_networks": answer.needed_networks,
        "needed_repeats": needed_repeats(findings),
        "networks": len(findings.genotypes),
        "reference": str(findings.reference),
        "repeats": findings.repeats,
        "metric": findings.metric,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""A study's findings as tables and as one JSON-ready answer."""

import math
from typing import Any

import pandas as pd

from zoo.reliability.findings import Findings
from zoo.reliability.interval import Estimate


def settings_frame(findings: Findings) -> pd.DataFrame:
    """The table of settings, one row each, by ascending acceleration: what ``study.csv`` holds."""
    rows = []
    for found in findings.settings:
        measured = found.score
        row: dict[str, Any] = {
            "setting": str(found.setting),
            "acceleration": found.acceleration,
            "spearman": measured.spearman.value,
            "spearman_low": measured.spearman.low,
            "spearman_high": measured.spearman.high,
            "bound": found.bound,
        }
        for name in ("tolerant", "kendall", "top_k"):
            estimate: Estimate = getattr(measured, name)
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rows.append(
            row
            | {
                "k": measured.k,
                "accuracy": found.accuracy,
                "seconds": found.seconds,
                "networks": measured.networks,
                "failed": measured.failed,
                "reason": measured.spearman.reason,
            }
        )
    return pd.DataFrame(rows)


def baselines_frame(findings: Findings) -> pd.DataFrame:
    """The free proxies, one row each: MACs and parameters."""
    return pd.DataFrame(
        {
            "proxy": one.setting,
            "spearman": one.spearman.value,
            "spearman_low": one.spearman.low,
            "spearman_high": one.spearman.high,
            "tolerant": one.tolerant.value,
            "kendall": one.kendall.value,
            "top_k": one.top_k.value,
        }
        for one in findings.baselines
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
    answer = findings.recommendation
    chosen = None if answer.index is None else findings.settings[answer.index]
    ceiling = answer.ceiling
    return {
        "setting": None if chosen is None else str(chosen.setting),
        "acceleration": None if chosen is None else chosen.acceleration,
        "spearman": None if chosen is None else _number(chosen.score.spearman.value),
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
        "networks": len(findings.genotypes),
        "reference": str(findings.reference),
        "repeats": findings.repeats,
        "metric": findings.metric,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""How far to trust a cheap measurement: the study, rank measures with intervals, the recommendation, its report.

What this package offers is imported when it is asked for: measures need neither pandas nor matplotlib. No torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.reliability.ceiling import corrected, repeats_for, spearman_brown
    from zoo.reliability.comparison import Comparison, Difference, Score, compare, difference, score
    from zoo.reliability.correlation import (
        entropy,
        kendall,
        spearman,
        tolerant_spearman,
        top_k_overlap,
        undefined_because,
    )
    from zoo.reliability.findings import Design, FactorLine, Finding, Findings, find
    from zoo.reliability.interval import Estimate, bonett_wright, bootstrap
    from zoo.reliability.overview import show_findings
    from zoo.reliability.partial import partial_spearman
    from zoo.reliability.recommendation import Candidate, Recommendation, choose, recommend
    from zoo.reliability.report import findings_page, write_report
    from zoo.reliability.shortlist import holds_best, regret
    from zoo.reliability.signal import Signal, find_signal
    from zoo.reliability.study import Study
    from zoo.reliability.tables import candidates_frame, differences_frame, entropy_frame, recommendation_dict

__all__ = [
    "Candidate",
    "Comparison",
    "Design",
    "Difference",
    "Estimate",
    "FactorLine",
    "Finding",
    "Findings",
    "Recommendation",
    "Score",
    "Signal",
    "Study",
    "bonett_wright",
    "bootstrap",
    "candidates_frame",
    "choose",
    "compare",
    "corrected",
    "difference",
    "differences_frame",
    "entropy",
    "entropy_frame",
    "find",
    "find_signal",
    "findings_page",
    "holds_best",
    "kendall",
    "partial_spearman",
    "recommend",
    "recommendation_dict",
    "regret",
    "repeats_for",
    "score",
    "show_findings",
    "spearman",
    "spearman_brown",
    "tolerant_spearman",
    "top_k_overlap",
    "undefined_because",
    "write_report",
]

__getattr__ = lazily(
    __name__,
    {
        "Candidate": "recommendation",
        "Comparison": "comparison",
        "Design": "findings",
        "Difference": "comparison",
        "Estimate": "interval",
        "FactorLine": "findings",
        "Finding": "findings",
        "Findings": "findings",
        "Recommendation": "recommendation",
        "Score": "comparison",
        "Signal": "signal",
        "Study": "study",
        "bonett_wright": "interval",
        "bootstrap": "interval",
        "candidates_frame": "tables",
        "choose": "recommendation",
        "compare": "comparison",
        "corrected": "ceiling",
        "difference": "comparison",
        "differences_frame": "tables",
        "entropy": "correlation",
        "entropy_frame": "tables",
        "find": "findings",
        "find_signal": "signal",
        "findings_page": "report",
        "holds_best": "shortlist",
        "kendall": "correlation",
        "partial_spearman": "partial",
        "recommend": "recommendation",
        "recommendation_dict": "tables",
        "regret": "shortlist",
        "repeats_for": "ceiling",
        "score": "comparison",
        "show_findings": "overview",
        "spearman": "correlation",
        "spearman_brown": "ceiling",
        "tolerant_spearman": "correlation",
        "top_k_overlap": "correlation",
        "undefined_because": "correlation",
        "write_report": "report",
    },
)

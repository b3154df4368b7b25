"""How far to trust a cheap measurement: the study, rank measures with intervals, the recommendation, its report.

What this package offers is imported when it is asked for: measures need neither pandas nor matplotlib. No torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.reliability.correlation import (
        entropy,
        kendall,
        spearman,
        tolerant_spearman,
        top_k_overlap,
        undefined_because,
    )
    from zoo.reliability.findings import Design, FactorLine, Findings, SettingFinding, find
    from zoo.reliability.interval import Estimate, bonett_wright, bootstrap
    from zoo.reliability.overview import show_findings
    from zoo.reliability.recommendation import Recommendation, Score, ceiling, recommend, score
    from zoo.reliability.report import findings_page, write_report
    from zoo.reliability.study import Study
    from zoo.reliability.tables import baselines_frame, entropy_frame, recommendation_dict, settings_frame

__all__ = [
    "Design",
    "Estimate",
    "FactorLine",
    "Findings",
    "Recommendation",
    "Score",
    "SettingFinding",
    "Study",
    "baselines_frame",
    "bonett_wright",
    "bootstrap",
    "ceiling",
    "entropy",
    "entropy_frame",
    "find",
    "findings_page",
    "kendall",
    "recommend",
    "recommendation_dict",
    "score",
    "settings_frame",
    "show_findings",
    "spearman",
    "tolerant_spearman",
    "top_k_overlap",
    "undefined_because",
    "write_report",
]

__getattr__ = lazily(
    __name__,
    {
        "Design": "findings",
        "Estimate": "interval",
        "FactorLine": "findings",
        "Findings": "findings",
        "Recommendation": "recommendation",
        "Score": "recommendation",
        "SettingFinding": "findings",
        "Study": "study",
        "baselines_frame": "tables",
        "bonett_wright": "interval",
        "bootstrap": "interval",
        "ceiling": "recommendation",
        "entropy": "correlation",
        "entropy_frame": "tables",
        "find": "findings",
        "findings_page": "report",
        "kendall": "correlation",
        "recommend": "recommendation",
        "recommendation_dict": "tables",
        "score": "recommendation",
        "settings_frame": "tables",
        "show_findings": "overview",
        "spearman": "correlation",
        "tolerant_spearman": "correlation",
        "top_k_overlap": "correlation",
        "undefined_because": "correlation",
        "write_report": "report",
    },
)

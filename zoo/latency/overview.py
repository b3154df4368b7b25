"""What was timed, in sentences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.latency.chain_blocks import ChainBlocks
from zoo.latency.table import WITHIN, LatencyTable

QUIET = 0.03
"""Up to this difference of the same network timed twice, a table can be judged."""


def latency_sentence(found: Mapping[str, Any]) -> str:
    """One model's latency, of :func:`zoo.latency.whole.model_latency`."""
    low, high = found["quartiles"]
    per_image = f" ({found['per_image']:.4g} ms an image)" if found["batch"] > 1 else ""
    return (
        f"{found['milliseconds']:.4g} ms a batch of {found['batch']}{per_image}, half of the calls within {low:.4g} to "
        f"{high:.4g} ms; {found['runtime']} on {found['device']}, threads: {found['threads']}"
    )


def table_sentences(table: LatencyTable, path: Path) -> list[str]:
    """What a table is of, and how far it can be trusted."""
    batch = table.stopwatch.batch
    search = "scarlet" if isinstance(table.blocks, ChainBlocks) else "econas"
    lines = [f"Table: {path}, in milliseconds a batch of {batch}; thriftnas {search} search --latency reads it"]
    if (check := table.check) is None:
        return [*lines, "Not checked on whole networks."]
    rank = "not known of so few" if check.rank is None else f"{check.rank:.3f}"
    lines.append(
        f"On {check.networks} whole networks it has not seen: median error {100 * check.error:.1f} %, "
        f"{100 * check.within:.0f} % within {100 * WITHIN:.0f} %, rank correlation {rank}."
    )
    lines.append(f"The same network timed twice differs by {100 * check.noise:.1f} % (median).")
    if check.noise > QUIET:
        lines.append("The machine is too busy to judge the table: time it again when nothing else runs.")
    return lines

"""Warnings: the sentences that a search's numbers call for."""

from collections.abc import Mapping, Sequence

COLLAPSED = 0.5
"""Share of skip connections among a normal cell's edges from which the search counts as collapsed."""
GROWTH, WINDOW = 1.3, 5
"""A rise of the eigenvalue's running mean that announces a bad cell (Zela et al. 2020): factor, and epochs."""


def warnings(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """What a user should look at, given the metrics of the epochs so far, oldest first; the newest decides."""
    found: list[str] = []
    if not rows:
        return found
    newest = rows[-1]
    if not newest.get("derived", 0.0):
        found.append("no valid cell can be derived: a cell has no node with an input left")
    else:
        skips, edges = newest["skips_normal"], newest["edges_normal"]
        if skips >= COLLAPSED * edges:
            found.append(
                f"the search collapses: {skips:.0f} of the normal cell's {edges:.0f} edges are skip connections "
                "(an earlier epoch, or early stopping by size, may serve better)"
            )
        if not newest["convs_normal"]:
            found.append("the search collapses: the normal cell has no convolution left")
    values = [row["eigenvalue"] for row in rows if "eigenvalue" in row]
    if len(values) >= 2 * WINDOW:
        before, now = sum(values[-2 * WINDOW : -WINDOW]) / WINDOW, sum(values[-WINDOW:]) / WINDOW
        if 0 < before * GROWTH < now:
            found.append(
                f"the dominant eigenvalue of the validation loss has grown {now / before:.1f} times in {WINDOW} "
                "epochs: cells found from here on tend to generalise worse"
            )
    return found

"""Dark: what the colours of charts and cells, which are drawn for white paper, become on a dark screen."""

CHARTS = {
    "#ffffff": "#202327",
    **dict.fromkeys(("#f3f3f3", "#f2f2f2"), "#2a2e33"),
    **dict.fromkeys(("#000000", "#222222"), "#e8eaed"),
    "#444444": "#c3c8ce",
    **dict.fromkeys(("#555555", "#666666", "#777777"), "#a5acb4"),
    "#e5e5e5": "#353a40",
    "#d7dce0": "#454b52",
    **dict.fromkeys(("#bbbbbb", "#999999"), "#767d85"),
    "#0072b2": "#5eb3ec",
    "#d55e00": "#ff8f4d",
    "#007a5a": "#3cc79c",
    "#a8528a": "#dd8fc2",
    "#56789a": "#9db8d3",
    "#8a6d00": "#d3b33f",
    "#b38600": "#d9b13b",
    "#5e4b3c": "#c2a68f",
}
CELLS = {
    "#0b6fb3": "#5eb3ec",
    "#b35900": "#f0a050",
    "#117733": "#4cc076",
    "#882255": "#dd7fae",
    "#332288": "#a59bf0",
    "#007c7c": "#3cc4c4",
    "#a8328f": "#e07fd0",
    "#7a6a00": "#c9b840",
    "#4d4d4d": "#a5acb4",
}
WHITE = "#ffffff"
"""Text in it stands on a colour, and stays white."""


def dark_rules() -> str:
    """The style sheet's rules for dark screens; matplotlib writes colours as styles, own drawings as attributes."""
    rules = []
    for light, dark in CHARTS.items():
        text = "" if light == WHITE else f', svg.chart text[fill="{light}"]'
        filled = f'svg.chart :not(text)[fill="{light}"], svg.chart [style*="fill: {light}"]{text}'
        rules.append(f"{filled} {{ fill: {dark} !important; }}")
        rules.append(
            f'svg.chart [stroke="{light}"], svg.chart [style*="stroke: {light}"] {{ stroke: {dark} !important; }}'
        )
    rules.append('svg.chart text:not([fill]):not([style*="fill:"]) { fill: #e8eaed; }')
    rules.append("svg.cell > rect { fill: var(--card); } svg.cell > text { fill: var(--ink); }")
    for light, dark in CELLS.items():
        rules += [f'svg.cell path[{kind}="{light}"] {{ {kind}: {dark}; }}' for kind in ("stroke", "fill")]
    return "@media screen and (prefers-color-scheme: dark) {\n" + "".join(f"  {rule}\n" for rule in rules) + "}\n"

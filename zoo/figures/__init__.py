"""Pictures as SVG text: charts of measurements and drawings of cells."""

from zoo.figures.chart import Level, Panel, Point, Trace, acceleration_svg, factor_svg, scatter_svg
from zoo.figures.curve import Curve, Curves, curves_svg
from zoo.figures.drawing import cell_svg

__all__ = [
    "Curve",
    "Curves",
    "Level",
    "Panel",
    "Point",
    "Trace",
    "acceleration_svg",
    "cell_svg",
    "curves_svg",
    "factor_svg",
    "scatter_svg",
]

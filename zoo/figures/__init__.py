"""Pictures as SVG text: charts of measurements, drawings of cells and of families."""

from zoo.figures.chart import Level, Panel, Point, Trace, acceleration_svg, factor_svg, scatter_svg
from zoo.figures.curve import Curve, Curves, curves_svg
from zoo.figures.drawing import cell_svg, cells_svg
from zoo.figures.family import Member, family_svg
from zoo.figures.flow import Stage, flow_svg
from zoo.figures.series import Mark, Series, series_svg

__all__ = [
    "Curve",
    "Curves",
    "Level",
    "Mark",
    "Member",
    "Panel",
    "Point",
    "Series",
    "Stage",
    "Trace",
    "acceleration_svg",
    "cell_svg",
    "cells_svg",
    "curves_svg",
    "factor_svg",
    "family_svg",
    "flow_svg",
    "scatter_svg",
    "series_svg",
]

"""The picture of a backtest, drawn for a phone: equity, return beside holding, drawdown.

The agent's curve has a panel to itself because it risks a small part of its equity: beside buying
and holding it is often a flat line, which the second panel shows honestly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from common.errors import BadSetting
from runner.backtest.grid import DAY_MS
from runner.backtest.report import drawdown_pct
from runner.core.market import CANDLE_MS, from_milliseconds

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError:
    raise BadSetting("--plot needs the package pillow: pip install 'automaton[charts]'") from None

if TYPE_CHECKING:
    from pathlib import Path

    from runner.backtest.report import Report
    from runner.core.market import Values

Colour: TypeAlias = tuple[int, int, int]

WIDTH, HEIGHT = 1080, 1350
# Drawn larger and scaled down, for smooth lines.
_ZOOM = 2
_LEFT, _RIGHT = 150, 1050
_AGENT, _HOLD, _LOSS = (9, 105, 218), (217, 119, 6), (196, 76, 66)
_INK, _FAINT, _GRID = (28, 32, 38), (105, 114, 125), (222, 226, 231)
_TITLE, _TEXT, _SMALL = 44, 31, 27
_MOST_LABELS = 5
_DATES = 4
# Of fewer days than these the hours are written too.
_SHORT_DAYS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a panel, one value for each slot; ``filled`` down from zero."""

    values: Values
    colour: Colour
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the picture, from ``top`` to ``bottom``, with a heading of coloured words."""

    heading: tuple[tuple[str, Colour], ...]
    lines: tuple[Line, ...]
    top: int
    bottom: int


def draw(report: Report, path: Path) -> None:
    """Write the picture to ``path`` as PNG; ``BadSetting`` when that cannot be."""
    canvas = _Canvas()
    setup = report.result.setup
    name = f"{setup.strategy.value.capitalize()}, {setup.risk_level.value} risk"
    symbols = ", ".join(report.symbols)
    span = f"{report.begin:%Y-%m-%d} to {report.end:%Y-%m-%d}"
    canvas.text((40, 34), name, _TITLE, _INK)
    canvas.text((40, 92), f"{symbols}, {span}, fees counted in", _SMALL, _FAINT)
    for panel in _panels(report):
        canvas.panel(panel)
    canvas.dates(report.result.grid.start_ms, report.result.grid.slots)
    try:
        canvas.finished().save(path, format="PNG", optimize=True)
    except OSError as error:
        raise BadSetting(f"--plot {path}: {error.strerror or error}") from None


def _panels(report: Report) -> tuple[Panel, ...]:
    result, agent, hold = report.result, report.agent, report.hold
    balance = float(result.setup.balance)
    fallen = -drawdown_pct(result.equity, balance)
    equity = (f"Equity in USDC: {float(result.final_equity):,.2f}", _AGENT)
    return (
        Panel((equity,), (Line(result.equity, _AGENT),), 190, 610),
        Panel(
            (
                (f"Return: agent {agent.return_pct:+.1f} %", _AGENT),
                (f"buy and hold {hold.return_pct:+.1f} %", _HOLD),
            ),
            (
                Line(100 * (result.hold / balance - 1), _HOLD),
                Line(100 * (result.equity / balance - 1), _AGENT),
            ),
            710,
            980,
        ),
        Panel(
            ((f"Drawdown: at most {agent.max_drawdown_pct:.2f} %", _LOSS),),
            (Line(fallen, _LOSS, filled=True),),
            1080,
            1265,
        ),
    )


class _Canvas:
    """Draws in the picture's own pixels, whatever the zoom."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * _ZOOM, HEIGHT * _ZOOM), "white")
        self._draw = ImageDraw.Draw(self._image)

    def finished(self) -> Image.Image:
        """Return the picture at its size."""
        return self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def text(
        self, at: tuple[float, float], text: str, size: int, colour: Colour, *, anchor: str = "la"
    ) -> float:
        """Write and return where the text ends."""
        font = ImageFont.load_default(size * _ZOOM)
        place = (at[0] * _ZOOM, at[1] * _ZOOM)
        self._draw.text(place, text, fill=colour, font=font, anchor=anchor)
        return at[0] + self._draw.textlength(text, font=font) / _ZOOM

    def panel(self, panel: Panel) -> None:
        """Draw heading, grid and curves."""
        x = 40.0
        for words, colour in panel.heading:
            x = self.text((x, panel.top - 52), words, _TEXT, colour) + 28
        low = min(float(line.values.min()) for line in panel.lines)
        high = max(float(line.values.max()) for line in panel.lines)
        if any(line.filled for line in panel.lines):
            high = max(high, 0.0)
        if high - low < 1e-9 * max(1.0, abs(high)):
            low, high = low - 1, high + 1
        step = _round_step((high - low) / _MOST_LABELS)
        decimals = max(0, -int(np.floor(np.log10(step))))
        for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
            value = number * step
            y = _between(value, low, high, panel.bottom, panel.top)
            self._stroke([(_LEFT, y), (_RIGHT, y)], _GRID, 1.5)
            self.text((_LEFT - 14, y), f"{value:,.{decimals}f}", _SMALL, _FAINT, anchor="rm")
        for line in panel.lines:
            points = [
                (x, _between(value, low, high, panel.bottom, panel.top))
                for x, value in _columns(line.values)
            ]
            if line.filled:
                zero = _between(0.0, low, high, panel.bottom, panel.top)
                outline = [(points[0][0], zero), *points, (points[-1][0], zero)]
                self._draw.polygon(
                    [(px * _ZOOM, py * _ZOOM) for px, py in outline], fill=line.colour
                )
            else:
                self._stroke(points, line.colour, 3)

    def dates(self, start_ms: int, slots: int) -> None:
        """Write dates under the lowest panel, the same for all."""
        short = slots * CANDLE_MS < _SHORT_DAYS * DAY_MS
        for number in range(_DATES):
            share = number / (_DATES - 1)
            at = from_milliseconds(start_ms + int(share * slots) * CANDLE_MS)
            anchor = "ls" if number == 0 else "rs" if number == _DATES - 1 else "ms"
            x = _LEFT + share * (_RIGHT - _LEFT)
            when = f"{at:%m-%d %H:%M}" if short else f"{at:%Y-%m-%d}"
            self.text((x, 1320), when, _SMALL, _FAINT, anchor=anchor)

    def _stroke(self, points: list[tuple[float, float]], colour: Colour, width: float) -> None:
        self._draw.line(
            [(x * _ZOOM, y * _ZOOM) for x, y in points],
            fill=colour,
            width=round(width * _ZOOM),
            joint="curve",
        )


def _columns(values: Values) -> list[tuple[float, float]]:
    """Return at most two points for each pixel, lowest and highest: no spike is lost."""
    width = _RIGHT - _LEFT
    if len(values) <= width:
        x = np.linspace(_LEFT, _RIGHT, len(values)) if len(values) > 1 else np.array([_LEFT])
        return list(zip(x.tolist(), values.tolist(), strict=True))
    points: list[tuple[float, float]] = []
    for column, part in enumerate(np.array_split(values, width)):
        lowest, highest = float(part.min()), float(part.max())
        rises = part.argmax() >= part.argmin()
        points += [(_LEFT + column, y) for y in ((lowest, highest) if rises else (highest, lowest))]
    return points


def _between(value: float, low: float, high: float, bottom: float, top: float) -> float:
    return bottom + (value - low) / (high - low) * (top - bottom)


def _round_step(least: float) -> float:
    """Return the next of 1, 2, 5, 10, … that is not below ``least``."""
    power = float(10 ** np.floor(np.log10(least)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)

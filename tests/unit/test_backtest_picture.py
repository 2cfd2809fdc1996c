"""The picture shows what it says, whatever the curves are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from common.errors import BadSetting
from runner.backtest.engine import Setup, run
from runner.backtest.picture import HEIGHT, WIDTH, draw
from runner.backtest.report import Report, report_on
from runner.core.model import RiskLevel, StrategyName
from tests.unit.backtest_samples import BTC, markets

if TYPE_CHECKING:
    from pathlib import Path

    from runner.core.market import Values

BLUE, ORANGE, RED = (9, 105, 218), (217, 119, 6), (196, 76, 66)


def report(equity: Values | None = None) -> Report:
    setup = Setup(StrategyName.AGGRESSIVE, RiskLevel.HIGH)
    lived = run(markets(63, 1, 2600, rough=False), setup)
    if equity is not None:
        grid = replace(lived.grid, slots=len(equity))
        lived = replace(lived, grid=grid, equity=equity, hold=lived.hold[: len(equity)])
    return report_on(lived, (BTC,))


def area(image: Image.Image, colour: tuple[int, int, int], top: int, bottom: int) -> int:
    part = np.asarray(image)[top:bottom, 150:1050]
    return int((np.abs(part.astype(int) - colour).sum(axis=2) < 30).sum())


def drawn(one: Report, path: Path) -> Image.Image:
    draw(one, path)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
        return image.convert("RGB")


def test_picture_has_the_three_curves_in_their_panels(tmp_path: Path) -> None:
    image = drawn(report(), tmp_path / "a.png")
    assert area(image, BLUE, 190, 610) > 1000
    assert area(image, ORANGE, 190, 610) == 0
    assert area(image, BLUE, 710, 980) > 500
    assert area(image, ORANGE, 710, 980) > 500
    assert area(image, RED, 1080, 1265) > 1000


@pytest.mark.parametrize("path", [[1000.0, 900.0, 1000.0], [1000.0, 950.0, 900.0]])
def test_drawdown_is_filled_from_zero_down(path: list[float], tmp_path: Path) -> None:
    # Both are triangles in their panel: half of it.
    equity = np.interp(np.linspace(0, 2, 300), [0, 1, 2], path)
    filled = area(drawn(report(equity), tmp_path / "a.png"), RED, 1080, 1265)
    assert 0.45 < filled / (900 * 185) < 0.55


@pytest.mark.parametrize(
    "equity",
    [
        np.array([1000.0]),
        np.array([1000.0, 1000.5]),
        np.full(1500, 1000.0),
        np.full(5, 1e-9),
        np.geomspace(1e-6, 1e12, 900),
    ],
    ids=["one slot", "two slots", "flat", "tiny", "everything"],
)
def test_odd_curves_are_drawn_too(equity: Values, tmp_path: Path) -> None:
    drawn(report(equity), tmp_path / "a.png")


def test_spike_between_two_pixels_is_not_lost(tmp_path: Path) -> None:
    equity = np.full(50_000, 1000.0)
    equity[31_415] = 1100.0
    lived = report().result
    long = replace(
        lived, grid=replace(lived.grid, slots=50_000), equity=equity, hold=np.full(50_000, 1000.0)
    )
    image = drawn(report_on(long, (BTC,)), tmp_path / "a.png")
    assert area(image, BLUE, 190, 400) > 100


def test_picture_that_cannot_be_written_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="--plot"):
        draw(report(), tmp_path / "missing" / "a.png")

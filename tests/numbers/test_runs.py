"""The library row of the run, recomputed from the export."""

from __future__ import annotations

import numpy as np
import pytest

from tests.numbers import recompute
from tests.numbers.reading import Page
from tests.numbers.recompute import TOTAL, Export
from tests.numbers.test_overview import strip
from tests.pages.conftest import OpenPage


def test_the_row_of_the_run(export: Export, run: str, open_page: OpenPage) -> None:
    page, found, curve = Page(open_page("runs")), recompute.all_figures(export, TOTAL), export.curve(TOTAL)
    (table,) = page.tables().values()
    assert set(table.visible) <= {
        *("status", "name", "return", "marks", "benchmark", "equity", "decided by", "tickers", "window", "excess", "sharpe", "coverage"),
        *("seed", "created"),
    }, "a column that nobody recomputes"
    row = table.cells["name"].index(export.manifest["name"])
    shown = {name: cells[row] for name, cells in table.cells.items()}
    for name, value in (
        ("return", found["cum_return"]),
        ("benchmark", found["benchmark_cum_return"]),
        ("excess", found["cum_return"] - found["benchmark_cum_return"]),
    ):
        assert name in table.percent and shown[name] == pytest.approx(100 * value), name
    assert shown["sharpe"] == pytest.approx(found["sharpe"])
    assert f"{shown['coverage']:.0f}%" == strip(export)[-1][1] and shown["seed"] == export.spec["seed"]
    assert shown["tickers"] == ", ".join(export.tickers)
    assert shown["window"] == f"{curve.days[0]} → {curve.days[-1]}"
    picked = np.linspace(0, len(curve.days) - 1, 60).round().astype(int)
    assert shown["equity"] == pytest.approx([round(float(curve.equity[at]), 2) for at in picked], abs=0.0051)

"""The figures inside the HTML report, out of its tables and its packed blocks, against the recomputed ones."""

from __future__ import annotations

import io

import pytest

from report.build import plan, write
from tests.numbers import recompute, words
from tests.numbers.recompute import TOTAL, Export
from tests.numbers.test_overview import SIGNED_BY
from tests.report.reading import Tables, data, numbers


@pytest.fixture
def written(export: Export, run: str) -> str:
    out = io.StringIO()
    write(plan(run), out)
    return out.getvalue()


def test_metrics_trips_and_curves_of_the_report(written: str, export: Export) -> None:
    labels = {label: (key, unit) for key, (label, unit, _) in SIGNED_BY.items()}
    tables = Tables(written).found
    for caption, whose in (("Metrics", TOTAL), *((f"Metrics of {name}", name) for name in export.tickers)):
        found, (head, *rows) = recompute.all_figures(export, whose), tables[caption]
        assert rows and all(row[0] in labels for row in rows), [row[0] for row in rows if row[0] not in labels]
        for row in rows:
            key, unit = labels[row[0]]
            assert row[1] == words.by_unit(found[key], unit), (caption, row[0], head)
            if row[0] == "Return":
                assert words.percent(found["benchmark_cum_return"]) in row, caption
    packed = data(written)
    trades = packed["b-trades"]
    mine = {(trip.ticker, trip.number): trip for trip in recompute.run_trips(export, TOTAL)}
    assert {(trip["ticker"], trip["number"]) for trip in trades["trips"]} == set(mine)
    for trip in trades["trips"]:
        again = mine[trip["ticker"], trip["number"]]
        for name in (
            "entry",
            "exit",
            "shares",
            "realised",
            "unrealised",
            "profit",
            "gain",
            "worst",
            "best",
            "benchmark",
            "costs",
            "sessions",
        ):
            assert trip[name] == (pytest.approx(value) if (value := getattr(again, name)) is not None else None), (trip["number"], name)
    curve, figure = export.curve(TOTAL), packed["b-chart-money-0"]["light"]["data"]
    for place, money in ((0, curve.benchmark), (2, curve.equity)):
        assert figure[place]["x"] == curve.days and numbers(figure[place]["y"]) == pytest.approx(list(money))
        assert numbers(figure[place + 1]["y"]) == pytest.approx(recompute.below_peak(money), abs=1e-12)


def test_importance_of_an_event_in_the_report_is_called_what_it_is(written: str) -> None:
    """The record keeps the value of the moment it was set at; it has faded since, so the heading must not say "importance" alone."""
    script = written.split("<script>")[-1]
    assert script.count('"importance as last set", "change", "why"') == 2 and '"layer", "importance", "change"' not in script


def test_memories_of_the_report_at_the_last_session(written: str, export: Export) -> None:
    packed, last = data(written), export.records[export.tickers[0]][-1]["day"]
    for at, ticker in enumerate(export.tickers):
        listed, every = packed[f"b-memories-{at}"], recompute.memories(export, ticker, last)
        assert listed["of"] == len(every) and listed["rows"]
        for values in listed["rows"]:
            row = dict(zip(listed["columns"], values, strict=True))
            again = every[row["id"]]
            for name in (
                "layer",
                "importance",
                "recency",
                "positive",
                "negative",
                "access_count",
                "recalled",
                "cited",
                "alive",
                "forgotten_on",
            ):
                value = getattr(again, name)
                assert row[name] == (pytest.approx(value) if isinstance(value, float) else value), (row["id"], name)

"""What a page shows, read off an AppTest: tiles, tables with the unit of each column, charts as numbers, and every sentence.

Promise: nothing that carries a number is left out. ``Page.audit`` fails for a tile, a table, a column, a chart or a line of a chart that
nobody recomputed, and for one that was expected and is not there.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

Tile = tuple[str, str, str]  # label, value, delta
EXACT = 1e-9


@dataclass(frozen=True)
class Percent:
    """A fraction that must be shown as percent: 0.012 reads 1.2 %."""

    fraction: float | None


@dataclass(frozen=True)
class Untold:
    """A column or a chart that holds nothing to recompute, with the reason."""

    why: str


@dataclass
class Told:
    """All that a page should show. ``tables``: key -> column -> cells; ``charts``: key -> line -> axis -> values."""

    tiles: list[Tile] = field(default_factory=list)
    tables: dict[str, Mapping[str, Sequence[Any] | Untold] | Untold] = field(default_factory=dict)
    charts: dict[str, Mapping[str, Mapping[str, Sequence[Any]]] | Untold] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    key: str
    cells: dict[str, list[Any]]
    percent: frozenset[str]
    visible: tuple[str, ...]


class Page:
    """One page as it was drawn."""

    def __init__(self, at: AppTest) -> None:
        self.at = at

    # ------------------------------------------------------------------------------------------------------------ what there is

    def tiles(self) -> list[Tile]:
        return [(item.label, item.value, item.delta) for item in self.at.metric]

    def tables(self) -> dict[str, Table]:
        """By key; a table that nobody can tick has none on the wire and is called by its place: ``table 2``."""
        found = [_table(item, f"table {place}") for place, item in enumerate(self.at.dataframe, 1)]
        assert len({table.key for table in found}) == len(found), "two tables with one key: one would hide the other"
        return {table.key: table for table in found}

    def charts(self) -> dict[str, dict[str, dict[str, list[Any]]]]:
        return {_key(item.proto.id): _lines(json.loads(item.proto.spec)) for item in self.at.get("plotly_chart")}

    def annotations(self, chart: str) -> list[dict[str, Any]]:
        for item in self.at.get("plotly_chart"):
            if _key(item.proto.id) == chart:
                return list(json.loads(item.proto.spec)["layout"].get("annotations", ()))
        raise AssertionError(f"no chart {chart}")

    def bars(self) -> list[tuple[str, list[float], str]]:
        """Every score bar: the mark before it (rank or star), the lengths of its three parts, 1 being 100, and the figure behind it."""
        found = []
        for item in self.at.get("page_link"):
            if not (picture := re.match(r"!\[\]\(data:image/svg\+xml;base64,([\w+/=]+)\) ", item.proto.label)):
                continue
            drawing = base64.b64decode(picture[1]).decode()
            parts = [float(width) for width in re.findall(r'<rect x="[\d.]+" width="([\d.]+)" height="18" fill', drawing)]
            words = re.findall(r">([^<>]+)</text>", drawing)
            if len(parts) == 3 and words:
                found.append((words[0], parts, words[-1]))
        return found

    def sentences(self) -> list[str]:
        """Every line of text with a digit in it, outside tiles, tables, charts and pickers; links, badges and headings included."""
        return [line for block in _texts(self.at) for line in block.splitlines() if re.search(r"\d", line)]

    # ------------------------------------------------------------------------------------------------------------- the comparison

    def audit(self, told: Told) -> None:
        """Both ways: whatever is shown is told, and whatever is told is shown."""
        assert self.tiles() == told.tiles, _apart(self.tiles(), told.tiles)
        shown = self.tables()
        assert set(shown) == set(told.tables), f"tables shown {sorted(shown)}, recomputed {sorted(told.tables)}"
        for key, expected in told.tables.items():
            if not isinstance(expected, Untold):
                _compare_table(shown[key], expected)
        drawn = self.charts()
        assert set(drawn) == set(told.charts), f"charts shown {sorted(drawn)}, recomputed {sorted(told.charts)}"
        for key, lines in told.charts.items():
            if not isinstance(lines, Untold):
                _compare_chart(key, drawn[key], lines)

    def say(self, known: Iterable[str | re.Pattern[str]], *, texts: str = "") -> None:
        """Every sentence with a number is one of ``known`` (a pattern must match all of it) or stands word for word in ``texts``; each
        known sentence that is no pattern is there."""
        known = list(known)
        plain = {item for item in known if isinstance(item, str)}
        patterns = [item for item in known if not isinstance(item, str)]
        lines = self.sentences()
        missing = sorted(item for item in plain if item not in lines and re.search(r"\d", item))
        odd = [line for line in lines if line not in plain and not any(p.fullmatch(line) for p in patterns) and _bare(line) not in texts]
        assert not missing and not odd, f"recomputed, not shown: {missing}\nshown, not recomputed: {odd}"


def _bare(line: str) -> str:
    return re.sub(r"\s+", " ", line.strip(" …“”•"))


# ------------------------------------------------------------------------------------------------------------------- elements


def _key(element_id: str) -> str:
    return element_id.split("-", 2)[2] if element_id.startswith("$$ID-") else element_id


def _table(item: Any, otherwise: str) -> Table:
    settings = json.loads(item.proto.columns or "{}")
    frame = item.value
    visible = list(item.proto.column_order) or list(frame.columns)
    configured = {name: config.get("type_config") or {} for name, config in settings.items() if isinstance(config, dict)}
    percent = {name for name, config in configured.items() if _is_percent(config.get("format"))}
    cells = {}
    for name in frame.columns:
        values = [_plain(value) for value in frame[name]]
        if configured.get(name, {}).get("format") == "percent":  # the browser multiplies
            values = [None if value is None else 100 * value for value in values]
        cells[str(name)] = values
    return Table(_key(item.proto.id) or otherwise, cells, frozenset(percent), tuple(name for name in visible if name in frame.columns))


def _is_percent(form: object) -> bool:
    return isinstance(form, str) and (form == "percent" or "%%" in form)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _compare_table(shown: Table, expected: Mapping[str, Sequence[Any] | Untold]) -> None:
    columns = {name: shown.cells[name] for name in shown.visible}
    assert set(columns) == set(expected), f"{shown.key}: columns shown {sorted(columns)}, recomputed {sorted(expected)}"
    for name, cells in expected.items():
        if isinstance(cells, Untold):
            assert cells.why
            continue
        mine = list(cells)
        told_percent = any(isinstance(cell, Percent) for cell in mine)
        numbers = any(isinstance(value, int | float) for value in columns[name])
        assert not numbers or told_percent == (name in shown.percent), f"{shown.key}.{name}: percent sign and figure do not agree"
        assert len(mine) == len(columns[name]), f"{shown.key}.{name}: {len(columns[name])} rows shown, {len(mine)} recomputed"
        for row, (there, here) in enumerate(zip(columns[name], mine, strict=True)):
            here = _times_100(here) if isinstance(here, Percent) else here
            assert same(there, here), f"{shown.key}.{name} row {row}: shown {there!r}, recomputed {here!r}"


def _times_100(value: Percent) -> float | None:
    return None if value.fraction is None else 100 * value.fraction


def _lines(spec: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Every trace by its name (``name``, then ``name #2``), with all its axes that hold data."""
    found: dict[str, dict[str, list[Any]]] = {}
    for trace in spec["data"]:
        name, number = str(trace.get("name") or trace["type"]), 1
        while (label := name if number == 1 else f"{name} #{number}") in found:
            number += 1
        axes = {
            axis: _array(trace[axis]) for axis in ("x", "y", "z", "open", "high", "low", "close", "text", "customdata") if axis in trace
        }
        if trace["type"] == "sankey":
            axes = {name: _array(trace["link"][name]) for name in ("source", "target", "value")} | {"label": _array(trace["node"]["label"])}
        found[label] = axes
    return found


def _array(value: Any) -> list[Any]:
    """A plain list; numbers that plotly packed are unpacked."""
    if isinstance(value, dict) and "bdata" in value:
        numbers = np.frombuffer(base64.b64decode(value["bdata"]), dtype=np.dtype(value["dtype"]).newbyteorder("<"))
        shape = [int(part) for part in str(value.get("shape", len(numbers))).split(",")]
        return [_plain(item) for item in numbers.reshape(shape).tolist()]
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else [value]


def _compare_chart(key: str, drawn: Mapping[str, Mapping[str, list[Any]]], lines: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
    assert set(drawn) == set(lines), f"{key}: lines drawn {list(drawn)}, recomputed {list(lines)}"
    for name, axes in lines.items():
        for axis, values in axes.items():
            there = drawn[name][axis]
            assert len(there) == len(values), f"{key}, {name}, {axis}: {len(there)} drawn, {len(values)} recomputed"
            for at, (one, other) in enumerate(zip(there, values, strict=True)):
                assert same(one, other), f"{key}, {name}, {axis} at {at}: drawn {one!r}, recomputed {other!r}"
        rest = set(drawn[name]) - set(axes) - {"text"}
        assert not rest, f"{key}, {name}: nobody recomputed {sorted(rest)}"


def same(there: Any, here: Any) -> bool:
    """Equal, numbers to nine digits; nothing is the same as an absent value and as an empty text."""
    if isinstance(there, list) or isinstance(here, list | tuple):
        there, here = there if isinstance(there, list) else [there], list(here) if isinstance(here, list | tuple) else [here]
        return len(there) == len(here) and all(same(a, b) for a, b in zip(there, here, strict=True))
    if _nothing(there) or _nothing(here):
        return _nothing(there) and _nothing(here)
    if isinstance(there, str) or isinstance(here, str) or isinstance(there, bool):
        return str(there) == str(here)
    if not (isinstance(there, int | float) and isinstance(here, int | float)):
        return str(there) == str(here)
    return math.isclose(float(there), float(here), rel_tol=EXACT, abs_tol=EXACT)


def _nothing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _apart(there: Sequence[Tile], here: Sequence[Tile]) -> str:
    return f"\nshown, not recomputed: {[t for t in there if t not in here]}\nrecomputed, not shown: {[t for t in here if t not in there]}"


WORDS = {"markdown", "text", "caption", "title", "header", "subheader", "success", "info", "warning", "error", "code"}


def _texts(at: AppTest) -> Iterator[str]:
    yield from _walk(at.main)


def _walk(block: Any) -> Iterator[str]:
    for child in getattr(block, "children", {}).values():
        if child.type in WORDS:
            yield unbadged(str(child.value))
        elif child.type == "page_link":
            yield unbadged(child.proto.label)
        elif hasattr(child, "children"):
            label = getattr(getattr(child, "proto", None), "label", "")
            if label:
                yield unbadged(str(label))
            yield from _walk(child)


def unbadged(text: str) -> str:
    """The words of a badge, heading or link without the marks that colour it and the picture before it."""
    text = re.sub(r"^!\[\]\(data:[^)]*\) ", "", text)
    text = re.sub(r":[a-z]+-badge\[(.*)\]", r"\1", text)
    text = re.sub(r":material/\w+:", "", text)
    return text.replace("**", "").replace("\\", "").strip()

"""The pictures of the Memory page as pure functions: what is drawn where, and that nothing from outside becomes markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from ui.charts.memory import lifeline
from ui.charts.memory_flows import flows
from ui.charts.memory_map import memory_map
from ui.charts.memory_strip import HEIGHT, TOP, WIDTH, layers_strip

COUNTS = pd.DataFrame({"day": ["2025-03-03", "2025-03-04", "2025-03-05"], "short": [1, 2, 0], "long": [1, 2, 4]})
HOSTILE = "<img src=//evil.test/b> [x](http://evil.test)"


def test_the_strip_stacks_the_layers_and_marks_the_day() -> None:
    root = ElementTree.fromstring(layers_strip(COUNTS, at=1, dark=False))
    shapes = [element.attrib["d"] for element in root.iter() if element.tag.endswith("path")]
    long, short = ([tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", shape)] for shape in shapes)
    full = HEIGHT - TOP
    assert long[:3] == [(0.0, HEIGHT - full / 4), (WIDTH / 2, HEIGHT - full / 2), (WIDTH, TOP)]
    assert short[:3] == [(0.0, HEIGHT - full / 2), (WIDTH / 2, TOP), (WIDTH, TOP)]
    marker = [element for element in root.iter() if element.tag.endswith("rect") and element.attrib.get("width") == "3"]
    assert float(marker[0].attrib["x"]) == pytest.approx(WIDTH / 2 - 1.5)
    assert "later" in "".join(root.itertext())
    assert "later" not in layers_strip(COUNTS, at=2, dark=False), "after the last session there is no later"


@pytest.mark.parametrize("frame", [COUNTS.iloc[:0], COUNTS.iloc[:1], COUNTS[["day"]], COUNTS.assign(short=0, long=0)])
def test_the_strip_of_next_to_nothing_is_a_picture_too(frame: pd.DataFrame) -> None:
    ElementTree.fromstring(layers_strip(frame, at=0, dark=True))


def test_a_strip_of_a_thousand_sessions_stays_small() -> None:
    days = pd.DataFrame({"day": range(1000), "short": np.arange(1000), "mid": 5, "long": 7, "reflection": np.arange(1000) // 2})
    assert len(layers_strip(days, at=733, dark=False)) < 25_000


def test_a_layer_of_somebody_s_own_name_is_never_markup_in_a_picture() -> None:
    frame = pd.DataFrame({"day": ["2025-03-03"], HOSTILE: [3]})
    assert "evil" not in layers_strip(frame, at=0, dark=False)
    moved = pd.DataFrame({"kind": ["promoted"], "source": ["short"], "target": [HOSTILE], "moves": [2], "memories": [1]})
    assert "<img" not in str(flows(moved, layers=["short", HOSTILE], dark=False).data[0].node.label)


def test_every_ribbon_is_as_wide_as_its_moves() -> None:
    rows = [
        ("remembered", "not yet remembered", "short", 5, 5),
        ("promoted", "short", "mid", 2, 1),
        ("forgotten", "short", "forgotten", 1, 1),
    ]
    frame = pd.DataFrame(rows, columns=["kind", "source", "target", "moves", "memories"])
    sankey = flows(frame, layers=["short", "mid"], dark=False).data[0]
    labels = list(sankey.node.label)
    ribbons = {(labels[s], labels[t]): v for s, t, v in zip(sankey.link.source, sankey.link.target, sankey.link.value)}
    assert ribbons == {("○ not yet remembered 5", "◔ short 5"): 5, ("◔ short 3", "◑ mid 2"): 2, ("◔ short 3", "✕ forgotten 1"): 1}


def test_the_map_needs_no_webgl_and_is_hollow_where_forgotten() -> None:
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "x": [0.0, 1.0, 2.0],
            "y": [0.0, 1.0, 2.0],
            "layer": ["short", "short", "long"],
            "alive": [True, False, True],
            "importance": [0.0, 50.0, 100.0],
            "title": ["one", HOSTILE, "three"],
            "mark": ["recalled", "", "cited"],
        }
    )
    fig = memory_map(frame, explained=(0.5, 0.25), selected=3, dark=False)
    traces = {trace.name: trace for trace in fig.data}
    assert {trace.type for trace in fig.data} == {"scatter"}
    assert traces["◔ short, forgotten"].marker.symbol == "circle-open" and list(traces["◔ short, forgotten"].customdata) == [2]
    assert "<" not in traces["◔ short, forgotten"].text[0]
    assert (traces["◔ short"].marker.size[0], traces["● long"].marker.size[0]) == (5.0, 15.0)
    assert (
        list(traces["★ cited"].customdata) == [3]
        and list(traces["recalled"].customdata) == [1]
        and list(traces["opened"].customdata) == [3]
    )
    assert "50.0 %" in fig.layout.xaxis.title.text and "25.0 %" in fig.layout.yaxis.title.text


def test_the_later_part_of_a_life_is_shaded_and_named() -> None:
    days = pd.Series(pd.date_range("2025-03-03", periods=4)).dt.date
    line = pd.DataFrame({"day": days, "layer": "short", "importance": 50.0, "recency": 0.5})
    events = pd.DataFrame({"day": [days[0]], "kind": ["remembered"]})
    shaded = lifeline(line, events, dark=False, later_than=str(days[1]))
    assert [(shape.x0, shape.x1) for shape in shaded.layout.shapes] == [(str(days[1]), str(days[3]))]
    assert any("later" in note.text for note in shaded.layout.annotations)
    assert not lifeline(line, events, dark=False, later_than=str(days[3])).layout.shapes

"""What changed in a memory between two sessions, and how much of a memory's life was known by a day. Reads events only.

The functions that compute take a frame of events and know no database, so their figures can be checked by hand. "After" a day means
later than its last event, "until" a day includes it: the changes of one session are those after the session before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from services import runs

NEW, GONE = "not yet remembered", "forgotten"
COLUMNS = ["seq", "day", "kind", "memory_id", "before_layer", "after_layer", "importance", "delta"]
WAYS = ("remembered", "promoted", "demoted", "forgotten")  # the events that move a memory from one place to another


def events(run_id: str, ticker: str) -> pd.DataFrame:
    """Every memory event of a ticker in order, without its texts: seq, day, kind, memory_id, before_layer, after_layer, importance, delta."""
    return runs.store().event_rows(run_id, ticker, columns=COLUMNS)[COLUMNS]


def flows(found: pd.DataFrame, *, after: date | None, until: date) -> pd.DataFrame:
    """How often memories moved from one place to another after ``after`` (None: from the start) and until ``until``.

    Columns: kind, source (a layer, or ``NEW``), target (a layer, or ``GONE``), moves (events), memories (different ones). For every layer:
    live memories then + moves into it - moves out of it = live memories now.
    """
    moved = _between(found, after, until)
    moved = moved[moved["kind"].isin(WAYS)]
    sources = moved["before_layer"].where(moved["kind"] != "remembered", NEW)
    targets = moved["after_layer"].where(moved["kind"] != "forgotten", GONE)
    frame = pd.DataFrame({"kind": moved["kind"], "source": sources, "target": targets, "memory_id": moved["memory_id"]})
    if frame.empty:
        return pd.DataFrame({"kind": [], "source": [], "target": [], "moves": [], "memories": []}).astype({"moves": int, "memories": int})
    grouped = frame.groupby(["kind", "source", "target"], sort=True)["memory_id"].agg(moves="size", memories="nunique").reset_index()
    order = {kind: place for place, kind in enumerate(WAYS)}
    return grouped.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable").reset_index(drop=True)


def moved_along(found: pd.DataFrame, *, kind: str, source: str, target: str, after: date | None, until: date) -> list[int]:
    """The memories behind one row of ``flows``, by id."""
    rows = _between(found, after, until)
    rows = rows[rows["kind"] == kind]
    if source != NEW:
        rows = rows[rows["before_layer"] == source]
    if target != GONE:
        rows = rows[rows["after_layer"] == target]
    return sorted({int(number) for number in rows["memory_id"]})


def live(found: pd.DataFrame, day: date | None, layers: Sequence[str] = ()) -> dict[str, int]:
    """Live memories per layer after the session ``day``; None is the time before the first."""
    last = _last(found, day)
    counts = last[last["kind"] != "forgotten"]["after_layer"].value_counts()
    return {**dict.fromkeys(layers, 0), **{str(name): int(count) for name, count in counts.items()}}


def difference(found: pd.DataFrame, *, after: date | None, until: date) -> pd.DataFrame:
    """One row per memory to which something happened after ``after`` and until ``until``, by id.

    Columns: memory_id, before and now (a layer, ``NEW`` or ``GONE``), born, gone, moves (promotions and demotions), credits (times),
    credit (sum of the changes of importance by credit), cited (times), first_cited (never before), last (the day of its last change).
    """
    period = _between(found, after, until)
    period = period[period["kind"] != "merged"]
    if period.empty:
        return pd.DataFrame(columns=DIFFERENCE)
    ids = pd.Index(sorted(period["memory_id"].unique()), name="memory_id")
    kinds = period.pivot_table(index="memory_id", columns="kind", values="seq", aggfunc="size", fill_value=0)
    times = {kind: kinds[kind].reindex(ids) if kind in kinds else pd.Series(0, index=ids) for kind in (*WAYS, "credited", "cited")}
    earlier = _until(found, after)
    frame = pd.DataFrame(index=ids)
    frame["before"], frame["now"] = _places(found, after, ids), _places(found, until, ids)
    frame["born"], frame["gone"] = times["remembered"] > 0, times["forgotten"] > 0
    frame["moves"] = times["promoted"] + times["demoted"]
    frame["credits"] = times["credited"]
    frame["credit"] = period[period["kind"] == "credited"].groupby("memory_id")["delta"].sum().reindex(ids).fillna(0.0)
    frame["cited"] = times["cited"]
    frame["first_cited"] = (frame["cited"] > 0) & ~ids.isin(earlier.loc[earlier["kind"] == "cited", "memory_id"])
    frame["last"] = period.groupby("memory_id")["day"].last().reindex(ids)
    return frame.reset_index()


DIFFERENCE = ["memory_id", "before", "now", "born", "gone", "moves", "credits", "credit", "cited", "first_cited", "last"]


def counts(changed: pd.DataFrame) -> dict[str, int]:
    """How many memories of a ``difference`` were born, forgotten, moved, credited, cited, and cited for the first time."""
    if changed.empty:
        return dict.fromkeys(("born", "forgotten", "moved", "credited", "cited", "first cited"), 0)
    columns = {
        "born": changed["born"],
        "forgotten": changed["gone"],
        "moved": changed["moves"] > 0,
        "credited": changed["credits"] > 0,
        "cited": changed["cited"] > 0,
        "first cited": changed["first_cited"],
    }
    return {name: int(which.sum()) for name, which in columns.items()}


def judged_on(run_id: str, ticker: str) -> dict[date, date]:
    """Session of a decision -> the session in which its outcome became known."""
    rows = runs.store().outcome_rows(run_id, ticker)
    return dict(zip(rows["decided"], rows["day"])) if not rows.empty else {}


def uses_by(uses: pd.DataFrame, judged: dict[date, date], day: date) -> pd.DataFrame:
    """``queries.memory_uses`` as it was known after the session ``day``: later recalls left out, and outcomes nobody could know yet."""
    known = uses[uses["day"] <= day].copy() if len(uses) else uses.copy()
    for column in ("outcome", "verdict"):
        if column in known:
            told = [judged.get(when, date.max) <= day for when in known["day"]]
            known[column] = known[column].astype(float).where(told)
    return known


# ------------------------------------------------------------------------------------------------------------------- helpers


def _between(found: pd.DataFrame, after: date | None, until: date) -> pd.DataFrame:
    kept = _until(found, until)
    return kept if after is None else kept[kept["day"] > after]


def _until(found: pd.DataFrame, day: date | None) -> pd.DataFrame:
    return found.iloc[:0] if day is None else found[found["day"] <= day]


def _last(found: pd.DataFrame, day: date | None) -> pd.DataFrame:
    """The newest event of every memory by a day; a memory that is gone has no later one."""
    return _until(found, day).groupby("memory_id").last()


def _places(found: pd.DataFrame, day: date | None, ids: pd.Index) -> pd.Series:
    last = _last(found, day)
    return last["after_layer"].where(last["kind"] != "forgotten", GONE).reindex(ids).fillna(NEW)

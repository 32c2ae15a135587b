"""The read side: tidy frames and plain figures for pages, exports and the command line. Nothing here writes or computes decisions.

Frames hold fractions (0.012), dates and floats; what they look like is the business of ``ui/``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from agent.errors import SpecError
from agent.evaluation import leaks as evaluation_leaks
from agent.evaluation.leaks import LeakReport
from agent.evaluation.metrics import evaluate
from agent.memory.scoring import importance, recency
from agent.records import DayRecord, Filing, Memory, News
from agent.registry import unknown
from agent.spec import RunSpec
from services import contamination, runs
from services.contamination import Contamination
from storage.run_store import RunRow, RunStore

TOTAL = "total"
LONGEST_CANDLES = 260  # sessions; beyond a year candles cost more than they show
ENOUGH_COVERAGE = 0.95  # below this share of test days with a decision a run is no result: agent.md section 4
BY_MODEL = ("model", "re-asked", "cached")  # provenance of a decision that a language model itself made
RULES = "rules, no LLM"
MASKED = "masked"
FUTURE = "saw the future"
KNOWN_BEFORE = {  # by the level that services.contamination gives
    "inside": "inside the model's training data",
    "partly": "partly inside the model's training data",
    "margin": "near the model's knowledge cut-off",
    "unknown": "cut-off of the model unknown",
}


@dataclass(frozen=True)
class RunView:
    """One run as a header shows it."""

    id: str
    name: str
    state: str
    error: str
    spec: RunSpec
    provenance: dict[str, Any]
    summary: dict[str, Any]
    done: int
    total: int
    created_at: Any
    started_at: Any
    finished_at: Any

    @property
    def model_label(self) -> str:
        """What decided, in the words people see."""
        if self.spec.strategy != "memory":
            return f"strategy {self.spec.strategy}, no LLM"
        found = self.provenance.get("backend", {})
        if self.spec.backend == "rules":
            return found.get("label") or "rules, no LLM"
        return f"{self.spec.backend} · {found.get('model') or self.spec.backend_options.get('model', '')}"

    @property
    def by_rules(self) -> bool:
        """Whether no language model decided anything."""
        return _by_rules(self.spec)

    @property
    def contamination(self) -> Contamination:
        """Whether the models of the run know its test days already."""
        return contamination.judge(self.spec, self.provenance)

    @property
    def note(self) -> str:
        return self.provenance.get("note", "")

    @property
    def model_notes(self) -> tuple[str, ...]:
        """What people should know about how the models are asked: a way that failed its test, a window shorter than wished for."""
        model, helper = (self.provenance.get(role) or {} for role in ("model", "helper"))
        return (*model.get("notes", ()), *(f"Second model: {note}" for note in helper.get("notes", ())))

    @property
    def leaks(self) -> LeakReport | None:
        """What was known when, as the worker kept it last; None for a run recorded before there was such a report."""
        return _kept_leaks(self.summary)


def _by_rules(spec: RunSpec) -> bool:
    return spec.strategy != "memory" or spec.backend == "rules"


def marks(run: RunView | Mapping[str, Any]) -> tuple[str, ...]:
    """What has to stand beside a run's figures wherever it is listed or ranked, what weighs most first; of a view or a ``library`` row."""
    if not isinstance(run, RunView):
        return tuple(run["marks"])
    known = KNOWN_BEFORE.get(run.contamination.level, "")
    found = [mark for mark in (_coverage_mark(run), _future_mark(run), _cut_mark(run), known) if mark]
    if run.spec.execution.fill == "same_close":
        found.append("optimistic fills")
    found += [RULES] if run.by_rules else []
    found += [MASKED] if run.spec.masking.on else []
    return tuple(found)


def _coverage_mark(view: RunView) -> str:
    if not low_coverage(view.summary):
        return ""
    share = f"{math.floor(100 * view.summary['coverage'])} %"  # never rounded up to what would have been enough
    return f"decided on {share} of days" if view.by_rules else f"coverage {share}"


def low_coverage(summary: Mapping[str, Any]) -> bool:
    """Whether too few test days have a decision for the figures to be a result."""
    coverage = summary.get("coverage")
    return coverage is not None and coverage < ENOUGH_COVERAGE


def _future_mark(view: RunView) -> str:
    return FUTURE if view.leaks is not None and view.leaks.verdict == "violated" else ""


def _cut_mark(view: RunView) -> str:
    days = view.summary.get("days_cut", 0)
    return f"prompt cut on {days} day{'s' if days != 1 else ''}" if days else ""


def run(run_id: str) -> RunView:
    """One run; SpecError with the nearest id if there is none."""
    return _view(runs.store().run(run_id))


def _view(row: RunRow) -> RunView:
    return RunView(
        id=row.id,
        name=row.name or _given_name(row),
        state=runs.state(row),
        error=row.error,
        spec=row.spec,
        provenance=row.provenance,
        summary=row.summary,
        done=row.sessions_done,
        total=row.sessions_total,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _given_name(row: RunRow) -> str:
    """A name for a run that nobody named: what traded, and from when."""
    tickers = ", ".join(row.tickers[:3]) + (f" and {len(row.tickers) - 3} more" if len(row.tickers) > 3 else "")
    return f"{tickers} from {row.test_start}"


def library() -> pd.DataFrame:
    """All runs, newest first, one row each; a run of another version that cannot be read any more is listed as ``unreadable``."""
    return pd.DataFrame([_listed(row) for row in runs.store().runs()])


def _listed(row: RunRow) -> dict[str, Any]:
    figures = row.summary
    common = {
        "run": row.id,
        "tickers": ", ".join(row.tickers),
        "source": row.source,
        "test_start": row.test_start,
        "test_end": row.test_end,
        "return": figures.get("cum_return"),
        "benchmark": figures.get("benchmark_return"),
        "excess": _difference(figures.get("cum_return"), figures.get("benchmark_return")),
        "sharpe": figures.get("sharpe"),
        "max_drawdown": figures.get("max_drawdown"),
        "coverage": figures.get("coverage"),
        "equity": figures.get("sparkline", []),
        "created": row.created_at,
    }
    try:
        view = _view(row)
    except SpecError as error:
        return {
            **common,
            "name": row.name or row.id,
            "status": "unreadable",
            "model": row.backend,
            "marks": (),
            "progress": 0.0,
            "seed": None,
            "error": str(error),
        }
    progress = view.done / view.total if view.total else 0.0
    told = {
        "name": view.name,
        "status": view.state,
        "model": view.model_label,
        "marks": marks(view),
        "progress": progress,
        "seed": view.spec.seed,
        "error": view.error,
    }
    return {**common, **told}


def views() -> list[RunView]:
    """All runs that this version can read, newest first."""
    found = []
    for row in runs.store().runs():
        with suppress(SpecError):  # the library lists it as unreadable
            found.append(_view(row))
    return found


def matching(frame: pd.DataFrame, words: str, statuses: Iterable[str] = ()) -> pd.DataFrame:
    """The rows of ``library`` in which every word occurs somewhere; of these statuses, or of any."""
    kept, wanted = frame, set(statuses)
    if wanted:
        kept = kept[kept["status"].isin(wanted)]
    for word in words.lower().split():
        cells = kept[["run", "name", "tickers", "source", "model", "marks"]].itertuples(index=False)
        kept = kept.loc[[word in " ".join(map(str, row)).lower() for row in cells]]
    return kept.reset_index(drop=True)


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


# --------------------------------------------------------------------------------------------------------------------- money


def equity(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """day, equity, benchmark, drawdown, benchmark_drawdown, weight over the test sessions; ``total`` sums the sleeves.

    While a run is in progress the total ends with the last session that all tickers have.
    """
    return _equity(runs.store(), run_id, ticker)


def _equity(store: RunStore, run_id: str, ticker: str) -> pd.DataFrame:
    rows = store.day_rows(run_id)
    rows = rows[rows["phase"] == "test"]
    if ticker != TOTAL:
        rows = rows[rows["ticker"] == ticker]
    else:
        complete = rows.groupby("day")["ticker"].transform("count") == rows["ticker"].nunique()
        rows = rows[complete]
    if rows.empty:
        return pd.DataFrame(columns=["day", "equity", "benchmark", "drawdown", "benchmark_drawdown", "weight"])
    rows = rows.assign(held=rows["equity"] - rows["cash"])
    grouped = rows.groupby("day", as_index=False)[["equity", "benchmark_equity", "held"]].sum().sort_values("day")
    frame = pd.DataFrame({"day": grouped["day"], "equity": grouped["equity"], "benchmark": grouped["benchmark_equity"]})
    for column, source in (("drawdown", "equity"), ("benchmark_drawdown", "benchmark")):
        frame[column] = frame[source] / frame[source].cummax() - 1
    frame["weight"] = grouped["held"] / grouped["equity"].where(grouped["equity"] > 0)
    return frame.reset_index(drop=True)


def figures(run_id: str, ticker: str = TOTAL) -> dict[str, float | None]:
    """The metrics of ``agent.evaluation.metrics`` for the run, and the same for its benchmark under ``benchmark_*`` keys."""
    return _figures(runs.store(), run_id, ticker)


def _figures(store: RunStore, run_id: str, ticker: str = TOTAL) -> dict[str, float | None]:
    frame = _equity(store, run_id, ticker)
    if frame.empty:
        return {}
    fills = store.fill_rows(run_id)
    if ticker != TOTAL and not fills.empty:
        fills = fills[fills["ticker"] == ticker]
    found = evaluate(
        frame["equity"].to_numpy(),
        benchmark=frame["benchmark"].to_numpy(),
        weights=frame["weight"].to_numpy(),
        fills=fills,
    )
    theirs = evaluate(frame["benchmark"].to_numpy())
    return {**found, **{f"benchmark_{key}": value for key, value in theirs.items()}}


def summary(store: RunStore, run_id: str) -> dict[str, Any]:
    """The few figures the library lists."""
    rows = store.day_rows(run_id)
    test = rows[rows["phase"] == "test"]
    found = _figures(store, run_id)
    curve = _equity(store, run_id, TOTAL)["equity"].to_numpy()
    asked = test[test["close"].notna() & (test["action"].notna() | test["abstained"].notna())]
    return {
        "cum_return": found.get("cum_return"),
        "benchmark_return": found.get("benchmark_cum_return"),
        "sharpe": found.get("sharpe"),
        "benchmark_sharpe": found.get("benchmark_sharpe"),
        "max_drawdown": found.get("max_drawdown"),
        **_deciding(asked, rules=_by_rules(store.run(run_id).spec)),
        "days_cut": int((rows["cut"] > 0).sum()),
        "days_left_out": int((rows["left_out"] > 0).sum()),
        "helper_calls": int(rows["helper_calls"].sum()),
        "abstained_mostly": _commonest(asked["abstained"]),
        "test_days": int(test["day"].nunique()),
        "fills": int(test["fill_count"].sum()),
        "costs": float(test["commission"].sum() + test["slippage"].sum()),
        "calls": int(rows["calls"].sum()),
        "prompt_tokens": int(rows["prompt_tokens"].sum()),
        "answer_tokens": int(rows["answer_tokens"].sum()),
        "sparkline": [round(float(v), 2) for v in _thinned(curve, 60)],
    }


def _deciding(asked: pd.DataFrame, *, rules: bool) -> dict[str, Any]:
    """Who decided on the test days with a price: shares of these days, and the days decided in each way of binding the answer.

    ``coverage`` is the share that has a decision by the one who was to make it: the model itself, or the rules where they stand in for it.
    """
    decided = asked["abstained"].isna()
    by_model = decided & asked["provenance"].isin(BY_MODEL) & (not rules)
    share = {name: float(which.mean()) if len(asked) else None for name, which in (("decided", decided), ("model", by_model))}
    return {
        "coverage": share["decided" if rules else "model"],
        "decided_by": "rules" if rules else "model",
        "model_share": share["model"],
        "cached_share": float((asked["provenance"] == "cached").mean()) if len(asked) else None,
        "ways": {str(way): int(days) for way, days in asked.loc[decided, "way"].dropna().value_counts().items()},
    }


def leaks(run_id: str) -> LeakReport:
    """What the run knew when: the worker's report if it covers the run so far, else counted anew (some seconds for a thousand days)."""
    store = runs.store()
    row = store.run(run_id)
    kept = _kept_leaks(row.summary)
    if kept is not None and (row.status == "running" or kept.days == row.sessions_done):
        return kept
    return evaluation_leaks.report(store.records(run_id), undated=row.provenance.get("undated"))


def _kept_leaks(summary: dict[str, Any]) -> LeakReport | None:
    try:
        return LeakReport.model_validate(summary["leaks"]) if "leaks" in summary else None
    except ValidationError:  # kept by another version: it can be counted anew
        return None


def _commonest(reasons: pd.Series) -> str:
    """The reason given most often for no decision; empty if there was none."""
    given = reasons.dropna()
    return str(given.value_counts().index[0]) if len(given) else ""


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(int)]


def bars(run_id: str, ticker: str) -> pd.DataFrame:
    """day, open, high, low, close, volume as the agent saw them, sessions without a price left out."""
    rows = runs.store().day_rows(run_id, ticker)
    return rows.loc[rows["close"].notna(), ["day", "open", "high", "low", "close", "volume", "phase"]].reset_index(drop=True)


def fills(run_id: str, ticker: str | None = None) -> pd.DataFrame:
    return _of(runs.store().fill_rows(run_id), ticker)


def _of(frame: pd.DataFrame, ticker: str | None) -> pd.DataFrame:
    return frame if ticker is None or frame.empty else frame[frame["ticker"] == ticker].reset_index(drop=True)


def spans(run_id: str, ticker: str) -> list[str]:
    """The windows a price chart can show, best first: the test window, or its years from the last where it is longer than one; then all."""
    found = bars(run_id, ticker)
    test = found[found["phase"] == "test"]
    years = sorted({str(day.year) for day in test["day"]}, reverse=True) if len(test) > LONGEST_CANDLES else []
    return [*years, "test", *(["train and test"] if len(test) < len(found) else [])]


def trades_in(run_id: str, ticker: str, span: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Bars, fills and orders still waiting (day, weight) of one of ``spans``."""
    found, done, rows = bars(run_id, ticker), fills(run_id, ticker), runs.store().day_rows(run_id, ticker)
    waiting = rows[(rows["order_status"] == "pending") & ~rows["day"].isin(set(rows["settled_day"].dropna()))]
    orders = waiting[["day", "order_weight"]].rename(columns={"order_weight": "weight"})
    if span != "train and test":
        found = found[found["phase"] == "test"]
    if span.isdigit():
        found = found[[day.year == int(span) for day in found["day"]]]
    kept = set(found["day"])
    return found, done[done["day"].isin(kept)], orders[orders["day"].isin(kept)]


# ---------------------------------------------------------------------------------------------------------------------- days


def days(run_id: str, ticker: str) -> pd.DataFrame:
    """One row per session with what the decision table shows; ``next_return`` is close to next close, ``outcome`` the judged move."""
    rows = runs.store().day_rows(run_id, ticker).sort_values("day").reset_index(drop=True)
    if rows.empty:
        return rows
    close = rows["close"] * rows["split"].cumprod()
    rows["next_return"] = (close.shift(-1) / close - 1).where(rows["close"].notna())
    judged = _of(runs.store().outcome_rows(run_id), ticker)
    by_day = judged.set_index("decided") if not judged.empty else pd.DataFrame(columns=["move", "verdict"])
    rows["outcome"] = rows["day"].map(by_day["move"]) if len(by_day) else None
    rows["verdict"] = rows["day"].map(by_day["verdict"]) if len(by_day) else None
    return rows


def record(run_id: str, ticker: str, day: date) -> DayRecord:
    """The whole record of one day."""
    return runs.store().record(run_id, ticker, day)


def recalls(run_id: str, ticker: str, day: date) -> pd.DataFrame:
    """The day's recalled memories and near misses with their score parts, titles and whether they were cited."""
    found = runs.store().recall_rows(run_id, ticker, day=day)
    if found.empty:
        return found
    known = runs.store().memory_rows(run_id, ticker).set_index("id")
    for column in ("title", "publisher", "kind", "text", "event_time"):
        found[column] = found["memory_id"].map(known[column])
    return found


# -------------------------------------------------------------------------------------------------------------------- memory


def layer_counts(run_id: str, ticker: str) -> pd.DataFrame:
    """day and one column per layer: live memories after each session."""
    rows = runs.store().day_rows(run_id, ticker)
    counts = pd.DataFrame([_live(v) for v in rows["live"]], index=rows.index).fillna(0).astype(int)
    return pd.concat([rows[["day"]], counts], axis=1).sort_values("day").reset_index(drop=True)


def _live(value: Any) -> dict[str, int]:
    return json.loads(value) if isinstance(value, str) else dict(value or {})


def memories(run_id: str, ticker: str, as_of: date) -> pd.DataFrame:
    """Every memory born by ``as_of`` in the state it had after that session, with that day's importance and recency.

    Columns: id, layer, kind, title, text, publisher, born, event_time, importance (0..100), recency (0..1), access_count, positive,
    negative, alive, forgotten_on, recalled, cited (times until then).
    """
    store = runs.store()
    spec = store.run(run_id).spec
    known = store.memory_rows(run_id, ticker)
    known = known[known["born"] <= as_of] if not known.empty else known
    if known.empty:
        return pd.DataFrame()
    events = store.event_rows(run_id, ticker, until=as_of)
    newest = events.sort_values("seq").groupby("memory_id").last()
    now = _clock(store, spec, run_id, ticker, as_of)
    frame = known[["id", "kind", "title", "text", "publisher", "born", "event_time", "available_at", "sources", "phase"]].copy()
    states = [json.loads(s) if isinstance(s, str) else dict(s) for s in frame["id"].map(newest["state"])]
    frame["layer"] = [s["layer"] for s in states]
    frame["alive"] = (frame["id"].map(newest["kind"]) != "forgotten").to_numpy()
    for column in ("access_count", "positive", "negative"):
        frame[column] = [s[column] for s in states]
    rows = {layer.name: layer for layer in spec.memory.layers}
    frame["importance"] = [
        float(importance(s["importance"], now - s["importance_as_of"], decay=rows[s["layer"]].importance_decay)) for s in states
    ]
    frame["recency"] = [float(recency(now - s["recency_anchor"], span=rows[s["layer"]].recency_days)) for s in states]
    gone = events[events["kind"] == "forgotten"].set_index("memory_id")["day"]
    frame["forgotten_on"] = frame["id"].map(gone)
    seen = store.recall_rows(run_id, ticker)
    seen = seen[(seen["day"] <= as_of) & ~seen["near_miss"]] if not seen.empty else seen
    for column, part in (("recalled", seen), ("cited", seen[seen["cited"]] if not seen.empty else seen)):
        counts = part.groupby("memory_id").size() if not part.empty else pd.Series(dtype=int)
        frame[column] = frame["id"].map(counts).fillna(0).astype(int)
    return frame.reset_index(drop=True)


def _clock(store: RunStore, spec: RunSpec, run_id: str, ticker: str, day: date) -> float:
    """The reading of the memory's clock at the close of ``day`` (or of the last recorded session before it)."""
    rows = store.day_rows(run_id, ticker)
    rows = rows[rows["day"] <= day]
    last = rows.sort_values("day").iloc[-1]
    return _reading(spec, last["cutoff"], int(last["index"]))


def _reading(spec: RunSpec, cutoff: Any, index: int) -> float:
    """The memory's clock: calendar days since 1970, or sessions, as the preset says."""
    return cutoff.timestamp() / 86_400 if spec.memory.clock == "calendar_days" else float(index)


@dataclass(frozen=True)
class MemoryLife:
    """One memory from birth to now: itself, its events, every time it was recalled, and its fading in between."""

    memory: Memory
    events: pd.DataFrame
    recalls: pd.DataFrame
    line: pd.DataFrame


def memory_life(run_id: str, ticker: str, memory_id: int) -> MemoryLife:
    """SpecError (field ``mem``) if there is no such memory."""
    store = runs.store()
    spec = store.run(run_id).spec
    memory, _, _ = store.memory(run_id, ticker, memory_id)
    events = store.event_rows(run_id, ticker, memory_id=memory_id).sort_values("seq").reset_index(drop=True)
    found = store.recall_rows(run_id, ticker, memory_id=memory_id)
    rows = store.day_rows(run_id, ticker).sort_values("day")
    return MemoryLife(memory=memory, events=events, recalls=found, line=_line(spec, rows, events))


def source_items(run_id: str, ticker: str, memory: Memory) -> tuple[News | Filing, ...]:
    """The news items or filing sections a memory was made from, whole, out of the record of the day it was remembered on.

    Items merged into it on later days are not among them; a reflection has none.
    """
    if memory.kind not in ("news", "filing_10q", "filing_10k"):
        return ()
    seen = record(run_id, ticker, memory.born).observation
    wanted = {*memory.sources, memory.document_id}
    items: list[News | Filing] = [*seen.news, *seen.filings]
    return tuple(item for item in items if item.id in wanted)


def _line(spec: RunSpec, rows: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """day, layer, importance, recency from birth until forgotten."""
    layers = {layer.name: layer for layer in spec.memory.layers}
    points: list[dict[str, Any]] = []
    changes = [(e.day, e.kind, json.loads(e.state) if isinstance(e.state, str) else dict(e.state)) for e in events.itertuples()]
    position, state, ended = -1, None, False
    for row in rows.to_dict("records"):
        while position + 1 < len(changes) and changes[position + 1][0] <= row["day"]:
            position += 1
            state, ended = changes[position][2], changes[position][1] == "forgotten"
        if state is None:
            continue
        now = _reading(spec, row["cutoff"], int(row["index"]))
        layer = layers[state["layer"]]
        points.append(
            {
                "day": row["day"],
                "layer": layer.name,
                "importance": float(importance(state["importance"], now - state["importance_as_of"], decay=layer.importance_decay)),
                "recency": float(recency(now - state["recency_anchor"], span=layer.recency_days)),
            }
        )
        if ended:
            break
    return pd.DataFrame(points, columns=["day", "layer", "importance", "recency"])


# -------------------------------------------------------------------------------------- one day and one memory, followed further


def names() -> dict[str, str]:
    """Run id to the name people know it by, newest first; names that are shared carry their id."""
    rows = runs.store().runs()
    plain = [row.name or _given_name(row) for row in rows]
    return {row.id: name if plain.count(name) == 1 else f"{name} ({row.id})" for row, name in zip(rows, plain, strict=True)}


def fate(run_id: str, ticker: str, decided: date) -> dict[str, Any]:
    """What became of the decision of a day, as far as the run goes.

    Keys, each absent while unknown: settled (session in which its order ended), status, reason, price, shares; judged (session), move,
    verdict (+1, 0, -1), entry, exit, sessions; next_day, next_return (close to close, splits accounted for).
    """
    rows = days(run_id, ticker)
    found: dict[str, Any] = {}
    ended = rows[rows["settled_day"] == decided]
    if not ended.empty:
        row = ended.iloc[0]
        found |= {"settled": row["day"], "status": row["settled_status"], "reason": row["settled_reason"] or ""}
        found |= {"price": row["fill_price"], "shares": row["fill_shares"]} if row["settled_status"] == "filled" else {}
    outcomes = _of(runs.store().outcome_rows(run_id), ticker)
    judged = outcomes[outcomes["decided"] == decided] if not outcomes.empty else outcomes
    if not judged.empty:
        row = judged.iloc[0]
        found |= {"judged": row["day"], **{key: row[key] for key in ("move", "verdict", "entry", "exit", "sessions")}}
    later = rows[rows["day"] > decided]
    if not later.empty:
        gain = rows.loc[rows["day"] == decided, "next_return"]
        found |= {"next_day": later["day"].iloc[0], "next_return": None if gain.empty or pd.isna(gain.iloc[0]) else float(gain.iloc[0])}
    return found


def titles(run_id: str, ticker: str, ids: Iterable[int] | None = None) -> dict[int, str]:
    """Memory id to title (the text's beginning where there is none), of ``ids`` or of all."""
    wanted = None if ids is None else set(ids)
    known = runs.store().memory_rows(run_id, ticker)
    rows = known if wanted is None else known[known["id"].isin(wanted)]
    return {int(row.id): row.title or row.text[:80] for row in rows.itertuples()}


def memory_ids(run_id: str, ticker: str) -> set[int]:
    """Ids of every memory ever remembered, forgotten ones included."""
    return {int(number) for number in runs.store().memory_rows(run_id, ticker)["id"]}


def day_events(run_id: str, ticker: str, day: date) -> pd.DataFrame:
    """What changed in memory in one session, in order, each with the memory's title and kind (``memory_kind``)."""
    events = runs.store().event_rows(run_id, ticker, until=day)
    events = events[events["day"] == day].sort_values("seq").reset_index(drop=True) if not events.empty else events
    if events.empty:
        return events
    known = runs.store().memory_rows(run_id, ticker).set_index("id")
    return events.assign(title=events["memory_id"].map(known["title"]), memory_kind=events["memory_id"].map(known["kind"]))


def memory_uses(run_id: str, ticker: str, memory_id: int) -> pd.DataFrame:
    """Every recall of one memory with what was decided on that day and what came of it: adds action, abstained, study_label, outcome, verdict."""
    found = runs.store().recall_rows(run_id, ticker, memory_id=memory_id)
    if found.empty:
        return found
    decided = days(run_id, ticker).set_index("day")
    return found.assign(
        **{name: found["day"].map(decided[name]) for name in ("phase", "action", "abstained", "study_label", "outcome", "verdict")}
    )


# -------------------------------------------------------------------------------------------------------------------- helpers


def tickers(run_id: str) -> tuple[str, ...]:
    return runs.store().run(run_id).spec.tickers


def session_days(run_id: str, ticker: str) -> list[date]:
    """Recorded sessions in order."""
    return sorted(runs.store().day_rows(run_id, ticker)["day"])


def worst_day(run_id: str, ticker: str = TOTAL) -> tuple[str, date] | None:
    """Ticker and test session with the largest one-day loss against the benchmark."""
    worst: tuple[float, str, date] | None = None
    for name in tickers(run_id) if ticker == TOTAL else (ticker,):
        frame = equity(run_id, name)
        if len(frame) < 2:
            continue
        gap = frame["equity"].pct_change() - frame["benchmark"].pct_change()
        position = int(gap.fillna(0).idxmin())
        value = float(gap.fillna(0).iloc[position])
        if math.isfinite(value) and (worst is None or value < worst[0]):
            worst = (value, name, frame["day"].iloc[position])
    return (worst[1], worst[2]) if worst else None


def ticker_or_error(run_id: str, ticker: str) -> str:
    names = tickers(run_id)
    if ticker not in names:
        raise SpecError(unknown("ticker", ticker, names), field="ticker")
    return ticker

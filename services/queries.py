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
from agent.records import DayRecord, Filing, Memory, MemoryState, News
from agent.registry import unknown
from agent.spec import RunSpec
from services import contamination, memory_past, runs
from services.contamination import Contamination
from storage.run_store import RunHead, RunRow, RunStore

TOTAL = "total"
LONGEST_CANDLES = 260  # sessions; beyond a year candles cost more than they show
ENOUGH_COVERAGE = 0.95  # below this share of test days with a decision a run is no result: agent.md section 4
BY_MODEL = ("model", "re-asked", "cached")  # provenance of a decision that a language model itself made
RULES = "rules, no LLM"
MASKED = "masked"
BASELINE = "baseline"
FUTURE = "saw the future"
KNOWN_BEFORE = {  # by the level that services.contamination gives
    "inside": "inside the model's training data",
    "partly": "partly inside the model's training data",
    "margin": "near the model's knowledge cut-off",
    "unknown": "cut-off of the model unknown",
}


_MONEY = ["ticker", "day", "phase", "cash", "equity", "benchmark_equity"]
_SUMMED = [
    *("ticker", "day", "phase", "close", "action", "abstained", "provenance", "way", "cut", "left_out", "helper_calls"),
    *("fill_count", "commission", "slippage", "calls", "prompt_tokens", "answer_tokens"),
]
_FATE = ["day", "close", "split", "settled_day", "settled_status", "settled_reason", "fill_price", "fill_shares"]
_DECIDED = ["day", "phase", "action", "abstained", "study_label"]


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
        """What people should know about how the models are asked: a way that failed its test, a window shorter than wished for, a day
        that was asked again."""
        model, helper = (self.provenance.get(role) or {} for role in ("model", "helper"))
        return (
            *self.provenance.get("retries", ()),
            *model.get("notes", ()),
            *(f"Second model: {note}" for note in helper.get("notes", ())),
        )

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
    if again := len(run.provenance.get("retries", ())):
        found.append(f"{again} day{'s' if again != 1 else ''} asked again")
    found += [RULES] if run.by_rules else []
    found += [MASKED] if run.spec.masking.on else []
    found += [BASELINE] if run.spec.baseline else []
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
    found = view.leaks
    return FUTURE if found is not None and found.verdict == "violated" else ""


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


def _given_name(row: RunRow | RunHead) -> str:
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
    rows = store.day_rows(run_id, None if ticker == TOTAL else ticker, columns=_MONEY)
    rows = rows[rows["phase"] == "test"]
    if ticker == TOTAL:
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
    fills = store.fill_rows(run_id, None if ticker == TOTAL else ticker)
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
    rows = store.day_rows(run_id, columns=_SUMMED)
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
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "open", "high", "low", "close", "volume", "phase"])
    return rows[rows["close"].notna()].reset_index(drop=True)


def fills(run_id: str, ticker: str | None = None) -> pd.DataFrame:
    return runs.store().fill_rows(run_id, ticker)


def spans(run_id: str, ticker: str) -> list[str]:
    """The windows a price chart can show, best first: the test window, or its years from the last where it is longer than one; then all."""
    found = runs.store().day_rows(run_id, ticker, columns=["day", "phase", "close"])
    found = found[found["close"].notna()]
    test = found[found["phase"] == "test"]
    years = sorted({str(day.year) for day in test["day"]}, reverse=True) if len(test) > LONGEST_CANDLES else []
    return [*years, "test", *(["train and test"] if len(test) < len(found) else [])]


def trades_in(run_id: str, ticker: str, span: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Bars, fills and orders still waiting (day, weight) of one of ``spans``."""
    found, done = bars(run_id, ticker), fills(run_id, ticker)
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "order_status", "order_weight", "settled_day"])
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
    rows = runs.store().day_rows(run_id, ticker)
    if rows.empty:
        return rows
    rows["next_return"] = _next_return(rows)
    return _judged(rows, run_id, ticker)


def _next_return(rows: pd.DataFrame) -> pd.Series:
    """Close to next close, splits accounted for; absent without a price."""
    close = rows["close"] * rows["split"].cumprod()
    return (close.shift(-1) / close - 1).where(rows["close"].notna())


def _judged(rows: pd.DataFrame, run_id: str, ticker: str) -> pd.DataFrame:
    """Rows with what became of each day's decision beside it: ``outcome`` (the judged move) and ``verdict``."""
    judged = runs.store().outcome_rows(run_id, ticker)
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
    columns = ["id", "title", "publisher", "kind", "text", "event_time"]
    known = runs.store().memory_rows(run_id, ticker, ids=found["memory_id"], columns=columns).set_index("id")
    for column in columns[1:]:
        found[column] = found["memory_id"].map(known[column])
    return found


# -------------------------------------------------------------------------------------------------------------------- memory


def layer_counts(run_id: str, ticker: str) -> pd.DataFrame:
    """day and one column per layer: live memories after each session."""
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "live"])
    counts = pd.DataFrame([_live(v) for v in rows["live"]], index=rows.index).fillna(0).astype(int)
    return pd.concat([rows[["day"]], counts], axis=1).sort_values("day").reset_index(drop=True)


def _live(value: Any) -> dict[str, int]:
    return json.loads(value) if isinstance(value, str) else dict(value or {})


def memories(run_id: str, ticker: str, as_of: date) -> pd.DataFrame:
    """Every memory born by ``as_of`` in the state it had after that session, with that day's importance and recency.

    Columns: id, layer, kind, title, text, publisher, born, event_time, importance (0..100), recency (0..1), access_count, positive,
    negative, alive, forgotten_on, recalled, cited (times until then).
    """
    return memory_past.load(run_id, ticker).at(as_of)


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
    rows = store.day_rows(run_id, ticker, columns=["day", "cutoff", "index"])
    line = _line(spec, rows, events)
    return MemoryLife(memory=memory, events=events.assign(importance=_faded(spec, rows, events)), recalls=found, line=line)


def _faded(spec: RunSpec, rows: pd.DataFrame, events: pd.DataFrame) -> list[float]:
    """The importance each event left, at the close of its day: the state keeps the value of an earlier moment where nothing set it anew."""
    decay = {layer.name: layer.importance_decay for layer in spec.memory.layers}
    known = zip(rows["day"], rows["cutoff"], rows["index"], strict=True)
    closes = {day: memory_past.reading(spec, cutoff, int(index)) for day, cutoff, index in known}
    states = [MemoryState.model_validate_json(state) for state in events["state"]]
    return [
        float(importance(state.importance, closes[day] - state.importance_as_of, decay=decay[state.layer]))
        for day, state in zip(events["day"], states, strict=True)
    ]


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
    parts = [pd.DataFrame(columns=["day", "layer", "importance", "recency"])]
    changes = events.drop_duplicates("day", keep="last")  # what counts of a day is the state after it
    for event, following in zip(changes.itertuples(), [*changes["day"][1:], None], strict=True):
        state, layer = MemoryState.model_validate_json(event.state), layers[event.after_layer]
        ended = event.kind == "forgotten"
        mine = rows[(rows["day"] >= event.day) & ((rows["day"] < following) if following else True)]
        mine = mine.head(1) if ended else mine
        now = np.array([memory_past.reading(spec, cutoff, int(index)) for cutoff, index in zip(mine["cutoff"], mine["index"], strict=True)])
        points = {
            "day": mine["day"],
            "layer": layer.name,
            "importance": importance(state.importance, now - state.importance_as_of, decay=layer.importance_decay),
            "recency": recency(now - state.recency_anchor, span=layer.recency_days),
        }
        parts.append(pd.DataFrame(points))
        if ended:
            break
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


# -------------------------------------------------------------------------------------- one day and one memory, followed further


def names() -> dict[str, str]:
    """Run id to the name people know it by, newest first; names that are shared carry their id."""
    rows = runs.store().heads()
    plain = [row.name or _given_name(row) for row in rows]
    return {row.id: name if plain.count(name) == 1 else f"{name} ({row.id})" for row, name in zip(rows, plain, strict=True)}


def fate(run_id: str, ticker: str, decided: date) -> dict[str, Any]:
    """What became of the decision of a day, as far as the run goes.

    Keys, each absent while unknown: settled (session in which its order ended), status, reason, price, shares; judged (session), move,
    verdict (+1, 0, -1), entry, exit, sessions; next_day, next_return (close to close, splits accounted for).
    """
    rows = runs.store().day_rows(run_id, ticker, columns=_FATE)
    rows["next_return"] = _next_return(rows)
    found: dict[str, Any] = {}
    ended = rows[rows["settled_day"] == decided]
    if not ended.empty:
        row = ended.iloc[0]
        found |= {"settled": row["day"], "status": row["settled_status"], "reason": row["settled_reason"] or ""}
        found |= {"price": row["fill_price"], "shares": row["fill_shares"]} if row["settled_status"] == "filled" else {}
    outcomes = runs.store().outcome_rows(run_id, ticker)
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
    store = runs.store()
    known = store.memory_rows(run_id, ticker, ids=ids, columns=["id", "title"])
    found = {int(number): title for number, title in zip(known["id"], known["title"], strict=True)}
    if nameless := [number for number, title in found.items() if not title]:
        found |= {number: said[:80] for number, said in texts(run_id, ticker, nameless).items()}
    return found


def texts(run_id: str, ticker: str, ids: Iterable[int]) -> dict[int, str]:
    """Memory id to its whole text, of ``ids``; those that are not stored are left out."""
    known = runs.store().memory_rows(run_id, ticker, ids=ids, columns=["id", "text"])
    return {int(number): said for number, said in zip(known["id"], known["text"], strict=True)}


def memory_ids(run_id: str, ticker: str) -> set[int]:
    """Ids of every memory ever remembered, forgotten ones included."""
    return set(runs.store().memory_ids(run_id, ticker))


def day_events(run_id: str, ticker: str, day: date) -> pd.DataFrame:
    """What changed in memory in one session, in order, each with the memory's title and kind (``memory_kind``); importance at its close."""
    events = runs.store().event_rows(run_id, ticker, day=day)
    if events.empty:
        return events
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "cutoff", "index"], day=day)
    events = events.assign(importance=_faded(runs.store().run(run_id).spec, rows, events))
    known = runs.store().memory_rows(run_id, ticker, ids=events["memory_id"], columns=["id", "title", "kind"]).set_index("id")
    return events.assign(title=events["memory_id"].map(known["title"]), memory_kind=events["memory_id"].map(known["kind"]))


def memory_uses(run_id: str, ticker: str, memory_id: int) -> pd.DataFrame:
    """Every recall of one memory with what was decided on that day and what came of it: adds action, abstained, study_label, outcome, verdict."""
    found = runs.store().recall_rows(run_id, ticker, memory_id=memory_id)
    if found.empty:
        return found
    decided = _judged(runs.store().day_rows(run_id, ticker, columns=_DECIDED), run_id, ticker).set_index("day")
    return found.assign(
        **{name: found["day"].map(decided[name]) for name in ("phase", "action", "abstained", "study_label", "outcome", "verdict")}
    )


# -------------------------------------------------------------------------------------------------------------------- helpers


def tickers(run_id: str) -> tuple[str, ...]:
    return runs.store().run(run_id).spec.tickers


def session_days(run_id: str, ticker: str) -> list[date]:
    """Recorded sessions in order."""
    return runs.store().sessions(run_id, ticker)


def worst_day(run_id: str, ticker: str = TOTAL) -> tuple[str, date] | None:
    """Ticker and test session with the largest one-day loss against the benchmark."""
    rows = runs.store().day_rows(run_id, None if ticker == TOTAL else ticker, columns=_MONEY)
    worst: tuple[float, str, date] | None = None
    for name in tickers(run_id) if ticker == TOTAL else (ticker,):
        frame = rows[(rows["ticker"] == name) & (rows["phase"] == "test")].reset_index(drop=True)
        if len(frame) < 2:
            continue
        gap = frame["equity"].pct_change() - frame["benchmark_equity"].pct_change()
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

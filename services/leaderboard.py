"""Who did best on one market and window, by rules that luck cannot bend.

Runs that differ only by their seed are one row, ranked by its median and never by its best seed; one seed has no rank. A run that failed,
decided too seldom, saw the future or is not finished stands below the line with the reason, and is in no median. Everything comes from
what the workers kept of their runs; no day is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from agent.errors import SpecError
from agent.evaluation.seeds import ENOUGH, ShareAbove, Spread, share_above, spread
from agent.evaluation.significance import dsr
from agent.memory.layers import preset
from agent.registry import unknown
from agent.spec import Execution, RunSpec
from services import queries, runs, trials
from services.baselines import BASELINES
from services.contamination import Contamination
from services.models import edited_cutoffs
from services.queries import RunView
from services.trials import Trials
from storage.run_store import RunRow

KEY = 12  # characters of a market's key in an address
ONE_SEED = "1 seed"
MOST_DIFFERENCES = 4  # named beside a row
LONGEST_VALUE = 40
HIDDEN = {"name", "seed", "answer_cache", "baseline", "source", "source_options", "parts", "tickers", "test", "execution", "memory"}
WORDS = {
    "train": "trained",
    "profile.character": "",
    "profile.sector": "sector",
    "preset": "preset",
    "prompts": "prompts",
    "backend_options.temperature": "temperature",
    "extended_every": "weekly lessons every",
}


@dataclass(frozen=True)
class Measure:
    """What a board can be ranked by; more is better. ``above`` is the measure that says whether a seed beat buy and hold."""

    key: str
    label: str
    unit: Literal["ratio", "fraction"]
    above: str
    help: str


_ANNUAL = "annual, from daily returns after costs, risk-free rate 0"
_MEASURES = (
    Measure(
        "excess_sharpe", "Excess Sharpe", "ratio", "excess_sharpe", f"Sharpe ratio minus that of buy and hold on the same days; {_ANNUAL}."
    ),
    Measure("excess", "Excess return", "fraction", "excess", "Return after costs minus that of buy and hold, over the test window."),
    Measure("sharpe", "Sharpe", "ratio", "excess_sharpe", f"Mean over standard deviation; {_ANNUAL}."),
    Measure("return", "Return", "fraction", "excess", "Return after costs over the test window."),
)
MEASURES: dict[str, Measure] = {measure.key: measure for measure in _MEASURES}


@dataclass(frozen=True)
class Market:
    """What runs must share to be ranked against each other. ``runs`` counts all of them, ranked or not."""

    key: str
    source: str
    tickers: tuple[str, ...]
    start: date
    end: date
    execution: Execution
    runs: int

    @property
    def costs(self) -> str:
        """How orders were filled and what that cost, in words."""
        held = self.execution
        extras = [*(["optimistic fills"] if held.fill == "same_close" else []), *(["shorts allowed"] if held.allow_short else [])]
        extras += [*(["stops"] if held.stops else []), *(["whole shares"] if not held.fractional else [])]
        told = f"{held.cash:,.0f} capital, commission {held.commission_bps:g} bp, slippage {held.slippage_bps:g} bp"
        return ", ".join([told, *extras])


@dataclass(frozen=True)
class Row:
    """One seed group. ``spread`` is of the chosen measure over its seeds, ``medians`` holds the median of every measure.

    ``best`` is the seed with the highest Sharpe, shown for nothing but its deflated Sharpe: ``dsr`` with
    all trials counted, ``dsr_effective`` with those that are alike counted once; ``middle`` is the one whose measure is
    the median (of an even number the lower of the two). ``out`` counts its runs below the line. ``rank`` is None where none is due.
    """

    group: str
    label: str
    differs: str
    rank: int | None
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    spread: Spread
    medians: Mapping[str, float | None]
    above: ShareAbove
    coverage: float | None
    best: str
    middle: str
    dsr: float | None
    dsr_effective: float | None
    marks: tuple[str, ...]
    contamination: Contamination
    out: int = 0


@dataclass(frozen=True)
class Below:
    """A run that is in no median, and why."""

    run: str
    name: str
    label: str
    seed: int | None
    reason: str
    medians: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """The ranking. ``references`` are yardsticks, never ranked: rules, random traders, and buy and hold (without a run unless somebody made
    one). ``hold`` is the chosen measure of buy and hold, None without a run that counts."""

    market: Market
    measure: Measure
    rows: tuple[Row, ...]
    references: tuple[Row, ...]
    below: tuple[Below, ...]
    trials: Trials
    hold: float | None


def stamp() -> tuple[object, ...]:
    """Something that changes with the runs and with what is known about models: what a kept board is keyed by."""
    return (*trials.library_stamp(), str(sorted((name, str(cutoff)) for name, cutoff in edited_cutoffs().items())))


# ------------------------------------------------------------------------------------------------------------------ markets


def markets() -> list[Market]:
    """What the library holds runs of, most runs first."""
    found: dict[str, list[RunSpec]] = {}
    for row in runs.store().runs():
        if (spec := _spec(row)) is not None:
            found.setdefault(spec.market_key()[:KEY], []).append(spec)
    listed = [
        Market(key, specs[0].source, specs[0].tickers, specs[0].test.start, specs[0].test.end, specs[0].execution, len(specs))
        for key, specs in found.items()
    ]
    return sorted(listed, key=lambda market: -market.runs)


def _spec(row: RunRow) -> RunSpec | None:
    try:
        return row.spec
    except SpecError:
        return None


# -------------------------------------------------------------------------------------------------------------------- board


def board(key: str, measure: str = "excess_sharpe", *, singles: bool = False) -> Board:
    """The ranking of one of ``markets``. ``singles`` gives a rank to groups of one seed too, which their mark then denies.

    SpecError (field ``market`` or ``by``) for what there is not.
    """
    if measure not in MEASURES:
        raise SpecError(unknown("measure", measure, MEASURES), field="by")
    known = markets()
    market = next((market for market in known if key.startswith(market.key)), None)
    if market is None:
        told = unknown("market", key, [item.key for item in known]) if known else "There are no runs yet."
        raise SpecError(told, field="market")
    views = [view for view in reversed(queries.views()) if view.spec.market_key().startswith(market.key)]
    entered = {trial.fingerprint: trial for trial in trials.entered(views[0].spec)}
    chosen, judged = MEASURES[measure], trials.judged(list(entered.values()))
    kept, below = _sorted_out(views)
    differences = _differences([group[0].spec for group in kept if trials.by_person(group[0].spec)])
    rows, references = [], []
    for group in kept:
        made = _row(group, chosen, out=sum(item.label_key == group[0].spec.group_key() for item in below))
        if trials.by_person(group[0].spec):
            best = next(view for view in group if view.id == made.best)
            mine = entered.get(best.spec.fingerprint())
            counts = (judged.count, judged.effective)
            deflated = [dsr(mine.returns, sharpes=judged.sharpes, trials=k) if mine is not None else None for k in counts]
            rows.append(replace(made, dsr=deflated[0], dsr_effective=deflated[1], differs=differences[group[0].spec.group_key()]))
        else:
            references.append(replace(made, marks=tuple(mark for mark in made.marks if mark not in (ONE_SEED, queries.RULES))))
    if kept and not any(group[0].spec.strategy == "hold" for group in kept):
        references.append(_holding(kept, chosen))
    listed = tuple(item.told for item in below) + tuple(_unreadable(market))
    hold = _holding(kept, chosen).spread.median if kept else None
    return Board(market, chosen, tuple(_ranked(rows, singles)), tuple(_ordered(references)), listed, judged, hold)


@dataclass(frozen=True)
class _Out:
    """A run that is out, with the key of the group it would have been in."""

    label_key: str
    told: Below


def _sorted_out(views: Sequence[RunView]) -> tuple[list[list[RunView]], list[_Out]]:
    """The seed groups of the runs that count, each by seed, and the runs that do not; of the same seed twice the first counts."""
    groups: dict[str, dict[str, RunView]] = {}
    out = []
    for view in views:
        key = view.spec.group_key()
        first = groups.get(key, {}).get(view.spec.fingerprint())
        if reason := _reason(view) or (f"The same spec and seed as run {first.id}: one try counts once, the first." if first else ""):
            below = Below(view.id, view.name, view.model_label, view.spec.seed, reason, _figures(view) if view.state == "done" else {})
            out.append(_Out(key, below))
        else:
            groups.setdefault(key, {})[view.spec.fingerprint()] = view
    return [sorted(group.values(), key=lambda view: (view.spec.seed, view.id)) for group in groups.values()], out


def _reason(view: RunView) -> str:
    """Why a run is in no median; empty if it is in one."""
    if view.state == "failed":
        return f"Failed: {view.error}" if view.error else "Failed."
    if view.state != "done":
        return f"Not finished: {view.state} after {view.done} of {view.total or '?'} days."
    if queries.low_coverage(view.summary):
        return f"{queries.marks(view)[0].capitalize()}: at least {queries.ENOUGH_COVERAGE:.0%} are needed."
    if queries.FUTURE in queries.marks(view):
        return "Something newer than a decision reached it: it saw the future."
    if _figures(view)["return"] is None:
        return "It has no figures."
    return ""


def _figures(view: RunView) -> dict[str, float | None]:
    kept = view.summary
    return {
        "return": kept.get("cum_return"),
        "sharpe": kept.get("sharpe"),
        "excess": _minus(kept.get("cum_return"), kept.get("benchmark_return")),
        "excess_sharpe": _minus(kept.get("sharpe"), kept.get("benchmark_sharpe")),
    }


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _row(group: Sequence[RunView], measure: Measure, *, out: int) -> Row:
    figures = [_figures(view) for view in group]
    values = {key: [found[key] for found in figures] for key in MEASURES}
    known = sorted((value, view.id) for value, view in zip(values[measure.key], group, strict=True) if value is not None)
    best = max(group, key=lambda view: (view.summary.get("sharpe") is not None, view.summary.get("sharpe") or 0.0))
    marks = dict.fromkeys(mark for view in group for mark in queries.marks(view))
    return Row(
        group=group[0].spec.group_key()[:KEY],
        label=_label(group[0]),
        differs="",
        rank=None,
        runs=tuple(view.id for view in group),
        seeds=tuple(view.spec.seed for view in group),
        spread=spread(values[measure.key]),
        medians={key: spread(found).median for key, found in values.items()},
        above=share_above(values[measure.above], 0.0),
        coverage=min((view.summary["coverage"] for view in group if view.summary.get("coverage") is not None), default=None),
        best=best.id,
        middle=known[(len(known) - 1) // 2][1] if known else group[0].id,
        dsr=None,
        dsr_effective=None,
        marks=(*_seed_marks(len(group), out), *_ablation(group[0].spec), *marks),
        contamination=group[0].contamination,
        out=out,
    )


def _label(view: RunView) -> str:
    """What decided; a yardstick by its own name, an ablation with what it was made without."""
    spec = view.spec
    known = BASELINES.get(
        spec.baseline or next((name for name in (spec.strategy, spec.strategy.removesuffix("_trader")) if name in BASELINES), "")
    )
    if known is None:
        return view.model_label
    return f"{view.model_label}, {known.label.lower()}" if known.kind == "ablation" else known.label


def _seed_marks(seeds: int, out: int) -> Iterable[str]:
    if seeds == 1:
        yield ONE_SEED
    elif seeds < ENOUGH:
        yield f"only {seeds} seeds"
    if out:
        yield f"{out} run{'s' * (out != 1)} below the line"


def _ablation(spec: RunSpec) -> Iterable[str]:
    found = BASELINES.get(spec.baseline)
    if found is not None and found.kind == "ablation":
        yield "ablation"


def _holding(kept: Sequence[Sequence[RunView]], measure: Measure) -> Row:
    """Buy and hold, as every run of the market keeps it beside its own figures."""
    summary = kept[0][0].summary
    figures = {"return": summary.get("benchmark_return"), "sharpe": summary.get("benchmark_sharpe"), "excess": 0.0, "excess_sharpe": 0.0}
    none = share_above([], 0.0)
    return Row(
        "",
        "Buy and hold",
        "",
        None,
        (),
        (),
        spread([figures[measure.key]]),
        figures,
        none,
        None,
        "",
        "",
        None,
        None,
        (),
        Contamination(level="no model"),
    )


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """By median, highest first; groups without one last."""
    return sorted(rows, key=lambda row: (row.spread.median is None, -(row.spread.median or 0.0), row.label, row.group))


def _ranked(rows: Iterable[Row], singles: bool) -> Iterable[Row]:
    """Ordered, with numbers for those that may have one: a median of several seeds, or of one on a wish. Equal medians share a rank.

    Those without a number come after those with one: a place among them would be a rank all the same.
    """
    ordered = _ordered(rows)
    may = [row for row in ordered if row.spread.median is not None and (row.spread.n > 1 or singles)]
    for row in may:
        yield replace(row, rank=1 + sum(other.spread.median > row.spread.median for other in may))  # type: ignore[operator]
    yield from (row for row in ordered if row not in may)


def _unreadable(market: Market) -> Iterable[Below]:
    """Runs of another version that seem to belong here by what their row says."""
    for row in runs.store().runs():
        here = (row.source, row.tickers, row.test_start, row.test_end) == (market.source, market.tickers, market.start, market.end)
        if here and _spec(row) is None:
            yield Below(row.id, row.name or row.id, row.backend, None, "Recorded by another version of the program; it cannot be read.")


# -------------------------------------------------------------------------------------------------------- what tells them apart


def _differences(specs: Sequence[RunSpec]) -> dict[str, str]:
    """By group key: the settings that not all of them share, in words."""
    told = {spec.group_key(): _settings(spec) for spec in specs}
    names = sorted({name for found in told.values() for name in found})
    telling = [name for name in names if len({found.get(name) for found in told.values()}) > 1]
    return {key: _said([(name, found.get(name)) for name in telling]) for key, found in told.items()}


def _settings(spec: RunSpec) -> dict[str, str]:
    """Every setting that may tell two traders apart, flat; of the memory only what is not the preset's own."""
    body = spec.model_dump(mode="json", exclude=HIDDEN | {"strategy", "backend"})
    body["backend_options"] = {name: value for name, value in body["backend_options"].items() if name != "model"}
    body["train"] = f"{spec.train.start} to {spec.train.end}" if spec.train else "not at all"
    usual = dict(_flat(preset(spec.preset).model_dump(mode="json"), "memory"))
    own = {name: value for name, value in _flat(spec.memory.model_dump(mode="json"), "memory") if usual.get(name) != value}
    return dict(_flat(body, "")) | own


def _flat(value: Any, name: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for position, inner in enumerate(value):
            yield from _flat(inner, f"{name}.{inner.get('name', position)}")
    else:
        yield name, str(value)


def _said(found: Sequence[tuple[str, str | None]]) -> str:
    parts = []
    for name, value in found:
        if value is not None and value not in ("", "{}", "None"):
            label = WORDS.get(name, name.rsplit(".", 1)[-1].replace("_", " "))
            parts.append(f"{label} {value.replace('_', ' ') if not label else value}".strip()[:LONGEST_VALUE])
    more = len(parts) - MOST_DIFFERENCES
    return ", ".join(parts[:MOST_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")

"""The parts of a report that need no script: what must not be overlooked, the figures, the rules, the run card, what was known when."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pandas as pd

from agent.evaluation.intervals import Interval
from agent.evaluation.leaks import SEEN, LeakReport, span
from agent.evaluation.metrics import METRICS
from report.markup import Html, el, facts, folded, table
from services import annotations, luck, luck_words, performance, queries
from services.queries import RunView
from ui import format, run_words

UNFINISHED = {
    "queued": "The run has not begun yet.",
    "running": "The run was in progress when this file was made: the figures are those of the days so far.",
    "paused": "The run was paused when this file was made: the figures are those of the days so far.",
    "interrupted": "The run stopped without a word and can go on: the figures are those of the days so far.",
    "cancelled": "The run was cancelled: the figures are those of the days until then.",
}
MARKS = {  # by the first word of the mark
    "coverage": f"The model itself decided on fewer than {queries.ENOUGH_COVERAGE:.0%} of the test days: the figures are no result.",
    "decided": f"There is a decision on fewer than {queries.ENOUGH_COVERAGE:.0%} of the test days: the figures are no result.",
    "prompt": "The server cut questions without saying so. They were asked again, shorter; the days say what had been lost.",
    "inside": "The model may remember what happened: a demonstration, not evidence.",
    "partly": "On part of the days the model may remember what happened; only the rest is evidence.",
    "near": "Too close to the model's knowledge cut-off to be sure that it knows nothing of these days.",
    "cut-off": "When the model's knowledge ends is not known.",
    "saw": "Something newer than a decision reached it: the figures are no result.",
    "optimistic": "Orders fill at the very close the decision was made on: read the figures as an upper bound.",
    "masked": "Names, dates or prices were hidden from the model; prompts and answers below stand as they were sent and said.",
    "rules,": "No language model decided anything.",
}
KINDS = {
    "sources": "which sources there are",
    "hindsight": "hindsight: the move that followed",
    "judged": "decisions already judged",
}
PROMPTS = {"decide": "decision", "study": "study (training)", "lessons": "lessons", SEEN: "offered that day"}
GLYPH = {"ok": "✓ ", "unknown": "? ", "violated": "✗ "}

# ------------------------------------------------------------------------------------------------------------------ the head


def heading(view: RunView, leaks: LeakReport) -> Html:
    """Who traded what and when, then everything that puts the figures in doubt, then the figures."""
    spec = view.spec
    trained = f"trained {spec.train.start} to {spec.train.end}" if spec.train else "no training"
    line = [", ".join(spec.tickers), f"tested {spec.test.start} to {spec.test.end}", trained, f"memory {spec.preset}", f"run {view.id}"]
    return el(
        "header",
        el("h1", view.name),
        el("p", *[el("span", word, cls="pill") for word in (view.state, view.model_label)], cls="pills"),
        el("p", " · ".join(line), cls="muted"),
        *warnings(view, leaks),
        tiles(view),
        id="top",
    )


def warnings(view: RunView, leaks: LeakReport) -> list[Html]:
    """Loudest first. Every mark that stands beside the run in the library stands here with its meaning."""
    found: list[tuple[str, str, str]] = []
    if view.state == "failed":
        found.append(("bad", "✗ This run failed: its figures are no result.", view.error or "The worker left no reason."))
    elif view.state in UNFINISHED:
        found.append(("bad", "⚠ Not finished.", UNFINISHED[view.state]))
    if leaks.verdict == "violated":
        found.append(("bad", "✗ Saw the future.", leaks.sentence))
    if view.note:
        found.append(("bad", f"⚠ {view.note}.", "What this run earned says nothing about real markets."))
    if view.contamination.warns:
        found.append(("bad", "⚠ What the model may know.", view.contamination.sentence))
    for mark in queries.marks(view):
        if mark != queries.FUTURE:
            quiet = mark in (queries.RULES, queries.MASKED)
            found.append(("mild" if quiet else "bad", f"{'⚙' if quiet else '⚠'} {mark}.", MARKS.get(mark.split(" ")[0], "")))
    found += [("mild", "⚠ About the model.", note) for note in view.model_notes]
    if leaks.verdict != "violated":
        word = "No look-ahead." if leaks.verdict == "ok" else "Look-ahead: cannot say."
        found.append(("mild", f"{GLYPH[leaks.verdict]}{word}", leaks.sentence))
    return [el("p", el("strong", title), " ", sentence, cls=f"note {weight}") for weight, title, sentence in found]


def tiles(view: RunView) -> Html:
    """The figures people ask for first, each with what it means."""
    found = view.summary
    mine, rival, share = (found.get(key) for key in ("cum_return", "benchmark_return", "coverage"))
    gap = mine - rival if format.known(mine) and format.known(rival) else None
    covered = format.UNKNOWN if share is None else f"{math.floor(100 * share)} %"
    rows = [
        ("Return", format.percent(mine, sign=True), "after costs, over the test window"),
        ("Buy and hold", format.percent(rival, sign=True), "same tickers, capital, costs and first fill"),
        ("Difference", format.points(gap), "return less buy and hold"),
        ("Sharpe", format.number(found.get("sharpe")), f"annualised, risk-free rate 0{_luck_beside(view)}"),
        ("Max drawdown", format.percent(found.get("max_drawdown")), "deepest fall from an earlier peak"),
        ("Decided by rules" if view.by_rules else "Coverage", covered, "share of test days with a decision by it"),
    ]
    return el("div", *[el("div", el("small", name), el("b", value), el("small", meaning)) for name, value, meaning in rows], cls="tiles")


# --------------------------------------------------------------------------------------------------------------- the figures


def _luck_beside(view: RunView) -> str:
    """What no Sharpe stands without: its error, and the share of random traders it beats."""
    found = luck.of(view.id)
    if found.sharpe is None:
        return ""
    place = f"; place among random traders: {luck_words.share(found)}" if found.share is not None else ""
    return f"; ± {format.number(found.sharpe_se)}{place}"


def luck_meter(view: RunView) -> Html:
    """How much of the Sharpe is luck: its place among random traders, how sure it is, how many days it would take to know."""
    found = luck.of(view.id)
    means = luck_words.MEANINGS
    place = " ".join(
        part for part in (luck_words.share(found), f"({luck_words.interval(found)})" if found.share is not None else "") if part
    )
    rows: list[tuple[str, object, str]] = [
        ("Sharpe ± error", f"{format.number(found.sharpe)} ± {format.number(found.sharpe_se)}", means["sharpe"]),
        ("Random traders", place, means["share"]),
        ("P(Sharpe > 0)", format.percent(found.psr), means["psr"]),
        ("Deflated", f"{format.percent(found.dsr)}, {luck_words.tries(found)}{_unlike(found)}", means["dsr"]),
        ("Days it needs", f"{luck_words.days(found.min_track_record)} (has {found.returns:,})", means["min_track_record"]),
        ("Days to tell apart", f"{luck_words.days(found.days_to_tell)} (has {found.returns:,})", means["days_to_tell"]),
    ]
    return el(
        "div",
        el("h3", "Skill, or luck?"),
        facts(rows),
        el("p", " ".join(luck_words.sentences(found))),
        el("p", luck_words.matched(found), cls="muted") if found.share is not None else None,
    )


def _unlike(found: luck.Luck) -> str:
    return f" ({format.percent(found.dsr_effective)} at {found.trials_effective})" if found.trials_effective != found.trials else ""


def metrics(view: RunView) -> Html:
    """Every metric of the run and of buy and hold, with its 95 % interval, definition and unit; each ticker's below when there are several."""
    estimates = performance.estimates(queries.equity(view.id), performance.figures(view.id), fills=queries.fills(view.id))
    rows = [
        (
            item.metric.label,
            shown(item.value, item.metric.unit),
            _between(item.interval, item.metric.unit) or item.why,
            shown(item.benchmark, item.metric.unit),
            {"high": "higher", "low": "lower"}.get(item.metric.better or "", ""),
            item.metric.unit,
            item.metric.help,
        )
        for item in estimates.rows
    ]
    heads = ["metric", "run", "95 % interval", "buy and hold", "better", "unit", "definition"]
    how = (
        f"Intervals: {estimates.returns:,} daily returns redrawn {estimates.draws:,} times in blocks of {estimates.block:.1f} days on average "
        f"(stationary bootstrap, seed {estimates.seed}); shares of trials by Wilson. They speak of the luck of the days, of nothing else."
    )
    several = view.spec.tickers if len(view.spec.tickers) > 1 else ()
    return el(
        "div",
        luck_meter(view),
        table(heads, rows, numbers=(1, 2, 3), caption="Metrics"),
        el("p", how, cls="muted"),
        *[folded(f"{ticker} alone", _alone(performance.figures(view.id, ticker), ticker)) for ticker in several],
    )


def _between(found: Interval | None, unit: str) -> str:
    return f"{shown(found.low, unit)} to {shown(found.high, unit)}" if found else ""


def _alone(figures: Mapping[str, float | None], ticker: str) -> Html:
    rows = [
        (metric.label, shown(figures.get(key), metric.unit), shown(figures.get(f"benchmark_{key}"), metric.unit), metric.unit, metric.help)
        for key, metric in METRICS.items()
    ]
    return table(["metric", "run", "buy and hold", "unit", "definition"], rows, numbers=(1, 2), caption=f"Metrics of {ticker}")


def shown(value: float | None, unit: str) -> str:
    """A metric as people read it: fractions as percent, the rest with two decimals, a dash where it is not defined."""
    if unit == "fraction":
        return format.percent(value)
    if unit in ("bars", "returns", "count"):
        return format.number(value, digits=0)
    return format.money(value) if unit == "money" else format.number(value)


# ----------------------------------------------------------------------------------------------------- rules and the run card


def rules(view: RunView) -> Html:
    """How decisions became trades."""
    return facts(run_words.rules(view.spec))


def memory_rules(view: RunView) -> Html:
    """The memory's constants: its layers as a table, every switch."""
    found = view.spec.memory
    rows = [
        (
            layer.name,
            f"{layer.recency_days:g}",
            f"{layer.importance_decay:g}",
            _limit(layer.promote_at),
            _limit(layer.demote_below),
            layer.top_k,
            ", ".join(layer.accepts),
        )
        for layer in found.layers
    ]
    heads = ["layer", "fades over (days)", "decay per day", "promoted at", "demoted below", "recalled at most", "starts here"]
    switches = {name: value for name, value in found.model_dump().items() if isinstance(value, bool)}
    return el(
        "div",
        facts(
            [
                ("Preset", view.spec.preset, "A named table of constants."),
                ("Embeddings", found.embedder, "What turns a text into a vector."),
                ("Clock", found.clock.replace("_", " "), "In what recency and decay are counted."),
                ("Judged after", f"{found.feedback_sessions} sessions", "Until a decision's outcome counts."),
                ("Credit", f"{found.credit_step:g} per judged citation", "Added to, or taken from, the importance of cited memories."),
                ("Character", view.spec.profile.character.replace("_", " "), "Sets limits on weight and confidence."),
            ]
        ),
        table(heads, rows, numbers=(1, 2, 3, 4, 5), caption="The memory layers and their constants"),
        el(
            "p",
            "Switches: " + " · ".join(f"{name.replace('_', ' ')} {'on' if on else 'off'}" for name, on in switches.items()),
            cls="muted",
        ),
    )


def _limit(value: float | None) -> str:
    return format.UNKNOWN if value is None else f"{value:g}"


def run_card(view: RunView) -> Html:
    """What has to be equal for somebody else to get the same run, then the whole spec and provenance."""
    found, spec, model = view.provenance, view.spec, view.provenance.get("model") or {}
    packages = found.get("packages") or {}
    budget, ways = model.get("budget") or {}, view.summary.get("ways") or {}
    rows: list[tuple[str, object, str]] = [
        (
            "Code",
            f"Recollect {found.get('recollect', format.UNKNOWN)}, Python {found.get('python', format.UNKNOWN)}",
            "Version of the program.",
        ),
        ("Decided by", view.model_label, "Backend and model id, word for word."),
        ("Model digest", str(model.get("digest") or "none: no model file is involved"), "Hash of the weights as the server reports it."),
        ("Seed", str(spec.seed), "One random stream per seed, ticker and day."),
        ("Prompts", str(found.get("prompts", format.UNKNOWN)), "Hash of all prompt templates together."),
        ("Data", str(found.get("data", format.UNKNOWN)), "Hash of every price, news item and filing the run could read."),
        ("Fingerprint", spec.fingerprint(), "Hash of the whole spec; only the name is left out."),
        ("Began, ended", f"{_moment(view.started_at)}, {_moment(view.finished_at)}", "UTC."),
        (
            "Packages",
            ", ".join(f"{name} {version}" for name, version in packages.items()) or format.UNKNOWN,
            "Versions at the start of the run.",
        ),
    ]
    if not view.by_rules:
        rows += [
            ("Knows until", view.contamination.sentence or "long before the test window", "Whether the model can remember the test days."),
            ("Answers bound by", ", ".join(f"{way} on {days} days" for way, days in ways.items()) or format.UNKNOWN, "Test days each."),
            ("Window", f"{budget['window']:,} tokens" if "window" in budget else "not limited", "Room of a question and its answer."),
            ("From the answer cache", format.percent(view.summary.get("cached_share"), digits=0), "Share of test days."),
            ("Hidden from the model", ", ".join(_hidden(view)) or "nothing", "Masked before every question."),
        ]
    return el(
        "div",
        facts(rows),
        folded("The whole spec (JSON)", _json(spec.model_dump(mode="json"))),
        folded("The whole provenance (JSON)", _json(found)),
    )


def _hidden(view: RunView) -> list[str]:
    return [name for name in ("names", "dates", "prices") if getattr(view.spec.masking, name)]


def _json(value: Any) -> Html:
    body = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return el("pre", body, tabindex="0")


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else format.UNKNOWN


# ------------------------------------------------------------------------------------------------- what was known when, issues


def known_when(found: LeakReport) -> Html:
    """The leak report: verdict, violations, the margins of every kind of segment, and where nobody looked."""
    order = list(PROMPTS)
    rows = [
        (
            KINDS.get(row.kind, row.kind.replace(":", ": ")),
            PROMPTS.get(row.purpose, row.purpose),
            f"{row.dated:,}",
            f"{row.unknown:,}",
            _margin(row.smallest_s),
            _margin(row.median_s),
            f"{row.closest_ticker} {row.closest_day}" if row.closest_day else "",
        )
        for row in sorted(found.kinds, key=lambda row: (order.index(row.purpose) if row.purpose in order else 9, row.kind))
        if row.dated or (row.unknown and row.purpose != SEEN)
    ]
    heads = ["what", "in which prompt", "dated", "without a time", "closest", "typical", "closest on"]
    return el(
        "div",
        el("p", el("strong", GLYPH[found.verdict] + found.verdict), " ", found.sentence),
        *[el("p", f"✗ {leak.sentence}", cls="note bad") for leak in found.violations],
        table(heads, rows, numbers=(2, 3, 4, 5), caption="Time from readable to decided, per kind of prompt segment") if rows else None,
        el("ul", *[el("li", line) for line in _gaps(found)]),
    )


def _margin(seconds: float | None) -> str:
    return "at the close" if seconds == 0 else span(seconds)


def _gaps(found: LeakReport) -> list[str]:
    """What the table does not show, in sentences."""
    lines = [f"{found.fixed:,} segments are fixed wording and need no time."] if found.fixed else []
    if found.undated is None:
        return [*lines, "Not known: how many items were left out for lack of a time, and whether a source covered each session."]
    lines += [f"{count:,} items of {name} had no time and were left out." for name, count in found.undated.items() if count]
    if not any(found.undated.values()):
        lines.append("No item was left out for lack of a time.")
    return lines + [
        f"{name.capitalize()}: nobody delivers them for {count:,} of {found.days:,} sessions. Silence there is not “nothing happened”."
        for name, count in found.unsourced.items()
    ]


def issues(view: RunView, rows: Mapping[str, pd.DataFrame]) -> Html:
    """What the data check found, and on how many days something was out of the ordinary."""
    found = view.provenance.get("issues") or []
    days = pd.concat(list(rows.values())) if rows else pd.DataFrame()
    test = days[days["phase"] == "test"] if len(days) else days
    counts = (
        {
            "test days without a decision": int(test["abstained"].notna().sum()),
            "days on which the server cut a question": int((days["cut"] > 0).sum()),
            "days on which something was left out of a question": int((days["left_out"] > 0).sum()),
            "test days re-asked": int((test["provenance"] == "re-asked").sum()),
            "orders rejected": int((test["order_status"] == "rejected").sum()),
            "days with a warning": int((days["warnings"] > 0).sum()),
        }
        if len(days)
        else {}
    )
    none = "The data check found nothing: no missing sessions, no duplicates, no impossible prices."
    return el(
        "div",
        el("ul", *[el("li", line) for line in found]) if found else el("p", none),
        table(
            ["days (all tickers)", "what"],
            [(f"{count:,}", name) for name, count in counts.items()],
            numbers=(0,),
            caption="Days out of the ordinary",
        ),
    )


# --------------------------------------------------------------------------------------------------------------------- notes


def notes(items: Sequence[annotations.Annotation]) -> Html:
    """Everything that people wrote beside the run, its days and its memories, with when, oldest first."""
    if not items:
        return el("p", "Nobody wrote a note, set a tag or a bookmark beside this run, its days or its memories.", cls="muted")
    return el("ul", *[_note(item) for item in items], cls="notes")


def _note(item: annotations.Annotation) -> Html:
    glyph = {"bookmark": "★ bookmark", "tag": "# tag", "note": "✎ note"}[item.kind]
    edited = f", changed {_moment(item.edited_at)}" if item.edited_at else ""
    return el(
        "li",
        el("strong", glyph),
        " ",
        _where(item.place),
        el("small", f" {_moment(item.at)} UTC{edited}"),
        el("div", item.text, cls="text") if item.text else None,
    )


def _where(place: annotations.Place) -> Html:
    """The day or memory as a link within the file; the run needs none."""
    if place.day is not None:
        return el("a", f"{place.ticker} {place.day}", href=f"#d-{quote(place.ticker, safe='')}-{place.day}")
    if place.memory is not None:
        return el("a", f"{place.ticker} memory {place.memory}", href=f"#m-{quote(place.ticker, safe='')}-{place.memory}")
    return el("span", "the run")


def contents(sections: Iterable[tuple[str, str]]) -> Html:
    """The links on top of the file."""
    return el("nav", *[el("a", title, href=f"#{name}") for name, title in sections], aria_label="Parts of this report")

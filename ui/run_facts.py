"""The evidence behind a run's figures: its metrics beside buy-and-hold, the rules it traded by, and what it takes to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from agent.evaluation.leaks import SEEN, LeakReport, span
from agent.evaluation.metrics import METRICS
from agent.spec import RunSpec
from services import queries
from services.queries import RunView
from ui import cached, format, luck, run_words, text
from ui.run_view import TILE

HEADLINES = (
    "annual_return",
    "annual_volatility",
    "sortino",
    "calmar",
    "time_in_market",
    "turnover_annual",
    "win_rate_fills",
    "total_costs",
)
Row = tuple[str, str, str]  # label, value, help


def headlines(view: RunView, whose: str) -> None:
    """The Sharpe with its luck meter, then the figures people ask for first, with their definition on hover and buy-and-hold below."""
    luck.meter(view, whose)
    figures = cached.figures(view, whose)
    with st.container(horizontal=True, gap="small"):
        for name in HEADLINES:
            metric, rival = METRICS[name], figures.get(f"benchmark_{name}")
            below = f"hold {shown(rival, metric.unit)}" if rival is not None else None
            st.metric(
                metric.label,
                shown(figures.get(name), metric.unit),
                below,
                delta_color="off",
                delta_arrow="off",
                help=f"{metric.help} Unit: {metric.unit}.",
                width=TILE,
            )


def shown(value: float | None, unit: str) -> str:
    """A metric as people read it: fractions as percent, the rest with two decimals, a dash where it is not defined."""
    if unit == "fraction":
        return format.percent(value)
    if unit in ("bars", "returns", "count"):
        return format.number(value, digits=0)
    return format.money(value) if unit == "money" else format.number(value)


def rules(spec: RunSpec) -> None:
    """How decisions became trades: what a reader needs before believing a return."""
    listed(run_words.rules(spec))
    if spec.execution.fill == "same_close":
        text.plain("⚠ Nobody can trade at a close that is known: read these figures as an upper bound.")


def run_card(view: RunView) -> None:
    """What has to be equal for somebody else to get the same run."""
    found, spec = view.provenance, view.spec
    model = found.get("model") or {}
    listed(
        [
            (
                "Code",
                f"Recollect {found.get('recollect', format.UNKNOWN)}, Python {found.get('python', format.UNKNOWN)}",
                "Version of this program.",
            ),
            ("Decided by", view.model_label or "rules, no LLM", "Backend and model id, word for word."),
            (
                "Model digest",
                str(model.get("digest") or "none: no model file is involved"),
                "Hash of the model's weights as its server reports it.",
            ),
            *_weights(model),
            *_model_facts(view),
            ("Seed", str(spec.seed), "One random stream per seed, ticker and day, so that a resumed run repeats."),
            ("Prompts", str(found.get("prompts", format.UNKNOWN)), "Hash of all prompt templates together."),
            ("Data", str(found.get("data", format.UNKNOWN)), "Hash of every price, news item and filing the run could read."),
            ("Fingerprint", spec.fingerprint(), "Hash of the whole spec; only the name is left out."),
            ("Began", _moment(view.started_at), "UTC."),
            ("Ended", _moment(view.finished_at), "UTC."),
        ]
    )
    packages = found.get("packages") or {}
    st.caption("Packages: " + ", ".join(text.label(f"{name} {version}") for name, version in packages.items()))


def _weights(model: Mapping[str, Any]) -> list[Row]:
    """Size, quantisation and server of a model that a server told about; nothing for rules."""
    parts = [str(model[name]) for name in ("family", "parameter_size", "quantisation") if model.get(name)]
    rows: list[Row] = (
        [("Weights", ", ".join(parts), "Family, number of parameters and quantisation, as the server reports them.")] if parts else []
    )
    if model.get("server_version"):
        rows.append(("Server", f"version {model['server_version']}", "What ran the model; another version may answer otherwise."))
    return rows


def _model_facts(view: RunView) -> list[Row]:
    """How a language model was asked; nothing where rules or a strategy decided."""
    if view.by_rules:
        return []
    model, spec, figures = view.provenance.get("model") or {}, view.spec, view.summary
    budget, ways, known = model.get("budget") or {}, figures.get("ways") or {}, view.contamination
    window = (
        f"{budget.get('window', 0):,} tokens, of which {budget.get('answer', 0):,} are kept for the answer" if budget else "not limited"
    )
    hidden = [name for name in ("names", "dates", "prices") if getattr(spec.masking, name)]
    rows: list[Row] = [
        (
            "Knows until",
            known.sentence or (MADE_UP if known.level == "no model" else "long before the test window"),
            "Whether the model can remember the days it was tested on.",
        ),
        (
            "Answers bound by",
            _counted(ways) or str(model.get("way") or format.UNKNOWN),
            "How answers were held to their form; test days each.",
        ),
        ("Window", window, "Room of a question and its answer, the same for the whole run."),
        ("Left out", _left_out_days(figures), "Memories and texts that the window had no room for; each day lists its own."),
        ("Cached", format.percent(figures.get("cached_share"), digits=0), f"Test days from the answer cache; it was {spec.answer_cache}."),
        ("Long texts", DIGESTED[spec.digest.mode], "How texts too long to remember whole became memories."),
        ("Hidden from the model", ", ".join(hidden) or "nothing", "Masked before every question and undone on screen."),
        ("Prompt set", spec.prompts, "The wording of the questions; the run keeps its texts."),
    ]
    if "cost_usd" in figures:
        rows.append(
            (
                "Cost of the answers",
                f"about {format.dollars(figures['cost_usd'])}",
                "Estimated from the prices given, without broken tries.",
            )
        )
    if spec.helper is not None:
        helper = view.provenance.get("helper") or {}
        name = helper.get("model") or spec.helper.options.get("model") or ""
        calls = figures.get("helper_calls", 0)
        rows.append(("Second model", f"{spec.helper.backend} {name}, {calls:,} calls", "Writes digests and lessons."))
        rows += [(f"Second model: {label.lower()}", value, help_) for label, value, help_ in _weights(helper)]
        if helper.get("digest"):
            rows.append(("Second model: digest", str(helper["digest"]), "Hash of its weights as its server reports it."))
    return rows


MADE_UP = "nothing of this market, which was made up"
DIGESTED = {
    "extract": "their own most telling sentences",
    "model": "a summary by the model",
    "off": "kept whole, in pieces",
}


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{text.label(way)} on {days} days" for way, days in found.items())


def _left_out_days(figures: Mapping[str, Any]) -> str:
    days, cut = figures.get("days_left_out", 0), figures.get("days_cut", 0)
    return f"something on {days:,} days" + (f"; the server cut a question on {cut:,}" if cut else "") if days or cut else "nothing"


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else format.UNKNOWN


def memory_rules(spec: RunSpec) -> None:
    """The memory's constants and switches: the preset by name, its layers as a table, every switch that is on."""
    found = spec.memory
    listed(
        [
            ("Preset", spec.preset, "A named table of constants; finmem-paper and finmem-repo reproduce FinMem."),
            ("Embeddings", found.embedder, "What turns a text into a vector."),
            (
                "Query",
                "built from the day" if found.query == "day" else "the character alone, the same every day (FinMem's B12)",
                "What recall looks for.",
            ),
            ("Clock", found.clock.replace("_", " "), "In what recency and decay are counted."),
            ("Judged after", f"{found.feedback_sessions} sessions", "Until a decision's outcome counts."),
            ("Credit", f"{found.credit_step:g} per judged citation", "Added to, or taken from, the importance of cited memories."),
            (
                "Span",
                f"only the last {found.span_sessions} sessions" if found.span_sessions else "the whole memory",
                "Ablation: how far recall reaches.",
            ),
            ("Character", spec.profile.character.replace("_", " "), "Sets limits on weight and confidence."),
            (
                "Lessons",
                f"every {spec.extended_every} sessions" if spec.extended_every else "none",
                "Extended reflection over judged decisions.",
            ),
        ]
    )
    layers = pd.DataFrame(
        [
            {
                "layer": layer.name,
                "fades over (days)": layer.recency_days,
                "decay per day": layer.importance_decay,
                "promoted at": layer.promote_at,
                "demoted below": layer.demote_below,
                "recalled at most": layer.top_k,
                "starts here": ", ".join(layer.accepts),
            }
            for layer in found.layers
        ]
    )
    st.dataframe(layers, hide_index=True, placeholder="never", key="layers_table", alt="The memory layers and their constants")
    switches = {name: value for name, value in found.model_dump().items() if isinstance(value, bool)}
    st.caption("Switches: " + " · ".join(text.label(f"{name.replace('_', ' ')} {'on' if on else 'off'}") for name, on in switches.items()))


@st.cache_data(max_entries=8, show_spinner="Comparing times")
def _leaks(run: str, done: int) -> LeakReport:
    return queries.leaks(run)


def known_when(view: RunView) -> None:
    """The leak report: the verdict, the margins of every kind of segment, what was left out and where nobody looked."""
    found = _leaks(view.id, view.done)
    text.plain(f"{VERDICTS[found.verdict]} {found.sentence}")
    for leak in found.violations[:5]:
        text.plain(f"✗ {leak.sentence}")
    rows = [
        {
            "what": _kind(row.kind),
            "prompt": PROMPTS.get(row.purpose, row.purpose),
            "dated": row.dated,
            "without a time": row.unknown,
            "closest": _margin(row.smallest_s),
            "typical": _margin(row.median_s),
            "closest on": f"{row.closest_ticker} {row.closest_day}" if row.closest_day else "",
        }
        for row in sorted(found.kinds, key=lambda row: (list(PROMPTS).index(row.purpose) if row.purpose in PROMPTS else 9, row.kind))
        if row.dated or (row.unknown and row.purpose != SEEN)
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="known_when",
        placeholder="",
        height=min(560, 38 + 35 * max(1, len(rows))),
        alt="Time from readable to decided, per kind of prompt segment",
        column_config={
            "what": st.column_config.TextColumn("What", width="medium"),
            "prompt": st.column_config.TextColumn("In which prompt", width="medium"),
            "dated": st.column_config.NumberColumn("Dated", help="Segments that carry the time at which they became readable."),
            "without a time": st.column_config.NumberColumn("Without a time", help="Segments that should carry one and do not."),
            "closest": st.column_config.TextColumn("Closest", alignment="right", help="Smallest time from readable to decided."),
            "typical": st.column_config.TextColumn("Typical", alignment="right", help="Median time from readable to decided."),
            "closest on": st.column_config.TextColumn("Closest on"),
        },
    )
    for line in _left_out(found):
        text.plain(f"• {line}")


VERDICTS = {"ok": "✓", "unknown": "?", "violated": "✗"}
PROMPTS = {"decide": "decision", "study": "study (training)", "lessons": "lessons", SEEN: "offered that day"}
KINDS = {
    "sources": "which sources there are",
    "hindsight": "hindsight: the move that followed",
    "judged": "decisions already judged",
}


def _margin(seconds: float | None) -> str:
    return "at the close" if seconds == 0 else span(seconds)


def _kind(name: str) -> str:
    return KINDS.get(name, text.clean(name.replace(":", ": "), longest=60))


def _left_out(found: LeakReport) -> list[str]:
    """What the table does not show, in sentences."""
    lines = (
        [f"{found.fixed:,} segments are fixed wording (rules, headings, the task, your own words) and need no time."] if found.fixed else []
    )
    if found.undated is None:
        lines.append(
            "Not known: how many items were left out for lack of a time, and whether a source covered each session. The run is older than this report."
        )
        return lines
    lines += [
        f"{count:,} items of {table} had no time and were left out: they could be from the future."
        for table, count in found.undated.items()
        if count
    ]
    if not any(found.undated.values()):
        lines.append("No item was left out for lack of a time.")
    lines += [
        f"{table.capitalize()}: nobody delivers them for {count:,} of {found.days:,} sessions. Silence there is not “nothing happened”."
        for table, count in found.unsourced.items()
    ]
    if not found.unsourced and found.days:
        lines.append("A source of news and of filings covers every session.")
    return lines


def issues(found: Sequence[str], days: pd.DataFrame) -> None:
    """What the data check found, and on how many days something was out of the ordinary."""
    if not found:
        text.plain("The data check found nothing: no missing sessions, no duplicates, no impossible prices.")
    with st.container(gap="xxsmall"):
        for line in found:
            text.plain(f"• {line}")
    test = days[days["phase"] == "test"]
    counts = {
        "without a decision": int(test["abstained"].notna().sum()),
        "on which the server cut a question": int((days["cut"] > 0).sum()),
        "on which something was left out of a question": int((days["left_out"] > 0).sum()),
        "asked again": int((test["provenance"] == "re-asked").sum()),
        "with an order that the limits changed": int((test["clipped_by"].fillna("") != "").sum()),
        "with an order that was rejected": int((test["order_status"] == "rejected").sum()),
        "with a warning in its record": int((days["warnings"] > 0).sum()),
    }
    st.caption(f"Out of the ordinary, of {len(days):,} recorded days of this ticker; the table of days shows which.")
    with st.container(gap="xxsmall"):
        for label, count in counts.items():
            text.plain(f"{count:,} {'day' if count == 1 else 'days'} {label}")


def listed(rows: Sequence[Row]) -> None:
    """Label and value, one pair per line, the explanation on hover."""
    with st.container(gap="xxsmall"):
        for label, value, help_ in rows:
            left, right = st.columns([1, 3.4], gap="small", vertical_alignment="center")
            left.caption(label, help=help_)
            with right:
                text.plain(value)

"""The card of a judged run: too timid or too bold, sure or only loud, and what its decisions leant on. Each part says what it rests on."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agent.evaluation import calibration as calibrations
from agent.evaluation import regimes as rules
from agent.evaluation.calibration import Calibration
from agent.evaluation.intervals import Interval
from agent.evaluation.regimes import REGIMES, Verdict
from services import queries, regimes
from services.queries import RunView
from services.regimes import Contribution, Contributions, Regimes
from ui import cards, draw, format, text, theme, url_state
from ui.charts import judged as charts

TILE = 152  # pixels
RULE = (
    f"The regime of a session is read off the prices before it, nothing later: the return of the last {rules.WINDOW} sessions, against what their own "
    f"daily volatility would bring by chance. More than {rules.BAND:g} standard deviations up is bull, down is bear, between is flat. "
    "FINSABER labels whole years by their return (above +20 % bull, below -20 % bear), which is known only when they are over."
)
BY = {"layer": "Memory layer", "source": "Kind of source", "publisher": "Publisher of news"}
FEW = 10  # judged decisions
LEAST_SHOWN = 0.0005  # below it a sum of returns reads 0.0 pp
SHOWN_ROWS, ROW, HEAD = 12, 35, 38  # rows before the table scrolls, pixels, pixels


@st.cache_data(max_entries=32, show_spinner=False)
def _regimes(run: str, done: int, whose: str) -> Regimes:
    return regimes.regimes(run, whose)


@st.cache_data(max_entries=32, show_spinner=False)
def _calibration(run: str, done: int, whose: str) -> Calibration:
    return regimes.calibration(run, whose)


@st.cache_data(max_entries=32, show_spinner=False)
def _contributions(run: str, done: int, whose: str) -> Contributions:
    return regimes.contributions(run, whose)


def section(view: RunView, ticker: str) -> None:
    """The whole card; ``ticker`` may be ``total``, which pools the sessions and decisions of all tickers."""
    key = (view.id, view.done, ticker)
    behaviour(_regimes(*key))
    confidence(_calibration(*key), rules_only=view.by_rules)
    leaning(_contributions(*key))
    if ticker == queries.TOTAL and len(view.spec.tickers) > 1:
        st.caption("All tickers pooled: a day counts once per ticker, and tickers move together, so n says more than it holds.")


# --------------------------------------------------------------------------------------------------------------------- regimes


def behaviour(found: Regimes) -> None:
    """Exposure and result by regime, and whether that was timid or bold."""
    st.subheader("Bull, flat and bear: too timid, too bold?", anchor=False, help=RULE)
    for sentence in _verdict(found.verdict, found):
        text.plain(sentence)
    fig = charts.regimes(found.found, dark=draw.dark())
    draw.chart(fig, key="regimes", alt="Exposure and mean daily return in bull, flat and bear sessions, beside buy and hold")
    st.dataframe(
        pd.DataFrame([_row(found, name) for name in REGIMES]),
        hide_index=True,
        key="regime_table",
        alt="What the run did in bull, flat and bear sessions",
        placeholder="n/a",
        column_config={
            "regime": st.column_config.TextColumn("Regime", help=RULE),
            "sessions": st.column_config.NumberColumn("Sessions", format="%d", help=f"Below {rules.ENOUGH} nothing is said."),
            "stretches": st.column_config.NumberColumn(
                "Stretches", format="%d", help="Unbroken runs of the regime: the real number of cases."
            ),
            "exposure": st.column_config.NumberColumn(
                "In the market", format="percent", help="Mean share of equity at the close; shorts negative."
            ),
            "buys": st.column_config.NumberColumn("Buys", format="percent", help="Share of the decisions made in these sessions."),
            "sells": st.column_config.NumberColumn("Sells", format="percent", help="Share of the decisions made in these sessions."),
            "agent": st.column_config.TextColumn("Run, a day", help="Mean daily return after costs, in basis points (0.01 %)."),
            "hold": st.column_config.TextColumn("Holding, a day", help="The same of buy and hold."),
            "gap": st.column_config.TextColumn("Difference", help="Run less holding."),
        },
    )
    missing = f" {found.unlabelled} of {found.sessions} sessions have too little history for one." if found.unlabelled else ""
    st.caption(
        f"Each session counts under the regime that was known when it began.{missing} “In all” adds up daily returns, of several tickers their mean. {RULE}"
    )


def _verdict(said: Verdict, found: Regimes) -> list[str]:
    bull, bear = found.found["bull"], found.found["bear"]
    return [
        _about("bull", said.timid, bull.sessions, "too timid", f"{_percent(bull.exposure)} in the market", said.missed, "behind holding", "ahead of holding"),
        _about("bear", said.bold, bear.sessions, "too bold", f"{_percent(bear.exposure)} in the market", said.lost, "gained", "lost"),
    ]  # fmt: skip


def _about(name: str, guilty: bool | None, n: int, charge: str, held: str, total: float | None, plus: str, minus: str) -> str:
    """One sentence per charge: it stands, it does not, or there is too little to say."""
    where = f"{charts.NAMES[name]}, n = {n}"
    if not n or total is None:
        return f"{where}: no such session with a result."
    size = format.points(abs(total)).lstrip("+")
    moved = f"{size} {plus if total > 0 else minus} in all" if abs(total) >= LEAST_SHOWN else f"neither {plus} nor {minus}"
    if guilty is None:
        return f"{where}: n too small to call it {charge}; it was {held}, {moved}."
    return f"{where}: {charge if guilty else f'not {charge}'}; it was {held}, {moved}."


def _percent(value: float | None) -> str:
    return format.percent(value, digits=0) if value is not None else "n/a"


def _row(found: Regimes, name: rules.Regime) -> dict[str, object]:
    one = found.found[name]
    few = "" if one.enough else " (few)"
    return {
        "regime": f"{charts.NAMES[name]}{few}",
        "sessions": one.sessions,
        "stretches": one.stretches,
        "exposure": one.exposure,
        "buys": one.buys,
        "sells": one.sells,
        "agent": _points(one.agent),
        "hold": _points(one.hold),
        "gap": _points(one.gap),
    }


def _points(value: float | None) -> str | None:
    return None if value is None else f"{charts.POINT * value:+.1f} bp"


# ------------------------------------------------------------------------------------------------------------------ confidence

SAYS = {
    "over": "Overconfident: it was right less often than it said, by more than chance gives.",
    "under": "Too modest: it was right more often than it said, by more than chance gives.",
    "well": "Well calibrated as far as so many decisions can tell: the error is within what chance gives.",
}


def confidence(found: Calibration, *, rules_only: bool) -> None:
    """Stated confidence against what happened."""
    st.subheader("Is its confidence worth anything?", anchor=False)
    if not found.n:
        text.plain("No decision with a confidence has been judged yet: a decision that trades is judged when its horizon has passed.")
        return
    if not found.enough:
        text.plain(f"n too small to call it calibrated or not: {found.n} judged decisions, and it takes {calibrations.ENOUGH}.")
    else:
        text.plain(SAYS[found.says])
    chance = found.error_by_chance
    tiles = [
        ("Judged decisions", f"{found.n:,}", "outside the cost band", "Decisions that traded, with a confidence, whose outcome is known and not inside the cost band."),
        ("Mean confidence", _percent(found.confidence), "as stated", "Mean of the confidence given with these decisions."),
        ("Were right", _percent(found.share), _interval(found.interval), "Share that was right, with Wilson's 95 % interval."),
        ("Brier score", format.number(found.brier, digits=3), f"to beat {format.number(found.base, digits=3)}", "Mean of (confidence - right) squared: 0 is perfect. To beat: saying the overall share right every time."),
        ("Calibration error", format.percent(found.error), f"by chance up to {format.percent(chance.high)}" if chance else None, "Mean distance between confidence and share right over ten bins (ECE). By chance: 95th percentile of a perfectly calibrated trader with as many decisions."),
    ]  # fmt: skip
    with st.container(horizontal=True, gap="small", key="calibration_tiles"):
        for label, value, under, help_ in tiles:
            st.metric(label, value, under, delta_color="off", delta_arrow="off", help=help_, width=TILE)
    fig = charts.reliability(found, dark=draw.dark())
    draw.chart(fig, key="reliability", alt="Share of decisions that were right by the confidence given, with 95 % intervals")
    by = " These confidences come from rules, not from a language model." if rules_only else ""
    st.caption(f"Decisions whose horizons overlap share prices, so the truth is less sure than the intervals say.{by}")


def _interval(found: Interval | None) -> str | None:
    return None if found is None else f"{format.percent(found.low, digits=0)} to {format.percent(found.high, digits=0)}"


# -------------------------------------------------------------------------------------------------------------------- sources


def leaning(found: Contributions) -> None:
    """What layers and sources were shown, cited, right and credited."""
    st.subheader("What its decisions leant on", anchor=False)
    if not any(found.by.values()):
        text.plain("No memory was put before a decision: there is nothing that it could have leant on.")
        return
    by = url_state.choice("lean", tuple(BY), label="By", shown=BY)
    rows = found.by[by]
    if not rows:
        text.plain("No news was put before a decision.")
        return
    st.dataframe(
        pd.DataFrame([_leant(item, by) for item in rows]),
        hide_index=True,
        key=f"leant_{by}",
        height=HEAD + ROW * min(SHOWN_ROWS, len(rows)),
        alt="What was shown, cited, right and credited",
        placeholder="n/a",
        column_config={
            "name": st.column_config.TextColumn(BY[by], width=170),
            "shown": st.column_config.NumberColumn("Shown", format="%d", width=74, help="Times a memory of it was put before a decision."),
            "cited": st.column_config.NumberColumn("Cited", format="%d", width=74, help="Times such a memory was named as a reason."),
            "cited_share": st.column_config.NumberColumn("Cited of shown", format="percent", width=110, help="Cited over shown."),
            "decisions": st.column_config.NumberColumn("Decisions", format="%d", width=88, help="Decisions that cited it at least once."),
            "right": st.column_config.TextColumn(
                "Right of judged",
                width=190,
                help="Of those decisions, the judged ones that were right, with Wilson's 95 % interval. Holds are not judged.",
            ),
            "credit": st.column_config.TextColumn(
                "Credit",
                width=84,
                help="Importance that came back to its memories from judged decisions: right ones give, wrong ones take.",
            ),
        },
    )
    overall = f" Of all {found.judged} judged decisions {_percent(found.share)} were right." if found.judged else ""
    st.caption(
        f"A decision that cites several counts under each.{overall} Cited is what the model said it used; whether it did, nobody knows. "
        f"With fewer than {FEW} judged decisions a share says nothing and is marked few."
    )


def _leant(item: Contribution, by: str) -> dict[str, object]:
    return {
        "name": _named(item.name, by),
        "shown": item.shown,
        "cited": item.cited,
        "cited_share": item.cited_share,
        "decisions": item.decisions,
        "right": None
        if item.share is None
        else f"{item.right} of {item.judged} ({_interval(item.interval)}){' few' if item.judged < FEW else ''}",
        "credit": f"{item.credit:+.1f}" if abs(item.credit) >= 0.05 else "0",
    }


def _named(name: str, by: str) -> str:
    if by == "source":
        return cards.KINDS.get(name, text.clean(name, longest=40))
    if by == "layer":
        return f"{theme.LAYER_GLYPHS.get(name, '◌')} {text.clean(name, longest=40)}"
    return text.clean(name, longest=80)

"""The robustness page, part by part: luck, seeds, start days, costs and delay. Each part says what it means and what it cannot say."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agent.evaluation.agreement import Rate
from agent.evaluation.metrics import METRICS
from agent.evaluation.seeds import ENOUGH, Spread
from services import luck_words, performance, queries, robustness
from services.queries import RunView
from services.robustness import Outcome, Seeds, Sensitivity, Starts
from ui import cached, draw, format, luck, page, run_facts, text, url_state
from ui.charts.robustness import crowd as crowd_chart
from ui.charts.robustness import seeds as seeds_chart
from ui.charts.robustness import starts as starts_chart

MOST_DAYS = 200  # disagreed days listed


@st.cache_data(max_entries=16, show_spinner="Carrying the orders out again")
def _sensitivity(run: str, done: int, whose: str) -> Sensitivity:
    return robustness.sensitivity(run, whose)


@st.cache_data(max_entries=16, show_spinner="Reading the other seeds")
def _seeds(runs: tuple[tuple[str, int], ...], whose: str, *, _views: tuple[RunView, ...]) -> Seeds:
    return robustness.over_seeds(_views, whose)


@st.cache_data(max_entries=16, show_spinner=False)
def _starts(run: str, done: int, whose: str, window: int, *, _frame: pd.DataFrame) -> Starts:
    return robustness.starts(_frame, window)


# -------------------------------------------------------------------------------------------------------------------------- luck


def by_lot(view: RunView, whose: str) -> None:
    """The meter, and the crowd it stands in."""
    st.subheader("Skill, or luck?", anchor=False)
    luck.meter(view, whose, onward=False)
    found = luck.of(view, whose)
    if found.share is None:
        page.empty("There is no crowd to compare with", f"{found.why[:1].upper()}{found.why[1:]}. The other figures above hold without it.")
        return
    hold = cached.figures(view, whose).get("benchmark_sharpe")
    fig = crowd_chart(found.crowd, found.sharpe, dark=draw.dark(), hold=hold)
    draw.chart(fig, key="crowd", alt=f"Annual Sharpe of {len(found.crowd)} random traders with the run and buy and hold marked")
    st.caption(luck_words.matched(found))
    _says(
        "Each random trader makes the run's own moves at moments drawn by lot: the same weights, each for as many sessions in all, in as "
        "many stretches, on the same prices and at the same costs. A place far to the right says that the moments were well chosen.",
        "It cannot say that they will be again, nor that the model chose them for the reasons it gave. It takes no account of how often "
        "somebody tried before: the deflated figure does.",
    )


# ------------------------------------------------------------------------------------------------------------------------- seeds

NO_SEEDS = (
    "Only this seed has been run, so nobody can say how much of its result is the noise of the model. Start copies of it that differ in the "
    "seed alone; {enough} are a beginning. They appear here as soon as they are finished."
)


def over_seeds(view: RunView, whose: str) -> None:
    """The finished repeats of the run with other seeds: band, spread, and on which days they decided differently."""
    st.subheader("The same run with other seeds", anchor=False)
    views = robustness.group(view.id)
    if len(views) < 2:
        page.empty(
            "One seed says nothing about noise", NO_SEEDS.format(enough=ENOUGH), ("new_run", "A copy of this run"), **{"from": view.id}
        )
        return
    found = _seeds(tuple((item.id, item.done) for item in views), whose, _views=views)
    if found.why:
        page.empty("These seeds cannot be put together", f"The reason: {found.why}.")
        return
    fig = seeds_chart(found.bands, dark=draw.dark(), count=len(views))
    draw.chart(fig, key="seed_bands", alt=f"Return of the lowest, the median and the highest of {len(views)} seeds against buy and hold")
    _seed_tiles(found)
    _seed_table(found)
    thin = (
        f" {len(views)} seeds are few: five of five above holding is the first count that chance seldom gives."
        if len(views) < ENOUGH
        else ""
    )
    _says(
        "The band reaches from the worst to the best seed. Where it is wide, one run of this configuration is a draw from it; never quote "
        f"the best.{thin}",
        "All seeds traded the same prices, so they measure the noise of the agent and not that of the market: ten seeds above holding are "
        "not ten pieces of evidence that the agent beats it.",
    )
    _flips(view, found)


def _seed_tiles(found: Seeds) -> None:
    above = found.above
    interval = f"{100 * above.interval.low:.0f} to {100 * above.interval.high:.0f} %" if above.interval else ""
    tiles = [
        ("Above holding", f"{above.above} of {above.n}", interval, "Seeds with a higher return than holding; below, the exact 95 % interval of the share (Clopper and Pearson)."),
        ("Noise of the seed", format.percent(found.noise), "of daily variance", "Share of the variance of daily returns that comes from the seed and not from the day; 0 % means that all seeds earn alike."),
        ("Days they differ", format.percent(found.flips.value), _n(found.flips), "Share of days, ticker by ticker, on which not all seeds decided alike (flip rate)."),
        ("Entropy", _bits(found.entropy), _n(found.entropy), "Mean over days of how spread the seeds' decisions are, in bits: 0 all alike, 1 two evenly split, 1.58 buy, hold and sell evenly."),
        ("Fleiss' kappa", format.number(found.kappa.value), found.kappa.why or _n(found.kappa), "Agreement beyond what habit alone would give: 1 always, 0 as by chance."),
        ("Weights apart", format.percent(found.distance.value), _n(found.distance), "Mean absolute difference of the seeds' target weights, where both set one."),
    ]  # fmt: skip
    with st.container(horizontal=True, gap="small", key="seed_tiles"):
        for label, value, below, help_ in tiles:
            st.metric(label, value, below or None, delta_color="off", delta_arrow="off", help=help_, width=luck.WIDE)


def _n(rate: Rate) -> str:
    return f"n = {rate.n:,}" if rate.n else rate.why


def _bits(rate: Rate) -> str:
    return "–" if rate.value is None else f"{rate.value:.2f} bits"


def _seed_table(found: Seeds) -> None:
    rows = []
    for key, spread in found.figures.items():
        metric = METRICS[key]
        cells = {
            name: run_facts.shown(value, metric.unit)
            for name, value in (("median", spread.median), ("lowest", spread.low), ("highest", spread.high))
        }
        rows.append(
            {"metric": metric.label, **cells, "middle half": _middle(spread, metric.unit), "seeds": spread.n, "definition": metric.help}
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="seed_table", alt="Metrics over the seeds: median, lowest, highest, middle half")
    listed = ", ".join(str(item.spec.seed) for item in found.views)
    st.caption(f"Seeds {listed}. Over {len(found.bands):,} common sessions, {found.bands['day'].iloc[0]} to {found.bands['day'].iloc[-1]}.")


def _middle(spread: Spread, unit: str) -> str:
    return f"{run_facts.shown(spread.q1, unit)} to {run_facts.shown(spread.q3, unit)}"


def _flips(view: RunView, found: Seeds) -> None:
    """The days on which the seeds did not agree, most divided first; a click leads to the day."""
    table = found.by_day
    split = table[table["differ"].fillna(0) > 0].sort_values(["bits", "day"], ascending=[False, True])
    st.subheader("Days on which the seeds differ", anchor=False)
    if split.empty:
        text.plain("None: on every day all seeds that decided took the same decision.")
        return
    shown = split.head(MOST_DAYS).reset_index(drop=True)
    event = st.dataframe(
        shown.assign(differ=100 * shown["differ"]),
        hide_index=True,
        key="flips",
        on_select="rerun",
        selection_mode="single-row",
        alt="Days on which seeds decided differently, most divided first",
        column_config={
            "day": st.column_config.DateColumn("Day", format="YYYY-MM-DD"),
            "ticker": "Ticker",
            "differ": st.column_config.NumberColumn(
                "Pairs that differ", format="%.0f %%", help="Share of pairs of seeds that decided differently."
            ),
            "bits": st.column_config.NumberColumn("Entropy", format="%.2f", help="Bits: 0 all alike, 1.58 evenly buy, hold and sell."),
            "decisions": "Decisions",
        },
    )
    more = f" The {MOST_DAYS} most divided of {len(split):,}." if len(split) > MOST_DAYS else ""
    st.caption(f"Click a row to open that day of this run.{more}")
    if picked := event["selection"]["rows"]:
        row = shown.iloc[picked[0]]
        page.go("days", run=view.id, ticker=row["ticker"], day=row["day"])


# -------------------------------------------------------------------------------------------------------------------- start days


def start_days(view: RunView, whose: str) -> None:
    """What somebody would have seen who looked at a part of the run, for every first day."""
    st.subheader("What if one had begun on another day?", anchor=False)
    frame = cached.equity(view, whose)
    possible = performance.windows(frame)
    if not possible:
        page.empty("Too short for this", f"The run has {len(frame)} sessions; the shortest stretch needs 22.")
        return
    default = "63" if 63 in possible else str(possible[-1])
    names = {str(window): f"{window} sessions" for window in possible}
    window = int(url_state.choice("roll", list(names), label="Length of a stretch", default=default, shown=names))
    found = _starts(view.id, view.done, whose, window, _frame=frame)
    draw.chart(
        starts_chart(found.frame, dark=draw.dark(), window=window),
        key="starts",
        alt=f"Return and Sharpe of every stretch of {window} sessions by its first day",
    )
    tiles = [
        ("Better than holding", format.percent(found.better, digits=0), f"of {len(found.frame):,} first days", "Share of first days from which the run returned more than holding."),
        ("Median return", format.percent(found.spread.median), f"hold {format.percent(found.benchmark.median)}", f"Over {window} sessions."),
        ("Worst first day", format.percent(found.spread.low), _first(found, "return", worst=True), f"Lowest return over {window} sessions, and the day it began."),
        ("Best first day", format.percent(found.spread.high), _first(found, "return", worst=False), f"Highest return over {window} sessions, and the day it began."),
        ("Stretches apart", f"{found.apart}", "share no day", "How many stretches of this length fit into the run side by side: the real number of looks."),
    ]  # fmt: skip
    with st.container(horizontal=True, gap="small", key="start_tiles"):
        for label, value, below, help_ in tiles:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", help=help_, width=luck.WIDE)
    _says(
        f"Every point is the run over {window} sessions from that day on. If the lines change places often, the verdict depends on when one looks.",
        f"Neighbouring points share all but one of their days: {len(found.frame):,} first days are worth about {found.apart} separate "
        f"{'look' if found.apart == 1 else 'looks'}. The run is not begun anew: on each first day it holds, and remembers, what it did.",
    )


def _first(found: Starts, column: str, *, worst: bool) -> str:
    known = found.frame[column].dropna()
    return str(found.frame.loc[known.idxmin() if worst else known.idxmax(), "day"]) if len(known) else ""


# -------------------------------------------------------------------------------------------------------------- costs and delay


def terms(view: RunView, whose: str) -> None:
    """The same orders at other costs and later."""
    st.subheader("The same orders at other costs, or later", anchor=False)
    found = _sensitivity(view.id, view.done, whose)
    if found.why:
        page.empty("The orders cannot be carried out again", f"The reason: {found.why}.")
        return
    base = found.outcomes[0]
    st.dataframe(
        pd.DataFrame([_row(item, base) for item in found.outcomes]),
        hide_index=True,
        key="terms",
        alt="Return, Sharpe and drawdown of the same orders under other costs and delays",
        column_config={
            "terms": st.column_config.TextColumn("Terms", pinned=True, help="The first row is the run as it was."),
            "return": st.column_config.TextColumn("Return", alignment="right", help=METRICS["cum_return"].help),
            "change": st.column_config.TextColumn("Change", alignment="right", help="Return less that of the run as it was."),
            "hold": st.column_config.TextColumn("Holding", alignment="right", help="Buy and hold at the same costs, bought when it was."),
            "against": st.column_config.TextColumn("Against holding", help="Return less that of holding, both at these costs."),
            "sharpe": st.column_config.TextColumn("Sharpe", alignment="right", help=METRICS["sharpe"].help),
            "drawdown": st.column_config.TextColumn("Max drawdown", alignment="right", help=METRICS["max_drawdown"].help),
            "costs": st.column_config.TextColumn("Costs", alignment="right", help=METRICS["total_costs"].help),
            "fills": st.column_config.NumberColumn("Fills", help="Orders that traded."),
        },
    )
    text.plain(_even(found))
    _says(
        "A result that a day of delay or doubled costs turns round hangs on terms that nobody is sure to get.",
        "Nobody was asked again: the orders are those of the run. A trader who pays more or comes later would have seen other gains and "
        "another position each evening, and might have decided otherwise.",
    )


def _row(item: Outcome, base: Outcome) -> dict[str, object]:
    change = item.cum_return - base.cum_return if item.cum_return is not None and base.cum_return is not None else None
    mark = "" if item.excess is None else "▲ " if item.excess > 0 else "▼ " if item.excess < 0 else "＝ "
    return {
        "terms": item.label,
        "return": format.percent(item.cum_return, sign=True),
        "change": "" if item is base else format.points(change),
        "hold": format.percent(item.benchmark, sign=True),
        "against": f"{mark}{format.points(item.excess)}",
        "sharpe": format.number(item.sharpe),
        "drawdown": format.percent(item.max_drawdown),
        "costs": format.money(item.costs),
        "fills": item.fills,
    }


def _even(found: Sensitivity) -> str:
    if not found.bps:
        return "The run paid no costs, so there is nothing to multiply."
    free = next((item for item in found.outcomes if item.costs_times == 0), None)
    if found.break_even is None:
        if free is not None and free.excess is not None and free.excess <= 0:
            return "Even without any costs the run would not have earned more than holding."
        return "No costs within reason bring the run down to what holding earns."
    each = found.break_even * found.bps
    return f"At {found.break_even:.1f} times its costs ({each:.0f} basis points a trade) the run would earn what holding earns."


def _says(means: str, cannot: str) -> None:
    """What a part means, and what it cannot say."""
    with st.container(gap="xxsmall"):
        st.caption(f"**What it means.** {means}")
        st.caption(f"**What it cannot say.** {cannot}")


def whose(view: RunView) -> str:
    """All tickers together, or one; ``of=`` in the URL."""
    names = view.spec.tickers
    if len(names) == 1:
        return names[0]
    return url_state.choice("of", [queries.TOTAL, *names], label="Of", shown={queries.TOTAL: "all tickers"})

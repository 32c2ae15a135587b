"""Look: the coverage calendar, and what could be known of one ticker at the close of one day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from agent.errors import RecollectError
from agent.market.sessions import Calendar
from agent.market.sources.base import Listing
from agent.records import Figure, Filing, News
from services.market_data import Known, latest
from ui import data_market, draw, format, text
from ui.charts.coverage import MEANING, MOST_TICKERS, coverage, swatch
from ui.data_market import Asked
from ui.data_said import problem, tall

FIRST_NEWS = 10
FRACTIONS = ("_growth", "_margin", "return_on_equity")  # figures that people read as percent
UNSOURCED = {
    "news": "No source of news covers the time since the last close: nobody can say whether there was any.",
    "filings": "No source of filings covers the time since the last close: nobody can say whether there was one.",
}


def look(asked: Asked) -> None:
    """Calendar of every ticker, then one day of one of them."""
    good = calendar(asked)
    if good:
        a_day(asked, good)


# ----------------------------------------------------------------------------------------------------------------- the calendar


def calendar(asked: Asked) -> list[str]:
    """The coverage calendar; returns the tickers that could be read. One that cannot be had does not stop the others."""
    frames, errors = {}, {}
    for ticker in asked.tickers:
        try:
            frames[ticker] = data_market.covered(asked.key, ticker, asked.start, asked.end)
        except RecollectError as error:
            errors[ticker] = error
    st.subheader("Coverage calendar", anchor=False)
    for ticker, error in errors.items():
        problem(error, what=ticker)
    if not frames:
        text.plain("None of these tickers can be shown. Change the tickers or the range above, or choose another source.")
        return []
    good = list(frames)
    pages = -(-len(good) // MOST_TICKERS)
    at = st.pagination(pages, key="_data_tickers") - 1 if pages > 1 else 0
    part = good[at * MOST_TICKERS : (at + 1) * MOST_TICKERS]
    _legend()
    frame = pd.concat([frames[ticker] for ticker in part], ignore_index=True)
    day = st.query_params.get("day", "") if _iso(st.query_params.get("day", "")) else str(asked.end)
    shown_days = [str(period) for period in frame["period"] if str(period) <= day <= str(asked.end)]
    monthly = bool(len(frame)) and len(str(frame["label"].iloc[0])) == 7
    marks = [(day if monthly else max(shown_days), day)] if shown_days else []
    figure = draw.kept_of(frame, lambda: coverage(frame, dark=draw.dark(), marks=marks, pick=True), "pick", *marks)
    event = st.plotly_chart(
        figure,
        theme=None,
        key="data_calendar",
        alt="Prices, news and filings per session and ticker",
        config=draw.CONFIG,
        on_select="rerun",
        selection_mode="points",
    )
    unit = "A cell is a month." if monthly else "A cell is a session, with what became readable since the close before it."
    st.caption(f"{unit} Click a cell to read that day below. {_summed(frame)}")
    _clicked(event, good, monthly)
    return good


def _legend() -> None:
    st.caption(" \u2003 ".join(f"{draw.picture(swatch(state, dark=draw.dark()))} {meaning}" for state, meaning in MEANING.items()))


def _summed(frame: pd.DataFrame) -> str:
    """``62 prices, 41 news, 3 filings; no source for filings in 4 of 62 sessions.``"""
    counts = frame.groupby("table", sort=False)["count"].sum()
    words = ", ".join(f"{int(count):,} {'prices' if table == 'bars' else table}" for table, count in counts.items())
    holes = frame[frame["state"] == "no source"].groupby("table", sort=False).size()
    sizes = frame.groupby("table", sort=False).size()
    gaps = ", ".join(f"{'prices' if table == 'bars' else table} in {int(n):,} of {int(sizes[table]):,} cells" for table, n in holes.items())
    return f"In all: {words}." + (f" No source for {gaps}." if gaps else "")


def _clicked(event: object, tickers: Sequence[str], monthly: bool) -> None:
    """A click on a cell opens its day, once: the selection stays in the chart, the choice of the day moves on."""
    points = event["selection"]["points"] if event and "selection" in event else []  # type: ignore[operator, index]
    found = points[0].get("customdata") if points else None
    if not isinstance(found, (list, tuple)) or len(found) < 2:
        return
    day, ticker = str(found[0])[:10], str(found[1])
    if st.session_state.get("_data_cell") == (day, ticker) or not _iso(day) or ticker not in tickers:
        return
    st.session_state["_data_cell"] = (day, ticker)
    if monthly:
        day = str((date.fromisoformat(day) + timedelta(days=32)).replace(day=1) - timedelta(days=1))  # the month's last day
    st.query_params["day"], st.query_params["ticker"] = day, ticker
    st.rerun()


# --------------------------------------------------------------------------------------------------------------------- one day


def a_day(asked: Asked, tickers: Sequence[str]) -> None:
    """What could be known at one close, with the session before and after."""
    st.subheader("What could be known at a close", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        ticker, day = _which(asked, tickers)
        try:
            listing = data_market.listing(asked.key, ticker)
            when = Calendar(listing.exchange)
            session = latest(when, day)
            _turn("Previous", "J", when.previous_session(session.day).day, icon="chevron_left", after=False)
            _turn("Next", "K", when.next_session(session.day).day, icon="chevron_right", after=True)
        except RecollectError as error:
            problem(error, what=ticker)
            return
    if day >= when.next_session(session.day).day:
        text.plain(
            f"The session of {day} ({day:%A}) has not closed yet; this is the last completed one, {session.day} ({session.day:%A}). "
            "What became readable since then is known at the next one."
            if day in when
            else f"{day} ({day:%A}) is still to come; this is the last completed session, {session.day} ({session.day:%A})."
        )
    elif day != session.day:
        text.plain(
            f"{day} ({day:%A}) is no session of {listing.exchange}; this is the session before it, {session.day} ({session.day:%A}). "
            "What became readable since then is known at the next one."
        )
    try:
        found = data_market.known(asked.key, ticker, session.day)
    except RecollectError as error:
        problem(error, what=ticker)
        return
    _cutoff(found, listing, when)
    _price(found, listing)
    _news(found, when)
    _filings(found)
    _figures(found)


def _which(asked: Asked, tickers: Sequence[str]) -> tuple[str, date]:
    """Ticker and day, from the URL where it has them; the day defaults to the last of the range."""
    wanted = st.query_params.get("ticker", "")
    ticker = wanted if wanted in tickers else tickers[0]
    typed = st.query_params.get("day", "")
    day = date.fromisoformat(typed) if _iso(typed) else asked.end
    day = min(max(day, date(1990, 2, 1)), date(2039, 11, 30))
    st.session_state["_data_ticker"], st.session_state["_data_day"] = ticker, day
    st.query_params["ticker"] = ticker

    def moved() -> None:
        st.query_params["ticker"] = st.session_state["_data_ticker"]
        if isinstance(st.session_state["_data_day"], date):
            st.query_params["day"] = str(st.session_state["_data_day"])

    st.selectbox(
        "Ticker",
        list(tickers),
        key="_data_ticker",
        on_change=moved,
        width=280,
        format_func=lambda name: f"{name} · {text.clean(asked.names[name], longest=60)}" if name in asked.names else name,
    )
    st.date_input("Day", key="_data_day", on_change=moved, width=150, **data_market.EVER)
    return ticker, day


def _turn(word: str, key: str, target: date, *, icon: str, after: bool) -> None:
    """One session back or on, by button or key."""

    def move() -> None:
        st.query_params["day"] = str(target)

    st.button(
        f"{word} {target}",
        key=f"data_turn_{key}",
        on_click=move,
        shortcut=key,
        icon=f":material/{icon}:",
        icon_position="right" if after else "left",
    )


def _cutoff(found: Known, listing: Listing, when: Calendar) -> None:
    session = found.session
    name = f"{found.ticker} · {text.clean(listing.name, longest=80)}" if listing.name else found.ticker
    text.plain(f"{name} · {listing.exchange} · {listing.currency}")
    st.caption(
        f"✓ Knowledge ends at the close of {session.day:%a} {session.day}, {_local(session.close_at, when)} "
        f"({session.close_at:%H:%M} UTC). A decision made then trades at the open of {found.next_session}."
    )


def _local(moment: datetime, when: Calendar) -> str:
    return f"{moment.astimezone(ZoneInfo(when.zone)):%H:%M} {when.zone.rsplit('/', 1)[-1].replace('_', ' ')}"


def _price(found: Known, listing: Listing) -> None:
    bar, price = found.bar, found.price
    if bar is None:
        text.plain("No price for this session: the ticker did not trade, or the source has a gap.")
        return
    tiles = [
        ("Close", format.number(bar.close), f"In {listing.currency}, as traded on the day, never adjusted for what came later."),
        ("Open", format.number(bar.open), "As traded."),
        ("High", format.number(bar.high), "As traded."),
        ("Low", format.number(bar.low), "As traded."),
        ("Volume", format.money(bar.volume), "Shares."),
        ("1 session", format.percent(price.return_1, sign=True), "Close to close, adjusted for splits that had happened."),
        ("20 sessions", format.percent(price.return_20, sign=True), "Close to close, adjusted for splits that had happened."),
        ("RSI 14", format.number(price.rsi_14, digits=0), "Wilder's relative strength index, 0 to 100."),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, help_ in tiles:
            st.metric(label, value, help=help_, width="content")
    if found.dividend:
        text.plain(f"Ex dividend today: {found.dividend:g} {listing.currency} per share.")
    if found.split != 1:
        text.plain(f"Split today: {found.split:g} new shares for each old one.")


def _news(found: Known, when: Calendar) -> None:
    st.markdown(f"**News since the last close** · {len(found.news)}")
    if "news" in found.unsourced:
        text.plain(UNSOURCED["news"])
    elif not found.news:
        text.plain("No news: the source looked, and nothing became readable since the last close.")
    if not found.news:
        return
    more = len(found.news) > FIRST_NEWS and st.toggle(f"Show all {len(found.news)}", key="_data_all_news")
    with st.container(border=True, gap="small"):
        for item in found.news if more else found.news[-FIRST_NEWS:]:
            _item(item, when)


def _item(item: News, when: Calendar) -> None:
    times = (
        f"published {item.published_at:%Y-%m-%d %H:%M}, readable {item.available_at:%Y-%m-%d %H:%M} UTC ({_local(item.available_at, when)})"
    )
    with st.container(gap="xxsmall"):
        st.caption(f"{text.label(item.publisher or 'unknown publisher', longest=60)} · {times}")
        same = item.summary.strip() == item.title.strip()
        text.plain(item.title if same or not item.summary.strip() else f"{item.title}\n{item.summary}", longest=1500)


def _filings(found: Known) -> None:
    st.markdown(f"**Filings since the last close** · {len(found.filings)}")
    if "filings" in found.unsourced:
        text.plain(UNSOURCED["filings"])
    elif not found.filings:
        text.plain("No filing: the source looked, and none became readable since the last close.")
    for number, item in enumerate(found.filings):
        _section(number, item)


def _section(number: int, item: Filing) -> None:
    period = f", period to {item.period_end}" if item.period_end else ""
    name = text.label(f"{item.form} · {item.section.replace('_', ' ')}{period} · {len(item.text):,} characters", longest=140)
    part = st.expander(name, key=f"_data_section_{number}", on_change="rerun")
    if part.open:
        with part:
            st.caption(f"Accepted {item.accepted_at:%Y-%m-%d %H:%M}, readable {item.available_at:%Y-%m-%d %H:%M} UTC")
            text.block(item.text, height=360)


def _figures(found: Known) -> None:
    if not found.figures:
        return
    st.markdown(f"**Figures from filings** · {len(found.figures)}")
    st.caption("The newest that could be read at this close, each with the report it comes from.")
    frame = pd.DataFrame([_figure(item) for item in found.figures])
    st.dataframe(frame, hide_index=True, key="data_figures", alt="Fundamental figures as of the day", height=tall(len(frame)))


def _figure(item: Figure) -> dict[str, object]:
    value = (
        format.percent(item.value)
        if item.name.endswith(FRACTIONS)
        else format.number(item.value, digits=0 if abs(item.value) >= 1e5 else 2)
    )
    return {
        "figure": text.clean(item.name.replace("_", " "), longest=60),
        "value": f"{value} {text.clean(item.unit, longest=12)}".strip(),
        "period to": format.day(item.period_end),
        "form": text.clean(item.form, longest=12),
        "filed": format.day(item.filed),
        "readable (UTC)": f"{item.available_at:%Y-%m-%d %H:%M}",
    }


def _iso(value: str) -> bool:
    try:
        return len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False

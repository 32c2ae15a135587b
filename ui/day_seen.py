"""The first step of a day: everything the agent could know at the close, and proof that nothing in it was newer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from agent.decision.prompt import figure_value
from agent.records import DayRecord, Figure, Filing, News, Observation, PriceState
from ui import day_links, day_reasons, format, pickers, text
from ui.links import link

FIRST_NEWS = 8


@dataclass(frozen=True)
class _Ways:
    """What can be said beside an item: its label in the prompt, whether the decision rests on it, the memory made of it, its thread."""

    record: DayRecord
    run: str
    labels: Mapping[str, str]
    cited: set[str]
    memories: Mapping[str, int]

    def beside(self, item: str) -> None:
        label = self.labels.get(item)
        if label in self.cited:
            st.badge("★ cited", color="green", help="A reason of the decision rests on it.")
        if label:
            st.badge(label, color="gray", help="Its label in the prompt.")
        if (number := self.memories.get(item)) is not None:
            link("memory", f"Memory {number}", run=self.run, ticker=self.record.ticker, day=self.record.day, mem=number)
        day_links.thread(self.run, self.record.ticker, src=item)


def _ways(record: DayRecord, run: str) -> _Ways:
    made: dict[str, int] = {}
    for event in record.thought.memory_events:
        sources = (event.memory.document_id, *event.memory.sources) if event.memory else (event.source,)
        for source in sources if event.kind in ("remembered", "merged") else ():
            made.setdefault(source, event.memory_id)
    return _Ways(record, run, day_reasons.labels(record.observation), day_reasons.cited_labels(record), made)


def observed(record: DayRecord, *, run: str) -> None:
    """Prices, indicators, position, character, fundamentals, news and filings of the day; each text with the way to its memory."""
    seen, ways = record.observation, _ways(record, run)
    if named := [words for label, words in day_reasons.FACTS.items() if label in ways.cited]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("★ cited", color="green", help="A reason of the decision rests on it.")
            st.caption(", ".join(named), width="content")
    _prices(seen)
    _position(record)
    _watermark(seen)
    _fundamentals(seen.fundamentals)
    _news(seen.news, ways, unsourced="news" in seen.unsourced)
    _filings(seen.filings, ways, unsourced="filings" in seen.unsourced)


def _prices(seen: Observation) -> None:
    price, bar = seen.price, seen.bar
    if bar is None:
        text.plain("No price for this session: the ticker did not trade, or the source has a gap. So no decision was asked for.")
        return
    tiles = [
        ("Close", format.number(bar.close), f"Open {bar.open:,.2f}, high {bar.high:,.2f}, low {bar.low:,.2f}, as traded on the day."),
        ("1 session", format.percent(price.return_1, sign=True), "Close to close."),
        ("5 sessions", format.percent(price.return_5, sign=True), "Close to close."),
        ("20 sessions", format.percent(price.return_20, sign=True), "Close to close."),
        ("Daily volatility", format.percent(price.volatility_20), "Standard deviation of the last 20 daily returns, not annualised."),
        ("RSI 14", format.number(price.rsi_14, digits=0), "Wilder's relative strength index, 0 to 100."),
        ("Volume", f"{format.number(price.volume_ratio_20, digits=1)} x", "Against the mean of the 20 sessions before."),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, help_ in tiles:
            st.metric(label, value, help=help_, width="content")
    _indicators(price)
    if seen.dividend:
        text.plain(f"Ex dividend today: {seen.dividend:g} per share, paid as cash.")
    if seen.split != 1:
        text.plain(f"Split today: {seen.split:g} new shares for each old one.")


def _indicators(price: PriceState) -> None:
    """The slower indicators in one line; those without enough history are left out, as they are in the prompt."""
    parts = [
        ("60 sessions", format.percent(price.momentum_60, sign=True), price.momentum_60),
        ("against its 20-session average", format.percent(price.sma_20_gap, sign=True), price.sma_20_gap),
        ("against EMA 20", format.percent(price.ema_20_gap, sign=True), price.ema_20_gap),
        ("MACD 12/26", format.percent(price.macd_12_26, digits=2, sign=True), price.macd_12_26),
        ("its signal 9", format.percent(price.macd_signal_9, digits=2, sign=True), price.macd_signal_9),
        ("ATR 14", format.percent(price.atr_14), price.atr_14),
        ("Bollinger %b", format.number(price.bollinger_20), price.bollinger_20),
    ]
    shown = [f"{name} {value}" for name, value, raw in parts if raw is not None]
    if shown:
        text.plain("Indicators: " + ", ".join(shown) + ". MACD and ATR as a share of the price.")


def _fundamentals(figures: tuple[Figure, ...]) -> None:
    """Growth, margins and valuation, each with the report it was read from."""
    if not figures:
        return
    st.markdown("**Fundamentals as of this close**")
    rows = [
        {
            "figure": text.clean(figure.name.removesuffix("_ttm").replace("_", " "), longest=60)
            + (", 12 months" if figure.name.endswith("_ttm") else ""),
            "value": text.clean(figure_value(figure), longest=60),
            "period end": format.day(figure.period_end),
            "form": text.clean(figure.form, longest=20) or format.UNKNOWN,
            "filed": format.day(figure.filed),
            "readable": f"{figure.available_at:%Y-%m-%d %H:%M}",
        }
        for figure in figures
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="_fundamentals",
        height=min(390, 38 + 35 * len(rows)),
        alt="Fundamental figures with their period, form and filing date",
        column_config={
            "value": st.column_config.TextColumn("value", alignment="right"),
            "readable": st.column_config.TextColumn("readable (UTC)", help="When the newest report behind the figure was accepted."),
        },
    )


def _position(record: DayRecord) -> None:
    seen, held = record.observation, record.observation.portfolio
    parts = [
        f"holds {format.percent(seen.weight)} of equity ({format.shares(held.shares)} shares)" if held.shares else "holds nothing",
        f"cash {format.money(held.cash)}",
        f"equity {format.money(seen.equity)}",
    ]
    if held.shares and seen.bar and held.average_cost > 0:
        parts.append(
            f"bought at {format.number(held.average_cost)} on average, now {format.percent(seen.bar.close / held.average_cost - 1, sign=True)}"
        )
    character = record.thought.decision.character if record.thought.decision else ""
    text.plain("Position: " + ", ".join(parts) + (f". Character today: {character.replace('_', ' ')}." if character else "."))


def _watermark(seen: Observation) -> None:
    newest = f"newest text of the day became readable {seen.watermark:%Y-%m-%d %H:%M} UTC" if seen.watermark else "no new text today"
    st.caption(f"✓ Knowledge ends at the close, {seen.cutoff:%Y-%m-%d %H:%M} UTC; {newest}.")


def _news(items: tuple[News, ...], ways: _Ways, *, unsourced: bool) -> None:
    if unsourced:
        text.plain(
            "No source of news covers the whole time since the last close: "
            + ("there may be more than is listed here." if items else "that none is listed does not mean that nothing was written.")
        )
    elif not items:
        text.plain("No news: a source covers the time since the last close and has none.")
    if not items:
        return
    st.markdown(f"**News since the last close** · {len(items)}")
    more = len(items) > FIRST_NEWS and st.toggle(f"Show all {len(items)}", key="_all_news")
    with st.container(border=True, gap="small"):
        for item in items if more else [item for item in items if item in items[-FIRST_NEWS:] or ways.labels.get(item.id) in ways.cited]:
            times = f"published {item.published_at:%Y-%m-%d %H:%M}, readable {item.available_at:%Y-%m-%d %H:%M} UTC"
            with st.container(gap="xxsmall"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.caption(text.label(f"{item.publisher or 'unknown publisher'} · {times}", longest=200), width="content")
                    ways.beside(item.id)
                same = item.summary.strip() == item.title.strip()
                text.plain(item.title if same or not item.summary.strip() else f"{item.title}\n{item.summary}", longest=1500)


def _filings(items: tuple[Filing, ...], ways: _Ways, *, unsourced: bool) -> None:
    if unsourced:
        text.plain("No source of filings covers the whole time since the last close: a report may exist that is not listed.")
    if not items:
        return
    st.markdown(f"**Filings since the last close** · {len(items)}")
    names = [
        f"{n}. {item.form} {item.section.replace('_', ' ')} ({item.period_end or 'period unknown'})" for n, item in enumerate(items, 1)
    ]
    ids = [item.id for item in items]
    asked = pickers.read("filing")
    st.session_state["_filing"] = names[ids.index(asked)] if asked in ids else None

    def changed() -> None:
        now = st.session_state["_filing"]
        st.query_params.pop("filing", None)
        if now in names:
            st.query_params["filing"] = ids[names.index(now)]

    st.selectbox("Read a section", names, key="_filing", on_change=changed, placeholder="Choose a section to read it as it was filed")
    if asked in ids:
        item = items[ids.index(asked)]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            times = f"Accepted {item.accepted_at:%Y-%m-%d %H:%M} UTC, readable {item.available_at:%Y-%m-%d %H:%M} UTC"
            st.caption(f"{times}, {len(item.text):,} characters", width="content")
            ways.beside(item.id)
        text.block(item.text, height=360)

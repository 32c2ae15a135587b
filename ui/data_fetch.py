"""Fetch and keep: ask the source again with progress, say for each ticker what came of it, and keep the rows under a name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd
import streamlit as st

from agent.errors import RecollectError, SpecError
from services import market_data
from services.market_data import Step
from ui import data_market, text
from ui.data_market import Asked
from ui.data_said import TABLE_WORDS, Places, age, issues, problem, tall
from ui.links import link


def fetch(asked: Asked) -> None:
    """The button, the progress, the list of tickers, and the offer to keep what there is."""
    st.subheader("Fetch", anchor=False)
    if asked.network or any(_network(part.source) for part in asked.choice.parts.values()):
        text.plain(
            f"Asks {asked.word} for every table of {_few(asked.tickers)}, {asked.start} to {asked.end}, with the time before it that indicators and growth need. "
            "What the cache holds is kept: a ticker "
            "that cannot be fetched keeps its rows with their age, and the others go on."
        )
    else:
        text.plain(f"{asked.word} is read from this machine, so there is nothing to wait for: this reads and counts every table once more.")
    if st.button("Fetch now", key="data_fetch", type="primary", icon=":material/refresh:"):
        _run(asked)
    done: list[Step] = st.session_state.get("_data_fetched", {}).get(_mark(asked), [])
    if done:
        _outcome(asked, done)
    _keep(asked, {step.ticker for step in done if not step.ok})


def _network(source: str) -> bool:
    from agent.market.sources import SOURCES

    return source != "none" and bool(SOURCES.load(source).network)


def _few(tickers: Sequence[str]) -> str:
    return ", ".join(tickers[:6]) + (f" and {len(tickers) - 6} more" if len(tickers) > 6 else "")


def _mark(asked: Asked) -> str:
    return f"{asked.key}|{asked.tickers}|{asked.start}|{asked.end}"


def _run(asked: Asked) -> None:
    """One step at a time; each is written down at once, so that leaving the page loses nothing that was fetched."""
    steps: list[Step] = []
    st.session_state["_data_fetched"] = {_mark(asked): steps}
    bar = st.progress(0.0, text="Asking the source …")
    try:
        for step in market_data.refresh(asked.choice, asked.tickers, asked.start, asked.end):
            steps.append(step)
            what = f"{text.label(step.ticker)}: {TABLE_WORDS.get(step.table, step.table)}"
            bar.progress(
                step.done / step.total, text=f"{step.done} of {step.total} · {what} · {f'{step.rows:,} rows' if step.ok else 'failed'}"
            )
    except RecollectError as error:
        problem(error)
    data_market.look_again()
    data_market.confirm(asked)
    bar.empty()


def _outcome(asked: Asked, steps: Sequence[Step]) -> None:
    """Ticker -> state, bad ones first with their sentence, then all in a table."""
    by_ticker = {ticker: [step for step in steps if step.ticker == ticker] for ticker in dict.fromkeys(step.ticker for step in steps)}
    bad = {ticker: [step for step in found if not step.ok] for ticker, found in by_ticker.items() if any(not step.ok for step in found)}
    left = [ticker for ticker in asked.tickers if ticker not in by_ticker]
    with st.container(horizontal=True, gap="small"):
        st.badge(f"✓ {len(by_ticker) - len(bad)} fetched", color="green")
        if bad:
            st.badge(f"✗ {len(bad)} with trouble", color="red")
        if left:
            st.badge(f"◷ {len(left)} not reached", color="gray")
    kept = market_data.held() if bad else pd.DataFrame()
    for ticker, failed in bad.items():
        _trouble(ticker, failed, kept)
    st.dataframe(_table(by_ticker), hide_index=True, key="data_outcome", alt="What was fetched per ticker", height=tall(len(by_ticker)))
    found = [issue for step in steps for issue in step.issues]
    if found:
        with st.expander(f"What is odd about the rows ({len(found)})", key="data_fetch_issues", on_change="rerun") as part:
            pass
        if part.open:
            with part:
                issues(list(dict.fromkeys(found)), key="data_fetched")


def _trouble(ticker: str, failed: Sequence[Step], kept: pd.DataFrame) -> None:
    """Each sentence once, with the tables it stopped, and what the cache still holds of them."""
    with st.container(border=True, gap="xsmall"):
        for sentence in dict.fromkeys(step.problem for step in failed):
            stopped = [TABLE_WORDS.get(step.table, step.table) for step in failed if step.problem == sentence]
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(f"✗ {text.label(ticker)}", color="red")
                st.caption(", ".join(stopped), width="content")
            text.plain(sentence, longest=1200)
        mine = kept[kept["symbol"] == ticker] if len(kept) else kept
        for row in mine.to_dict("records"):
            if row["table"] in {step.table for step in failed}:
                rows, word = int(row["rows"]), TABLE_WORDS.get(row["table"], row["table"])
                st.caption(
                    f"The cache still holds {rows:,} {text.label(word)}, fetched {age(_moment(row['fetched_at']))}; they stay in use."
                )


def _moment(value: object) -> object:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) and not pd.isna(value) else None


def _table(by_ticker: dict[str, list[Step]]) -> pd.DataFrame:
    """One row per ticker: a word for its state, rows per table, first and last day with a price."""
    rows = []
    for ticker, steps in by_ticker.items():
        bars = next((step for step in steps if step.table == "bars"), None)
        state = "✓ fetched" if all(step.ok for step in steps) else "✗ failed" if not any(step.ok for step in steps) else "! in part"
        counts = {TABLE_WORDS.get(step.table, step.table): (step.rows if step.ok else None) for step in steps}
        first, last = (str(bars.first), str(bars.last)) if bars and bars.first else ("–", "–")
        rows.append({"ticker": ticker, "state": state, **counts, "first price": first, "last price": last})
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------------------------- under a name


def _keep(asked: Asked, bad: Collection[str]) -> None:
    """Save as dataset, without the tickers that could not be fetched: a run on it repeats whatever the source says tomorrow."""
    st.subheader("Keep under a name", anchor=False)
    good = [ticker for ticker in asked.tickers if ticker not in bad]
    text.plain(
        f"Writes what {asked.word} serves for {_few(good) or 'no ticker'}, {asked.start} to {asked.end}, into a dataset of yours. A run on a "
        "dataset can be repeated, whatever the source says tomorrow."
    )
    if bad:
        text.plain(f"Left out, because they could not be fetched: {_few([ticker for ticker in asked.tickers if ticker in bad])}.")
    places = Places()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the dataset", key="data_keep_name", placeholder="djia-2025", persist_state="session", width=320)
        again = st.toggle("Replace one of that name", key="data_keep_replace")
        pressed = st.button("Save as dataset", key="data_keep", icon=":material/save:", disabled=not good)
    places.here("name", "dataset", "tickers", "start", "end")
    if not pressed:
        _kept()
        return
    try:
        if not name.strip():
            raise SpecError("Give the dataset a name, such as djia-2025.", field="name")
        with st.spinner("Saving …"):
            made = market_data.save(asked.choice, good, asked.start, asked.end, name.strip(), replace=again)
    except RecollectError as error:
        places.say(error)
        return
    st.session_state["_data_kept"] = made.name
    data_market.look_again()
    _kept()


def _kept() -> None:
    """The dataset made last, and what can be done with it."""
    if name := st.session_state.get("_data_kept"):
        saved(name)


def saved(name: str) -> None:
    """A dataset is there: look at it, or run on it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        st.badge("✓ saved", color="green")
        text.plain(name, width="content")
        link("data", "Look at it", icon="→", source=f"upload:{name}", tab="look")
        link("new_run", "New run with it", icon="→", source="upload", dataset=name)

"""Sources and their health: what each one has, whether it can be used now, what to type if not; and what the cache holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from services import exports, market_data
from services.market_data import SourceState
from ui import data_market, page, text
from ui.data_said import TABLE_WORDS, age, size, tall

ALL = "every ticker"


def health() -> None:
    """One box per source."""
    st.subheader("Sources", anchor=False)
    asked: dict[str, SourceState] = st.session_state.setdefault("_data_probed", {})
    found = market_data.states()
    if st.button("Ask all now", key="data_probe_all", icon=":material/network_ping:", help="One light question to each network source."):
        with st.spinner("Asking …"):
            asked |= {state.name: market_data.probe(state.name) for state in found if state.network}
    for state in found:
        _source(state, asked)


def _source(state: SourceState, asked: dict[str, SourceState]) -> None:
    """Name, tables, whether it can be used, the cure; network sources can be asked."""
    with st.container(border=True, gap="xsmall"):
        top = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with top:
            st.markdown(f"**{text.label(state.name)}**", width="content")
            spot = st.empty()
            for table in state.provides:
                st.badge(TABLE_WORDS.get(table, table), color="gray")
            if (
                state.network
                and state.ok is not False
                and st.button("Ask now", key=f"data_probe_{state.name}", type="tertiary", icon=":material/network_ping:")
            ):
                with st.spinner("Asking …"):
                    asked[state.name] = market_data.probe(state.name)
        answer = asked.get(state.name)
        shown = answer if answer is not None and state.ok is not False else state  # a pause or a missing key is newer than any answer
        word, colour, icon = {True: ("usable", "green", "✓"), False: ("cannot be used", "red", "✗")}.get(
            shown.ok, ("not asked yet", "gray", "◷")
        )  # type: ignore[arg-type]
        if shown.paused_until:
            word, colour, icon = "paused", "orange", "‖"
        spot.badge(f"{icon} {word}", color=colour)
        about = data_market.WORDS.get(state.name, "").partition(" · ")[2]
        text.plain(
            ". ".join(part for part in (about[:1].upper() + about[1:], shown.message if shown.ok is not None else "") if part), longest=1200
        )
        if shown.paused_until:
            left = max(0.0, (shown.paused_until - datetime.now(UTC)).total_seconds())
            st.caption(
                f"It is asked again from {shown.paused_until:%Y-%m-%d %H:%M} UTC, in {-(-int(left) // 60)} min; the cache stays usable until then."
            )
        if shown.cure:
            st.caption(
                "For the file .env beside app.py, or the environment; then start the app again:"
                if "RECOLLECT_" in shown.cure
                else "What to do:"
            )
            text.block("\n".join(part.strip() for part in shown.cure.split("  ") if part.strip()))


# ------------------------------------------------------------------------------------------------------------------- the cache


def cache() -> None:
    """What network sources have delivered so far, and a way to forget it."""
    st.subheader("What the cache holds", anchor=False)
    held = market_data.held()
    if held.empty:
        page.empty(
            "Nothing is cached yet",
            "Rows of network sources are kept on disk as they arrive, so that they are asked once. Look at a ticker of Yahoo, or fetch one.",
            ("data", "Look at a network source"),
            source="yahoo",
            tab="look",
        )
        return
    shown = _shown(held)
    st.caption(
        f"{len(held):,} files, {size(float(held['bytes'].sum()))}. Deleting costs nothing but asking again; Yahoo's news cannot be had again."
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="data_cache",
        alt="Files in the cache",
        height=tall(len(shown), 14),
        column_config={"rows": st.column_config.NumberColumn("rows", format="localized")},
    )
    st.download_button(
        "Download this list",
        data=lambda: held.map(exports.cell).to_csv(index=False).encode("utf-8", "replace"),
        file_name="recollect-cache.csv",
        mime="text/csv",
        on_click="ignore",
        key="data_cache_csv",
    )
    _forget(held)


def _shown(held: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": [text.clean(value, longest=40) for value in held["source"]],
            "table": [TABLE_WORDS.get(value, value) for value in held["table"]],
            "ticker": [text.clean(value, longest=40) for value in held["symbol"]],
            "rows": held["rows"],
            "first": [_day(value) for value in held["first"]],
            "last": [_day(value) for value in held["last"]],
            "fetched": [
                age(value.to_pydatetime()) if isinstance(value, pd.Timestamp) and not pd.isna(value) else "–"
                for value in held["fetched_at"]
            ],
            "size": [size(float(value)) for value in held["bytes"]],
        }
    )


def _day(value: object) -> str:
    return "–" if value is None or pd.isna(value) else str(value)[:10]  # type: ignore[call-overload]


def _forget(held: pd.DataFrame) -> None:
    """Choose what to forget; the box names what would be lost before anything is."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox("Forget", sorted(held["source"].unique()), key="data_forget_source", width=200)
        mine = held[held["source"] == source]
        ticker = st.selectbox(
            "of",
            [ALL, *sorted(mine["symbol"].unique())],
            key="data_forget_ticker",
            width=200,
            format_func=lambda item: text.clean(item, longest=40),
        )
        if st.button("Forget…", key="data_forget", icon=":material/delete:"):
            st.session_state["_data_forgetting"] = (source, ticker)
    if st.session_state.get("_data_forgetting") != (source, ticker):
        return
    lost = mine if ticker == ALL else mine[mine["symbol"] == ticker]
    with st.container(border=True):
        st.badge("Forget for ever?", color="red", icon="⚠")
        text.plain(
            f"{len(lost):,} files of {source} ({ticker}) with {int(lost['rows'].sum()):,} rows, {size(float(lost['bytes'].sum()))}, will be deleted."
        )
        if "news" in set(lost["table"]):
            text.plain("News are among them: Yahoo only shows the newest, so older ones cannot be fetched again.")
        with st.container(horizontal=True):
            if st.button("Yes, forget", key="data_forget_yes", type="primary"):
                st.session_state.pop("_data_forgetting")
                market_data.forget(source, None if ticker == ALL else ticker)
                data_market.look_again()
                st.rerun()
            if st.button("Keep it", key="data_forget_no"):
                st.session_state.pop("_data_forgetting")
                st.rerun()

"""What is compared and how it is chosen: ``cmp=`` in the URL (run ids; ``g:`` before one means its seed group), ``base=``, ``ticker=``.

A sidebar click empties the URL, so the last comparison of this browser tab is remembered and written back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from services import compare
from services.compare import Comparison, Offer, Usable
from services.queries import TOTAL
from ui import page, text, url_state
from ui.links import link

LONGEST_NAME = 34  # characters on a button of the baseline


@st.cache_resource(max_entries=8, show_spinner="Putting the runs beside each other")  # shared, not copied; nobody changes it
def _loaded(items: tuple[str, ...], ticker: str, stamp: tuple[Any, ...]) -> Comparison:
    return compare.load(items, ticker=ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _usable(asked: tuple[str, ...], stamp: tuple[Any, ...]) -> Usable:
    return compare.usable(asked)


def asked() -> list[str]:
    """The items in the URL, else those last compared in this tab, which are then written into the URL."""
    found = compare.items(text.clean(st.query_params.get("cmp", ""), longest=1000))
    if not found:
        found = st.session_state.get("_compared", [])
    _write(found)
    return list(found)


def _write(items: Sequence[str]) -> None:
    st.session_state["_compared"] = list(items)
    if not items:
        st.query_params.pop("cmp", None)
    elif st.query_params.get("cmp") != ",".join(items):
        st.query_params["cmp"] = ",".join(items)


def chosen() -> tuple[Comparison, str]:
    """The comparison in the URL and its baseline's item, with the widgets to change both; the page ends here without two runs."""
    items = asked()
    stamp = compare.stamp(items)
    found = _usable(tuple(items), stamp)
    for note in found.notes:
        st.warning(text.label(note, longest=300), icon="🔎")
    if len(found.items) < compare.LEAST:
        _too_few(found.items)
        st.stop()
    offered = compare.offered(found.items)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ticker = _ticker(offered)
        comparison = _loaded(found.items, ticker, (stamp, ticker))
        base = _baseline(comparison)
        _change(list(found.items))
    return comparison, base


def _ticker(offered: Sequence[str]) -> str:
    """All tickers together, or one that all traded; no choice where there is one."""
    said = text.clean(st.query_params.get("ticker", ""), longest=40)
    if said and said not in offered:
        st.warning(f"Not all of these traded “{text.label(said)}”. Showing {_name(offered[0])}.", icon="🔎")
    if len(offered) == 1:
        return offered[0]
    return url_state.choice("ticker", list(offered), label="Whose money", shown={name: _name(name) for name in offered})


def _name(ticker: str) -> str:
    return "all tickers" if ticker == TOTAL else text.label(ticker)


def _baseline(found: Comparison) -> str:
    names = {side.item: f"{side.number} {text.clean(side.label, longest=LONGEST_NAME)}" for side in found.runs}
    return url_state.choice("base", list(names), label="Baseline", shown=names)


def pair(found: Comparison, base: str) -> str:
    """The other side, where one pair is looked at: ``pair=`` in the URL."""
    names = {side.item: f"{side.number} {text.clean(side.label, longest=LONGEST_NAME)}" for side in found.runs if side.item != base}
    if len(names) == 1:
        return next(iter(names))
    return url_state.choice("pair", list(names), label=f"Against the baseline {found.side(base).number}", shown=names)


# -------------------------------------------------------------------------------------------------------------- which to compare


def _too_few(items: Sequence[str]) -> None:
    """Nothing or one run chosen: what to do, the picker, and comparisons that exist."""
    offers = compare.offers()
    if len(offers) < compare.LEAST:
        page.empty(
            "A comparison needs two runs" if offers else "There is no run to compare yet",
            "Make another run on the same tickers and days with one thing changed: the model, the character, the memory, or only the seed. "
            "Then tick both in the library.",
            ("new_run", "New run"),
            **({"from": offers[0].items[0]} if offers else {}),
        )
        return
    if items:
        told = next((offer.label for offer in offers if offer.items == tuple(items)), items[0])
        page.empty("One run is chosen; a comparison needs two", f"So far: {told}. Add another below, or take one of the suggestions.")
    else:
        page.empty(
            "Which runs?", "Put 2 to 8 runs side by side: choose them here, or tick them in the library. A seed group counts as one."
        )
    picker(items, offers)
    for offer in compare.suggestions(items[0].removeprefix(compare.GROUP) if items else ""):
        link("compare", f"Compare {offer.label}", icon="→", cmp=",".join(offer.items))


def picker(items: Sequence[str], offers: Sequence[Offer]) -> None:
    """Choose 2 to 8; the URL follows."""
    names = {offer.items[0]: offer.label for offer in offers}
    st.session_state["_compare_pick"] = [item for item in items if item in names]

    def picked() -> None:
        _write(st.session_state["_compare_pick"])

    st.multiselect(
        "Runs and seed groups",
        list(names),
        key="_compare_pick",
        max_selections=compare.MOST,
        format_func=lambda item: text.clean(names.get(item, item), longest=100),
        on_change=picked,
        placeholder="Choose 2 to 8",
    )


def _change(items: list[str]) -> None:
    box = st.popover("Change", icon=":material/edit:", key="_compare_change", on_change="rerun", help="Add or take away runs.")
    if not box.open:
        return
    with box:
        offers = compare.offers()
        known = {offer.items[0] for offer in offers}
        missing = [Offer((item,), item) for item in items if item not in known]  # a group asked for by another of its runs
        picker(items, [*offers, *missing])

"""Import: what a person brings becomes a dataset. A table through its mapping; a FinMem file, a FINSABER folder or a folder of tables whole."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from agent.errors import NoData, RecollectError, SpecError
from agent.market.sources import SOURCES
from agent.market.sources.base import Listing
from services import market_data
from services.market_data import Choice
from ui import data_market, data_upload, format, forms, text
from ui.data_fetch import saved
from ui.data_said import Places

KINDS = {
    "file": "CSV or Parquet file",
    "finmem": "FinMem env_data.pkl",
    "finsaber": "FINSABER folder",
    "folder": "Folder of tables",
}
LEADS = {
    "file": "One table from one file: prices, news, filings, splits, dividends or figures. Nothing in the file is run, and nothing is guessed "
    "about time zones. Import several files into one dataset to give it several tables.",
    "finmem": "FinMem's own data. The file is read without unpickling it, so nothing in it can run.",
    "finsaber": "The folder as FINSABER publishes it, with price_daily/year=YYYY and, where there are any, news_items, filingk and filingq.",
    "folder": "A folder on this machine with prices, news, filings, splits and dividends as .parquet or .csv, such as an exported dataset.",
}
MOST_AT_ONCE = 50  # tickers that are imported without being asked for
PICKLE_MB = 200


def imports() -> None:
    """Choose what it is, then say what has to be known about it."""
    if name := st.session_state.pop("_data_imported", ""):
        st.session_state["_data_import_done"] = name
    if done := st.session_state.get("_data_import_done"):
        saved(done)
    kind = st.segmented_control(
        "What do you bring?",
        list(KINDS),
        key="data_import_kind",
        required=True,
        default="file",
        wrap=True,
        format_func=KINDS.__getitem__,
        persist_state="session",
    )
    text.plain(LEADS[kind])
    if kind == "file":
        data_upload.file()
    else:
        _whole(kind)


# -------------------------------------------------------------------------------------------------------------- things imported whole


def _whole(kind: str) -> None:
    """Something a source can read as it is: where it lies, what it holds, the name, the button."""
    places = Places()
    with st.container(border=True):
        brought = None
        if kind == "finmem":
            brought = st.file_uploader(
                "The file", type=["pkl", "pickle"], key="data_pickle", max_upload_size=PICKLE_MB, help="Or type its path below."
            )
        path = st.text_input(
            "Or its path on this machine" if kind == "finmem" else "Path on this machine",
            key=f"data_path.{kind}",
            placeholder="/data/env_data.pkl" if kind == "finmem" else "/data/finsaber" if kind == "finsaber" else "/data/my-market",
            persist_state="session",
        ).strip()
        places.here("path", "source_options.path", "file")
        options = _options(kind)
    if options is None or not (brought or path):
        return
    with _place(brought, path) as where:
        seen = _seen(places, kind, options, where, brought)
        if seen is None:
            return
        asked = _asked(places, kind, seen)
        if asked is None:
            return
        name, again, tickers = asked
        try:
            if not name:
                raise SpecError("Give the dataset a name.", field="name")
            with st.spinner(f"Importing {len(tickers) or len(seen)} tickers …"):
                made = market_data.add_folder(name, kind, where, tickers=tickers, replace=again, options=options)
        except RecollectError as error:
            places.say(error)
            return
    data_market.look_again()
    st.session_state["_data_imported"] = made.name
    st.rerun()


def _options(kind: str) -> dict[str, Any] | None:
    """What the source can be told beside the path."""
    plug: Any = SOURCES.load(kind)
    if set(plug.Options.model_fields) <= {"path"}:
        return {}
    made = forms.options(plug.Options, f"data_whole.{kind}", values={"path": "as above"}, exclude=["path"])
    return None if made is None else made.model_dump(mode="json", exclude={"path"}, exclude_defaults=True)


@contextmanager
def _place(brought: Any, path: str) -> Iterator[Path]:
    """Where the data lies: an uploaded file in a folder that only we can read and that is gone afterwards, else the path."""
    if brought is None:
        yield Path(path).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="recollect-") as private:
        where = Path(private) / "env_data.pkl"  # a name of ours: the sender's is never written to disk
        where.write_bytes(brought.getvalue())
        yield where


def _seen(places: Places, kind: str, options: dict[str, Any], where: Path, brought: Any) -> tuple[Listing, ...] | None:
    """Every ticker it holds; remembered for an uploaded file, since reading one takes a while."""
    mark = f"{kind}|{options}|{getattr(brought, 'file_id', where)}"
    known: dict[str, Any] = st.session_state.setdefault("_data_whole_seen", {})
    if mark in known and (brought is not None or known[mark][0] == _stamp(where)):
        return known[mark][1]
    try:
        with st.spinner("Reading …"):
            found = tuple(Choice(source=kind, options={**options, "path": str(where)}).open().listings())
        if not found:
            raise NoData("It holds no ticker with a price.", field="path")
    except RecollectError as error:
        places.say(error)
        return None
    known.clear()
    known[mark] = (_stamp(where), found)
    return found


def _stamp(where: Path) -> str:
    """Changes when a folder's direct entries do."""
    try:
        parts = [where, *sorted(where.iterdir())] if where.is_dir() else [where]
        return hashlib.sha1("".join(f"{part}{part.stat().st_mtime_ns}" for part in parts[:500]).encode()).hexdigest()
    except OSError:
        return ""


def _asked(places: Places, kind: str, seen: Sequence[Listing]) -> tuple[str, bool, list[str]] | None:
    """Tickers and name; None until the button is pressed."""
    firsts, lasts = [item.first for item in seen if item.first], [item.last for item in seen if item.last]
    span = f", {format.day(min(firsts))} to {format.day(max(lasts))}" if firsts and lasts else ""
    text.plain(f"It holds {len(seen):,} ticker{'s' * (len(seen) != 1)}{span}.")
    names = {item.ticker: item.name for item in seen}
    with st.container(border=True):
        few = len(seen) <= MOST_AT_ONCE
        tickers = st.multiselect(
            "Tickers",
            list(names),
            default=[] if few else list(names)[:1],
            key=f"data_whole_tickers.{kind}.{len(seen)}.{next(iter(names))}",
            format_func=lambda item: f"{text.label(item)} · {text.label(names[item])}" if names[item] else text.label(item),
            placeholder="All of them" if few else "Choose those you want",
            max_selections=500,
            help=None if few else f"More than {MOST_AT_ONCE} are not imported at once without being named.",
        )
        places.here("tickers")
        name, again = _name(places, kind)
        pressed = st.button("Import", key="data_whole_import", type="primary", icon=":material/input:", disabled=not (few or tickers))
    return (name, again, list(tickers)) if pressed else None


def _name(places: Places, kind: str) -> tuple[str, bool]:
    """The dataset's name, and whether one of that name may be replaced."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name of the dataset", key=f"data_whole_name.{kind}", placeholder=f"my-{kind}", persist_state="session", width=320
        ).strip()
        again = st.toggle("Replace one of that name", key=f"data_whole_replace.{kind}")
    places.here("name", "dataset")
    return name, again

"""Batches on screen: which there are, how one stands, its results run by run and by configuration, and the buttons that steer it.

The chosen batch and the view live in the URL. What polls is a fragment of a few elements; it draws the whole page anew when a run has
ended, and stops when the batch has.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from agent.errors import SpecError
from services import batch_spec, batches, runs
from services.batches import BatchView
from ui import batch_plan, cards, draw, format, page, pickers, run_view, text, theme, url_state

EVERY_S = 2
ROW, HEAD, MOST_ROWS = 35, 38, 16
EXAMPLE = Path(__file__).parents[1] / "docs" / "batch.yaml"
GLYPHS = {**{name: glyph for name, (glyph, _) in theme.STATUS.items()}, batches.WAITING: "·", batches.DELETED: "␡"}
APART = {"model": "Decided by", "tickers": "Tickers", "character": "Character", "preset": "Memory", "prompts": "Prompts"}
MOST_COMPARED = 8
WORDS = {
    "queued": "The batch is about to begin.",
    "paused": "The batch is paused: nothing is at work, and it goes on where it stands.",
    "interrupted": "The batch stopped without a word, perhaps with the machine it was on. Runs that are at work end by themselves; the rest goes on with Resume.",
    "cancelled": "The batch was cancelled: waiting runs were never started; what was recorded stays.",
}


def nothing_yet() -> None:
    """No batch: what one is, and how to ask for one."""
    page.empty(
        "No batch yet",
        "A batch is many runs asked for at once: models, tickers, characters, presets and seeds in all combinations. Choose several of them "
        "under “Several at once” on New run, or write a file like the one below.",
        ("new_run", "Set up a batch on New run"),
    )


def from_file(*, opened: bool) -> None:
    """A batch from YAML: planned before it can be started."""
    box = st.expander("A batch from a file", key="batch_file", expanded=opened, on_change="rerun")
    if not box.open:
        return
    with box:
        st.caption("A base run and lists of what to vary. The same file works on the command line: cli.py batch FILE.yaml")
        typed = st.text_area(
            "Batch as YAML", value=EXAMPLE.read_text(encoding="utf-8"), height=330, key="batch_yaml", persist_state="session"
        )
        if not st.toggle("Plan it", key="batch_planned", help="Looks at data and models; starts nothing."):
            return
        try:
            asked = batch_spec.parse(text.clean(typed or ""))
        except SpecError as error:
            page.banner(error)
            return
        batch_plan.place(asked, key="file")


def listed(found: list[batches.BatchRow]) -> str:
    """The table of batches; the chosen one, which is also in the URL: the newest where none is named."""
    ids = [row.id for row in found]
    asked = pickers.current("batch")
    if asked is not None and asked not in ids:
        st.warning(
            f"There is no batch “{text.label(asked)}” here. It may have been deleted, or the link is from another machine.", icon="🔎"
        )
        asked = None
    chosen = asked or ids[0]
    pickers.write(batch=chosen)
    if len(found) == 1:
        return chosen
    key = f"batches_{len(ids)}_{ids[0]}"

    def ticked() -> None:
        now = st.session_state[key]["selection"]["rows"]
        if now and now[0] < len(ids):
            pickers.write(batch=ids[now[0]])

    frame = pd.DataFrame(
        {
            "Status": [f"{GLYPHS.get(state, '')} {state}" for state in map(batches.state, found)],
            "Name": [text.clean(row.name or f"Batch {row.id}", longest=60) for row in found],
            "Runs": [row.runs for row in found],
            "Created (UTC)": pd.to_datetime([row.created_at for row in found], utc=True),
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=key,
        on_select=ticked,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(chosen)], "columns": [], "cells": []}},
        column_config={"Created (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm")},
        height=HEAD + ROW * min(6, len(found)),
        placeholder=format.UNKNOWN,
        alt="The batches of this library",
    )
    return chosen


def one(batch: str) -> None:
    """A batch: where it stands, what can be done with it, and its results."""
    seen = batches.view(batch)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(seen.name, longest=60), anchor=False, width="content")
            cards.status(seen.state)
            _controls(seen)
        if seen.row.error or seen.state in WORDS:
            text.plain(seen.row.error or WORDS[seen.state])
        busy = seen.state in runs.ACTIVE or bool(seen.counts.get("running"))
        (_following if busy else _standing)(batch, _key(seen))
        if st.session_state.get("_deleting_batch") == batch:
            _confirm(seen)
    _results(seen)
    _as_asked(seen)


def _key(seen: BatchView) -> tuple[str, int]:
    """What must not change while only the fragment is drawn."""
    return seen.state, sum(seen.counts.get(state, 0) for state in batches.OVER)


@st.fragment(run_every=EVERY_S)
def _following(batch: str, key: tuple[str, int]) -> None:
    seen = batches.view(batch)
    if _key(seen) != key:
        st.rerun()
    _progress(seen)


def _standing(batch: str, key: tuple[str, int]) -> None:
    _progress(batches.view(batch))


def _progress(seen: BatchView) -> None:
    told = ", ".join(f"{count} {state}" for state, count in seen.counts.items())
    st.progress(seen.share, text=f"{format.percent(seen.share, digits=0)} of the work · {len(seen.entries)} runs: {told}")
    at_work = [entry for entry in seen.entries if entry.state == "running" and entry.row is not None]
    if at_work:
        text.plain(
            "\n".join(
                f"▶ {batch_spec.says(entry.member.labels)}: day {entry.row.sessions_done} of {entry.row.sessions_total or '?'}"
                for entry in at_work[:8]
            )
        )


# ------------------------------------------------------------------------------------------------------------------ steering


def _controls(seen: BatchView) -> None:
    batch, asked, failed = seen.row.id, seen.row.request, seen.counts.get("failed", 0)
    if seen.state in runs.ACTIVE:
        if st.button(
            "Pause", key="batch_pause", icon=":material/pause:", disabled=bool(asked), help="Runs at work finish the day in hand."
        ):
            _do(batches.pause, batch)
        if st.button("Cancel the batch", key="batch_cancel", icon=":material/stop:", disabled=asked == "cancel"):
            _do(batches.cancel, batch)
        return
    if any(entry.state in (*batches.TO_DO, "running") for entry in seen.entries) or (
        seen.state == "cancelled" and seen.counts.get("cancelled")
    ):
        if st.button(
            "Resume", key="batch_resume", icon=":material/play_arrow:", type="primary", help="Every run that is not over goes on."
        ):
            _do(batches.resume, batch)
        if seen.state in ("paused", "interrupted") and st.button("Cancel the batch", key="batch_cancel", icon=":material/stop:"):
            _do(batches.cancel, batch)
    if failed and st.button(f"Try the {failed} failed again", key="batch_retry", icon=":material/refresh:"):
        _do(batches.retry_failed, batch)
    if st.button("Delete…", key="batch_delete", icon=":material/delete:"):
        st.session_state["_deleting_batch"] = batch


def _do(action, batch: str) -> None:
    with run_view.told():
        action(batch)
    st.rerun()


def _confirm(seen: BatchView) -> None:
    """Nothing is removed before this box, which says what each answer keeps."""
    found = batches.belongings(seen.row.id)
    with st.container(border=True):
        st.badge("Delete the batch?", color="red", icon="⚠")
        text.plain(
            f"The batch is only the list. Its {found['runs']} runs with {found['recorded days']:,} recorded days can stay in the library, "
            "or go with it for ever: prompts, answers, memories, trades, notes."
        )
        with st.container(horizontal=True):
            for key, label, with_runs in (
                ("batch_delete_list", "Delete the list, keep the runs", False),
                ("batch_delete_all", f"Delete it with its {found['runs']} runs", True),
            ):
                if st.button(label, key=key, type="secondary" if with_runs else "primary"):
                    st.session_state.pop("_deleting_batch")
                    with run_view.told():
                        batches.delete(seen.row.id, with_runs=with_runs)
                    pickers.write(batch=None)
                    st.rerun()
            if st.button("Keep it", key="batch_delete_no"):
                st.session_state.pop("_deleting_batch")
                st.rerun()


# ------------------------------------------------------------------------------------------------------------------- results


def _results(seen: BatchView) -> None:
    frame = batches.table(seen)
    same = {name: frame[name].iloc[0] for name in APART if frame[name].nunique() == 1}
    st.subheader("Results", anchor=False)
    by = url_state.choice(
        "by", ("runs", "configurations"), label="Results by", shown={"runs": "run by run", "configurations": "by configuration, over seeds"}
    )
    _by_run(frame, same) if by == "runs" else _by_configuration(batches.groups(frame), same)
    if same:
        text.plain("In all runs: " + ", ".join(f"{APART[name].lower()} {_worded(name, value)}" for name, value in same.items()))


def _by_run(frame: pd.DataFrame, same: dict[str, str]) -> None:
    shown = pd.DataFrame(
        {
            "state": [f"{GLYPHS.get(state, '')} {state}" for state in frame["state"]],
            **_apart(frame, same),
            "seed": frame["seed"],
            **{name: pd.to_numeric(frame[name]) for name in ("return", "excess", "sharpe")},
            "open": [_overview(run, done) for run, done in zip(frame["run"], frame["days"], strict=True)],
            "marks": ["  ".join(map(cards.mark_text, found)) for found in frame["marks"]],
            **{name: pd.to_numeric(frame[name]) for name in ("benchmark", "max_drawdown", "coverage")},
            "days": [f"{done} of {of}" if of else format.UNKNOWN for done, of in zip(frame["days"], frame["of"], strict=True)],
            "error": [text.clean(error, longest=200) for error in frame["error"]],
        }
    )
    if not any(frame["error"]):
        shown = shown.drop(columns="error")
    picked = _ticks(shown, key=f"batch_runs_{len(shown)}", alt="Every run of the batch with its result")
    chosen = frame.iloc[picked]
    st.caption(
        f"{len(frame)} runs. Tick one to open it, two to {MOST_COMPARED} to compare them. Figures of a run that is not done are those of its days so far."
    )
    made = chosen[~chosen["state"].isin((batches.WAITING, batches.DELETED))]
    with st.container(horizontal=True):
        if len(chosen) == 1 and len(made):
            run = str(made["run"].iloc[0])
            page.link("overview", "Open this run", icon="→", run=run)
            page.link("monitor", "Monitor", icon="→", run=run)
        elif len(chosen) == 1:
            text.plain("This run was deleted." if chosen["state"].iloc[0] == batches.DELETED else "This run has not begun.")
        _compare([str(run) for run in chosen[chosen["state"] == "done"]["run"]], ticked=len(chosen))


def _apart(frame: pd.DataFrame, same: dict[str, str]) -> dict[str, list[str]]:
    """What differs between the runs, in words."""
    return {name: [_worded(name, value) for value in frame[name]] for name in APART if name not in same}


def _worded(name: str, value: object) -> str:
    shown = text.clean(value, longest=60)
    return shown.replace("_", " ") if name == "character" else shown


def _overview(run: str, days: int) -> str | None:
    """The address of a run that has something to look at."""
    return f"overview?run={run}{'&red=1' if draw.red_up() else ''}" if days else None


def _by_configuration(frame: pd.DataFrame, same: dict[str, str]) -> None:
    shown = pd.DataFrame(
        {**_apart(frame, same), "seeds": [f"{done} of {of}" for done, of in zip(frame["done"], frame["seeds"], strict=True)]}
    )
    for name, told in (("return", format.percent), ("excess", format.percent), ("sharpe", format.number)):
        shown[name] = pd.to_numeric(frame[name])
        ends = zip(frame[f"{name}_min"], frame[f"{name}_max"], frame["done"], strict=True)
        shown[f"{name} spread"] = [f"{told(low)} … {told(high)}" if done > 1 else format.UNKNOWN for low, high, done in ends]
    picked = _ticks(
        shown, key=f"batch_groups_{len(shown)}", alt="Every configuration of the batch: median, lowest and highest over its seeds"
    )
    single = int((frame["done"] == 1).sum())
    warned = f" {single} of them rest on a single seed: no spread, so no idea of the luck in it." if single else ""
    st.caption(
        f"{len(frame)} configurations; median, lowest and highest over the seeds that are done.{warned} Tick two or more to compare seed groups."
    )
    chosen = frame.iloc[picked]
    _compare([f"g:{found[0]}" for found in chosen["runs"] if len(found)], ticked=len(chosen))


def _ticks(shown: pd.DataFrame, *, key: str, alt: str) -> list[int]:
    event = st.dataframe(
        shown,
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_config(),
        height=HEAD + ROW * min(MOST_ROWS, max(1, len(shown))),
        placeholder=format.UNKNOWN,
        alt=alt,
    )
    return [row for row in event["selection"]["rows"] if row < len(shown)]


def _compare(items: list[str], *, ticked: int) -> None:
    if 2 <= len(items) <= MOST_COMPARED:
        page.link("compare", f"Compare these {len(items)}", icon="→", cmp=",".join(items))
    elif len(items) > MOST_COMPARED:
        text.plain(f"{len(items)} are ticked; at most {MOST_COMPARED} can be compared.")
    elif ticked >= 2:
        text.plain("Only runs that are done can be compared.")


def _config() -> dict:
    column = st.column_config
    help_ = {
        "return": "After costs, over the test window.",
        "excess": "Return minus buy and hold.",
        "sharpe": "Annualised, risk-free rate 0.",
    }
    found = {
        "state": column.TextColumn("State", width=110),
        **{name: column.TextColumn(label, width=130) for name, label in APART.items()},
        "seed": column.NumberColumn("Seed", format="%d", width=55),
        "marks": column.TextColumn("Marks", width=190, help="What to know before believing a figure."),
        "seeds": column.TextColumn("Seeds done", width=80, help="Runs of this configuration that are done; only these count."),
        "benchmark": column.NumberColumn("Buy and hold", format="percent", width=95, help="Same tickers, capital, costs and first fill."),
        "max_drawdown": column.NumberColumn("Drawdown", format="percent", width=84, help="Deepest fall from a peak of equity."),
        "coverage": column.NumberColumn("Coverage", format="percent", width=80, help="Share of test days with a decision."),
        "days": column.TextColumn("Days", width=85, help="Recorded, of all sessions and tickers."),
        "open": column.LinkColumn("Open", display_text="Overview", width=78, help="The run itself."),
        "error": column.TextColumn("What went wrong", width=260),
    }
    for name, label, shape in (("return", "Return", "percent"), ("excess", "Difference", "percent"), ("sharpe", "Sharpe", "%.2f")):
        found[name] = column.NumberColumn(
            label, format=shape, width=84, help=f"{help_[name]} Of a configuration the median over its seeds."
        )
        found[f"{name} spread"] = column.TextColumn("lowest … highest", width=125, help=f"{label} over the seeds that are done.")
    return found


def _as_asked(seen: BatchView) -> None:
    """The batch as a file, to keep, change and start again."""
    box = st.expander("This batch as a file", key=f"asked_{seen.row.id}", on_change="rerun")
    if not box.open:
        return
    with box:
        try:
            text.block(batch_spec.dump(batch_spec.BatchSpec.read(seen.row.asked)))
        except SpecError as error:
            page.banner(error)

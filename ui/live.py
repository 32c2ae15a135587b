"""A run in progress: progress and pace, the answer as it is being written, the last decisions, and the buttons that steer it.

What polls is a fragment that draws little and ends the polling itself: when the run's state is no longer the one the page was drawn
with, the whole page is drawn anew, without the fragment.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from services import progress, queries, runs
from services.progress import Progress
from services.queries import RunView
from ui import cached, cards, draw, format, page, run_view, text, theme
from ui.charts.equity import equity as equity_chart

EVERY_S, SLOWLY_S = 2, 10
WIDE = 260  # pixels; a ticker and a day
LONGEST_SHOWN = 6000  # characters of an answer that is being written
ANSWER_HEIGHT = 230  # pixels; the box stays as it is while the text in it grows
SMALL_HEIGHT = 130  # where several are watched at once
PURPOSES = {
    "decide": "deciding",
    "study": "studying the move that followed",
    "lessons": "drawing lessons from judged decisions",
    "digest": "shortening a long text",
}
WAITING = {"pause": "Pausing: the day in hand is finished first.", "cancel": "Cancelling: the day in hand is finished first."}


def head(view: RunView) -> None:
    """What is running, on what, decided by whom."""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(view.name, longest=60), anchor=False, width="content")
            cards.status(view.state)
            st.badge(text.label(view.model_label), color="gray" if view.model_label.endswith("no LLM") else "blue")
            if view.note:
                st.badge(text.label(view.note), color="orange", icon="⚠️")
            run_view.coverage_badge(view)
            cards.marks(mark for mark in queries.marks(view) if mark != queries.RULES)  # the badge of what decides says that
        spec = view.spec
        learns = f"learns {spec.train.start} to {spec.train.end}, " if spec.train else ""
        text.plain(f"{', '.join(spec.tickers[:8])}  ·  {learns}trades {spec.test.start} to {spec.test.end}  ·  run {view.id}")


def controls(view: RunView, *, key: str) -> None:
    """Pause, resume, cancel: those that mean something now. Draws the page anew after a click."""
    state, asked = view.state, runs.store().run(view.id).request
    if state in ("running", "queued"):
        if state == "running" and st.button("Pause", key=f"{key}_pause", icon=":material/pause:", disabled=bool(asked)):
            _do(runs.pause, view.id)
        if st.button(
            "Cancel the run", key=f"{key}_cancel", icon=":material/stop:", disabled=asked == "cancel", help="What was recorded stays."
        ):
            _do(runs.cancel, view.id)
    elif state in ("paused", "interrupted", "failed", "cancelled"):
        kind = "primary" if state in ("paused", "interrupted") else "secondary"
        help_ = "Goes on after the last recorded day." if view.done else "Starts with the first day."
        if st.button("Resume", key=f"{key}_resume", icon=":material/play_arrow:", type=kind, help=help_):
            _do(runs.resume, view.id)
        if state in ("paused", "interrupted") and st.button("Cancel the run", key=f"{key}_cancel", icon=":material/stop:"):
            _do(runs.cancel, view.id)


def _do(action, run: str) -> None:
    with run_view.told():
        action(run)
    st.rerun()


# ------------------------------------------------------------------------------------------------------------ what polls


@st.fragment(run_every=EVERY_S)
def following(run: str, state: str) -> None:
    """Progress and the answer being written, until the run is no longer in ``state``."""
    seen = progress.look(run)
    if seen.state != state:
        st.rerun()
    tiles(seen)
    answer(run, seen)
    decisions(run)


@st.fragment(run_every=SLOWLY_S)
def money_so_far(run: str) -> None:
    """Equity against buy-and-hold up to now."""
    money(queries.run(run))


def money(view: RunView) -> None:
    st.subheader("Equity so far" if view.state in runs.ACTIVE else "Equity", anchor=False)
    frame = cached.equity(view, queries.TOTAL)
    if frame.empty:
        text.plain("No test session is recorded yet: during training nothing is traded.")
    else:
        fig = draw.kept(view, lambda: equity_chart(frame, dark=draw.dark()), "equity so far")
        draw.chart(fig, key="equity_so_far", alt="Equity of the run so far and of buy and hold")


def strip(waiting: list[RunView]) -> None:
    """One line for each run in progress; polls until one of them ends."""
    _strip({view.id: (view.name, view.state) for view in waiting})


@st.fragment(run_every=EVERY_S)
def _strip(waiting: dict[str, tuple[str, str]]) -> None:
    for run, (name, state) in waiting.items():
        seen = progress.look(run)
        if seen.state != state:
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(seen.share, text=f"{text.label(name, longest=60)} · {sentence(seen)}")
            page.link("monitor", "Watch it", icon="→", run=run)


@st.fragment(run_every=EVERY_S)
def side_by_side(states: dict[str, str]) -> None:
    """Every run in progress at once, each with its answer as it is written; until one of them is no longer in its state."""
    for run, state in states.items():
        seen = progress.look(run)
        if seen.state != state:
            st.rerun()
        view = queries.run(run)
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{text.label(view.name, longest=60)}**", width="content")
                cards.status(view.state)
                st.badge(text.label(view.model_label), color="gray" if view.by_rules else "blue")
                page.link("monitor", "Watch it alone", icon="→", run=run, watch="one")
                controls(view, key=f"all_{run}")
            st.progress(seen.share, text=text.label(WAITING.get(seen.asked) or f"{sentence(seen)} · {_activity(seen)}", longest=160))
            answer(run, seen, height=SMALL_HEIGHT)


def _activity(seen: Progress) -> str:
    at = f"at work on {seen.ticker} {seen.day}, " if seen.day else ""
    return f"{at}last activity {format.duration(seen.silent_s)} ago"


# ------------------------------------------------------------------------------------------------------------- pieces


def sentence(seen: Progress) -> str:
    """Where a run stands in one line."""
    days = f"{seen.done} of {seen.total} days" if seen.total else ""
    if not seen.active:
        return f"{days} recorded" if days else "nothing recorded"
    if seen.state == "queued" or not seen.total:
        return "starting, the worker loads data and models"
    return f"{days}, about {format.duration(seen.eta_s)} left" if seen.eta_s else days


def tiles(seen: Progress) -> None:
    """The bar and the figures below it."""
    st.progress(seen.share, text=text.label(WAITING.get(seen.asked) or sentence(seen), longest=140))
    figures = [
        ("Days done", f"{seen.done} of {seen.total}" if seen.total else format.UNKNOWN, "Sessions times tickers, training included."),
        ("Pace", f"{format.number(seen.pace_s)} s" if seen.pace_s is not None else format.UNKNOWN, "Mean time per day and ticker."),
    ]
    if seen.active:
        figures.append(("Time left", format.duration(seen.eta_s), "At the pace of the last 30 recorded days."))
    figures += [
        ("Last activity", f"{format.duration(seen.silent_s)} ago", "When the worker last gave a sign of life."),
        ("At work on" if seen.active else "Last day", text.label(f"{seen.ticker} {seen.day}") or format.UNKNOWN, "Ticker and session."),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, help_ in figures:
            st.metric(label, value, help=help_, width=WIDE if len(value) > 11 else run_view.TILE)


def answer(run: str, seen: Progress, *, height: int = ANSWER_HEIGHT) -> None:
    """The answer as it is being written, letter by letter; a number shows once it is whole."""
    found = progress.live(run) if seen.active else {}
    doing = PURPOSES.get(str(found.get("purpose")), "answering")
    if not found:
        text.plain("Nothing is being written yet.")
        return
    where = text.label(f"{found.get('ticker')} {found.get('day')}, {doing}")
    st.markdown(f"**Being written** · {where}")
    if thinking := found.get("thinking"):
        text.plain("Thinking, which is not part of the answer:")
        _growing(str(thinking), height)
    _growing(str(found.get("text") or "…"), height)


def _growing(words: str, height: int) -> None:
    """The end of a text that grows, in a box that stays where it is and follows the newest words."""
    with st.container(height=height, autoscroll=True, border=False):
        text.block(words[-LONGEST_SHOWN:])


def decisions(run: str) -> None:
    """The five newest recorded days."""
    rows = progress.last_decisions(run)
    st.markdown("**Last recorded days**")
    if rows.empty:
        text.plain("No day is recorded yet.")
        return
    shown = pd.DataFrame(
        {
            "day": rows["day"].astype(str),
            "ticker": rows["ticker"],
            "verdict": [_verdict(row) for row in rows.to_dict("records")],
            "target": [format.percent(value, digits=0) for value in rows["target_weight"]],
            "confidence": [format.percent(value, digits=0) for value in rows["confidence"]],
            "summary": [text.clean(_words(row), longest=300) for row in rows.to_dict("records")],
        }
    )
    right = {name: st.column_config.TextColumn(alignment="right") for name in ("target", "confidence")}
    wide = {"summary": st.column_config.TextColumn(width="large")}
    st.dataframe(shown, hide_index=True, column_config={**right, **wide}, key="last_days", alt="The five newest recorded days")


def _verdict(row: dict) -> str:
    if row["phase"] == "train":
        return f"studied: {row['study_label']}" if row["study_label"] else "studied"
    word = theme.verdict(row["action"])
    return f"{theme.GLYPHS[word]} {word}"


def _words(row: dict) -> str:
    return " ".join(str(value) for value in (row["abstained"] or row["summary"],) if value and value == value)


def ended(view: RunView) -> None:
    """How a run that stands still came to stand still, and where to go from here."""
    if view.state == "done":
        with st.container(horizontal=True, gap="medium"):
            text.plain("The run is complete.", width="content")
            page.link("overview", "Was it better than holding?", icon="→", run=view.id)
            page.link("days", "Why it traded, day by day", icon="→", run=view.id)
        return
    if view.state == "interrupted":
        text.plain(
            "The worker stopped without a word, perhaps with the machine it was on. Every recorded day is safe; Resume goes on after the last one."
        )
    if view.state == "failed":
        with st.container(border=True):
            st.badge("The run failed", color="red", icon="⚠")
            text.plain(view.error or "The worker left no reason.")
    tail = runs.log_tail(view.id) if view.state in ("failed", "interrupted") else ""
    if tail:
        st.markdown("**End of the worker's log**")
        text.block(tail, height=ANSWER_HEIGHT if tail.count("\n") > 8 else "content")


def asked_again(view: RunView) -> None:
    """The days that have no decision though they could have one, and the button that asks one of them again."""
    missed = runs.undecided(view.id)
    if missed.empty:
        return
    with st.container(border=True, gap="small"):
        st.markdown(f"**{len(missed)} {'days have' if len(missed) != 1 else 'day has'} no decision**")
        text.plain(
            "The model gave no usable answer, so the position was left as it was. Such a day can be asked again, for instance once the "
            "server is well: it and every later day are discarded and traded anew, and the run says so wherever it is listed. "
            "A day that has a decision cannot be asked again: that would be choosing the result."
        )
        shown = missed.assign(day=missed["day"].astype(str), abstained=[text.clean(why, longest=300) for why in missed["abstained"]])
        st.dataframe(
            shown,
            hide_index=True,
            key="undecided_days",
            height=min(215, 38 + 35 * len(shown)),
            alt="Days without a decision",
            column_config={"abstained": st.column_config.TextColumn("why", width="large")},
        )
        names = [f"{row.ticker} {row.day}" for row in missed.itertuples()]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox("Ask again", names, key="_retry_day", width=240)
            row = missed.iloc[names.index(chosen) if chosen in names else 0]
            lost = runs.discarded_by_retry(view.id, row["day"])
            with st.popover("Ask this day again…", icon=":material/replay:", key="_retry_open"):
                text.plain(
                    f"{lost} recorded {'days' if lost != 1 else 'day'} from {row['day']} on, of all tickers, will be discarded and traded anew."
                )
                if st.button("Discard them and go on from there", key="monitor_retry", type="primary"):
                    with run_view.told():
                        runs.retry(view.id, row["ticker"], row["day"])
                    st.rerun()

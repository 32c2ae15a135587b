"""Compare: what is chosen is in the address, figures come from the record, and what cannot be compared is said in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import compare, compare_figures, queries, runs, worker
from services.settings import settings
from tests.pages.conftest import TICKERS, OpenPage, address, small_spec
from tests.pages.test_broken_addresses import JUNK


@dataclass(frozen=True)
class Library:
    """Run ids: two seeds of one trader, one that holds, one on a later window, one on one ticker, one on another market."""

    one: str
    two: str
    hold: str
    later: str
    single: str
    other: str


def _made(**changes: object) -> str:
    run = runs.create(type(small_spec()).read({**small_spec().model_dump(mode="json"), **changes}))
    assert worker.execute(run) == "done"
    return run


@pytest.fixture(scope="module")
def made(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Library]]:
    home = tmp_path_factory.mktemp("compared") / "home"
    shutil.copytree(finished[0], home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        later = {"start": "2022-02-01", "end": "2022-02-28"}
        library = Library(
            one=finished[1],
            two=_made(name="Other seed", seed=8),
            hold=_made(name="Holder", strategy="hold"),
            later=_made(name="Later", test=later, strategy="hold"),
            single=_made(name="One ticker", tickers=[TICKERS[0]], strategy="hold"),
            other=_made(name="Elsewhere", source_options={"seed": 99}, strategy="hold"),
        )
        settings.cache_clear()
        yield home, library
    settings.cache_clear()


@pytest.fixture
def lib(made: tuple[Path, Library], monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("RECOLLECT_HOME", str(made[0]))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield made[1]
    settings.cache_clear()


def said(at: AppTest) -> str:
    return "\n".join(item.value for item in (*at.text, *at.caption, *at.subheader, *at.warning))


def table(at: AppTest, column: str):
    return next(item.value for item in at.dataframe if column in item.value.columns)


# -------------------------------------------------------------------------------------------------------------------- figures


def test_the_whole_window_gives_the_figures_of_the_run_itself(lib: Library) -> None:
    found = compare.load([lib.one, lib.hold])
    measured = compare_figures.measured(found)
    for side in found.runs:
        own = queries.figures(side.id)
        for key, value in own.items():
            if not key.startswith(("benchmark_", "judged_", "direction_")):
                assert measured[side.item][key].median == (value if value is None else pytest.approx(value, rel=1e-12)), key


def test_both_curves_start_at_a_hundred_and_end_at_the_return(lib: Library) -> None:
    found = compare.load([lib.one, lib.hold])
    for item, part in compare.curves(found).groupby("item"):
        assert part["value"].iloc[0] == 100
        assert part["value"].iloc[-1] / 100 - 1 == pytest.approx(queries.figures(str(item))["cum_return"])


def test_windows_that_differ_are_cut_to_the_common_sessions_and_said_so(lib: Library) -> None:
    found = compare.load([lib.hold, lib.later])
    assert (str(found.days[0]), str(found.days[-1])) == ("2022-02-01", "2022-02-15")
    first, second = (len(queries.equity(run)) for run in (lib.hold, lib.later))
    assert found.notes[0].startswith(
        f"The windows differ. Compared on the {len(found.days)} sessions that all have, 2022-02-01 to 2022-02-15."
    )
    assert f"① {first - len(found.days)} of {first} days (2022-01-18 to 2022-01-31)" in found.notes[0]
    assert f"② {second - len(found.days)} of {second} days (2022-02-16 to 2022-02-28)" in found.notes[0]
    assert "① began before 2022-02-01" in found.notes[1]
    equity = queries.equity(lib.hold)
    cut = equity[equity["day"] >= found.days[0]]["equity"]
    measured = compare_figures.measured(found)[lib.hold]
    assert measured["cum_return"].median == pytest.approx(cut.iloc[-1] / cut.iloc[0] - 1)
    assert measured["total_costs"].median == 0, "what it bought before the common window is not a cost of the window"
    assert found.runs[0].frame["drawdown"].iloc[0] == 0, "a fall from before the window is none of it"


def test_a_better_figure_is_better_by_its_own_direction(lib: Library) -> None:
    found = compare.load([lib.hold, lib.one])
    rows = {row.metric.key: row for row in compare_figures.rows(found, compare_figures.measured(found), lib.hold)}
    for key, row in rows.items():
        gap, verdict = row.against[lib.one].difference, row.against[lib.one].verdict.split(",")[0]
        if gap and row.metric.better:
            assert verdict == ("better" if (gap > 0) == (row.metric.better == "high") else "worse"), key
    assert rows["annual_volatility"].metric.better == "low" and rows["beta"].against[lib.one].verdict == ""


def test_other_prices_are_shown_but_never_paired(lib: Library) -> None:
    found = compare.load([lib.hold, lib.other])
    assert any("Not all saw the same prices" in note for note in found.notes)
    assert "saw other prices" in found.unpaired(*found.runs)
    assert compare_figures.differences(found, lib.hold) == {}
    assert compare_figures.measured(found)[lib.other]["cum_return"].median == pytest.approx(queries.figures(lib.other)["cum_return"])


def test_a_seed_group_is_a_median_with_a_band_whoever_of_it_is_named(lib: Library) -> None:
    found, same = (compare.load([f"g:{run}", lib.hold]) for run in (lib.one, lib.two))
    group = found.runs[0]
    assert {member.view.id for member in group.members} == {lib.one, lib.two} and group.seeds == (7, 8)
    assert same.runs[0].id == group.id and not group.single_seed
    returns = [queries.figures(run)["cum_return"] for run in (lib.one, lib.two)]
    spread = compare_figures.measured(found)[f"g:{lib.one}"]["cum_return"]
    assert (spread.low, spread.high) == (pytest.approx(min(returns)), pytest.approx(max(returns)))
    assert spread.median == pytest.approx(sum(returns) / 2)
    assert queries.figures(group.id)["cum_return"] == pytest.approx(min(returns)), (
        "of two the lower one stands for the group, never the best"
    )
    curve = compare.curves(found)
    band = curve[curve["item"] == f"g:{lib.one}"]
    assert (band["low"] <= band["value"]).all() and (band["value"] <= band["high"]).all()


def test_buy_and_hold_is_drawn_once_where_it_is_the_same(lib: Library) -> None:
    assert len(compare.holdings(compare.load([lib.one, lib.two, lib.hold]))) == 1
    assert len(compare.holdings(compare.load([lib.one, lib.single]))) == 2
    assert len(compare.holdings(compare.load([lib.one, lib.single], ticker=TICKERS[0]))) == 1


# ----------------------------------------------------------------------------------------------------------------------- page


def test_the_first_view_has_every_run_with_its_figures_and_a_link(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare", cmp=f"{lib.one},{lib.hold}")
    shown = table(at, "cum_return")
    assert list(shown["run"]) == ["① Small run", "② Holder", "Buy and hold (① ②)"]
    assert shown["cum_return"].iloc[0] == pytest.approx(queries.figures(lib.one)["cum_return"])
    assert shown["open"].iloc[1] == f"overview?run={lib.hold}"
    assert shown["return against"].iloc[0] == "baseline" and "pp" in shown["return against"].iloc[1]
    assert "single seed" in shown["marks"].iloc[0] and "single seed" not in shown["marks"].iloc[1], "a rule does the same with every seed"
    assert at.get("plotly_chart")


def test_the_baseline_of_the_address_is_the_one_measured_against(lib: Library, open_page: OpenPage) -> None:
    forth = table(open_page("compare", cmp=f"{lib.one},{lib.hold}"), "cum_return")["return against"].iloc[1]
    back = table(open_page("compare", cmp=f"{lib.one},{lib.hold}", base=lib.hold), "cum_return")["return against"].iloc[0]
    assert forth.split()[0].lstrip("+-") == back.split()[0].lstrip("+-") and {forth.split()[-1], back.split()[-1]} == {"better", "worse"}


def test_one_ticker_of_the_address_is_compared(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare", cmp=f"{lib.one},{lib.single}", ticker=TICKERS[0])
    shown = table(at, "cum_return")
    assert shown["cum_return"].iloc[0] == pytest.approx(queries.figures(lib.one, TICKERS[0])["cum_return"])
    assert address(at, "ticker") == TICKERS[0]


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("metrics", "How sure the differences are"),
        ("tests", "② against ①, day by day"),
        ("spec", "settings differ"),
        ("days", ""),
    ],
)
def test_every_part_opens_from_its_address(lib: Library, open_page: OpenPage, tab: str, words: str) -> None:
    at = open_page("compare", cmp=f"g:{lib.one},{lib.hold},{lib.later}", tab=tab)
    assert words in said(at) and not at.warning


def test_more_than_two_get_one_joint_test_first(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare", cmp=f"{lib.one},{lib.two},{lib.hold}", tab="tests")
    headings = [item.value for item in at.subheader]
    assert headings[0] == "All of them together" and "ruled out as the best" in said(at)
    assert "All of them together" not in said(open_page("compare", cmp=f"{lib.one},{lib.hold}", tab="tests"))


def test_finmems_test_is_there_only_when_asked_for_and_with_its_warning(lib: Library, open_page: OpenPage) -> None:
    pair = f"{lib.one},{lib.hold}"
    assert not table(open_page("compare", cmp=pair, tab="tests"), "caveat")["test"].str.contains("FinMem").any()
    asked = table(open_page("compare", cmp=pair, tab="tests", finmem="on"), "caveat")
    assert "Claim nothing from it" in asked[asked["test"].str.contains("FinMem")]["caveat"].iloc[0]


def test_only_the_fields_that_differ_are_listed_and_all_on_request(lib: Library, open_page: OpenPage) -> None:
    pair = f"{lib.one},{lib.two}"
    assert list(table(open_page("compare", cmp=pair, tab="spec"), "name")["name"]) == ["≠ seed"]
    every = table(open_page("compare", cmp=pair, tab="spec", fields="all"), "name")["name"]
    assert {"≡ memory.layers.short.top_k", "≡ execution.commission_bps", "≠ seed"} <= set(every)


def test_without_a_choice_the_page_teaches_and_its_suggestions_exist(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare")
    assert "Which runs?" in said(at)
    links = [item.proto.query_string for item in at.get("page_link") if item.proto.page == "compare"]
    assert len(links) == 2
    for link in links:
        items = link.split("cmp=")[1].split("&")[0].replace("%2C", ",").replace("%3A", ":").split(",")
        assert len(compare.load(items).runs) == 2


def test_one_run_alone_says_what_to_do(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare", cmp=lib.two)
    assert "One run is chosen; a comparison needs two" in said(at) and "Other seed" in said(at)
    at.multiselect[0].set_value([lib.two, lib.hold]).run()
    assert not at.exception and address(at, "cmp") == f"{lib.two},{lib.hold}" and at.get("plotly_chart")


def test_nonsense_in_the_address_becomes_sentences(lib: Library, open_page: OpenPage) -> None:
    at = open_page("compare", cmp=f"nobody,{lib.one},{lib.hold}", base="zz", ticker="NOPE", tab="zz", pair="zz")
    warned = " ".join(item.value for item in at.warning)
    assert "There is no run nobody here" in warned and "NOPE" in warned
    assert table(at, "cum_return")["return against"].iloc[0] == "baseline"


def test_no_common_session_is_said(lib: Library, open_page: OpenPage) -> None:
    far = runs.create(
        queries.run(lib.hold).spec.model_copy(
            update={
                "name": "Far",
                "train": None,
                "test": queries.run(lib.later).spec.test.model_copy(update={"start": _day("2022-04-01"), "end": _day("2022-04-14")}),
            }
        )
    )
    try:
        assert worker.execute(far) == "done"
        at = open_page("compare", cmp=f"{lib.hold},{far}")
        assert "No session in common" in said(at) and "They have no session in common: ①" in said(at)
    finally:
        runs.delete(far)


def _day(value: str):
    from datetime import date

    return date.fromisoformat(value)


def test_a_run_without_a_test_session_is_left_out_in_words(lib: Library, open_page: OpenPage) -> None:
    waiting = runs.create(small_spec("Waiting"))
    try:
        at = open_page("compare", cmp=f"{waiting},{lib.one},{lib.hold}")
        assert "has no session of its test window yet" in " ".join(item.value for item in at.warning)
        assert len(table(at, "cum_return")) == 3
    finally:
        runs.store().delete(waiting)


def test_several_ticked_runs_lead_from_the_library_to_their_comparison(lib: Library, open_page: OpenPage) -> None:
    at = open_page("runs", cmp=f"{lib.one},{lib.hold}")
    assert "2 runs ticked" in said(at) and "delete_run" not in [item.key for item in at.button]
    next(item for item in at.button if item.key == "compare_runs").click().run()
    assert not at.exception and at.title[0].value == "Compare" and address(at, "cmp") == f"{lib.one},{lib.hold}"


@pytest.mark.parametrize("junk", [name for name in JUNK if name != "digit that is none"])
def test_a_broken_address_is_answered_in_words(lib: Library, open_page: OpenPage, junk: str) -> None:
    keys = dict.fromkeys(("base", "ticker", "tab", "pair", "fields", "finmem", "day", "rows", "by", "a", "b", "of"), JUNK[junk])
    for cmp in (JUNK[junk], f"{JUNK[junk]},{lib.one},{lib.hold}", f"g:{JUNK[junk]},g:g:{lib.one}", ",".join([lib.one] * 30)):
        at = open_page("compare", **{**keys, "cmp": cmp})
        shown = "\n".join(str(item.value) for item in (*at.markdown, *at.warning, *at.caption, *at.subheader))
        assert "<script" not in shown and "](http" not in shown and "A" * 500 not in shown


def test_a_hostile_name_stays_text_in_every_part(lib: Library, open_page: OpenPage) -> None:
    store, name = runs.store(), queries.run(lib.hold).name
    store.rename(lib.hold, "![x](http://evil.test/a.png) **run** <b>$x$")
    try:
        for tab in ("money", "metrics", "tests", "spec", "days"):
            at = open_page("compare", cmp=f"{lib.one},{lib.hold}", tab=tab)
            for item in (*at.markdown, *at.caption, *at.subheader, *at.warning):
                assert "](" not in item.value and "<b>" not in item.value and "$x" not in item.value
            for group in at.get("button_group"):
                assert not any("](" in option.content for option in group.proto.options)
    finally:
        store.rename(lib.hold, name)

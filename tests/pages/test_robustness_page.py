"""Robustness: each part says what it means, keeps its address, and a run that cannot be tested says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import luck, luck_words, queries, robustness, runs, worker
from services.settings import settings
from tests.pages.conftest import OpenPage, small_spec


def words(at: AppTest) -> str:
    return " ".join(element.value for element in [*at.caption, *at.get("text"), *at.subheader] if hasattr(element, "value"))


def tile(at: AppTest, label: str) -> str:
    return next(element.value for element in at.metric if element.label == label)


@pytest.mark.parametrize("part", ["luck", "terms"])
def test_every_part_says_what_it_means_and_what_it_cannot_say(run: str, open_page: OpenPage, part: str) -> None:
    shown = words(open_page("robustness", run=run, show=part))
    assert "What it means." in shown
    assert "What it cannot say." in shown


def test_a_run_too_short_for_a_month_of_sessions_says_so(run: str, open_page: OpenPage) -> None:
    assert "The run has 21 sessions; the shortest stretch needs 22." in words(open_page("robustness", run=run, show="start"))


def test_the_meter_shows_the_figures_of_the_service(run: str, open_page: OpenPage) -> None:
    at, found = open_page("robustness", run=run), luck.of(run)
    assert tile(at, "Sharpe ± error") == f"{found.sharpe:.2f}"
    assert tile(at, "Random traders") == luck_words.share(found)
    assert tile(at, "Deflated") == ("–" if found.dsr is None else f"{found.dsr:.1%}")
    assert tile(at, "Days it needs") == luck_words.days(found.min_track_record)


def test_the_meter_stands_beside_the_sharpe_on_the_overview(run: str, open_page: OpenPage) -> None:
    at, found = open_page("overview", run=run), luck.of(run)
    strip = next(element for element in at.metric if element.label == "Sharpe")
    assert f"± {found.sharpe_se:.2f}" in strip.delta
    assert tile(at, "Random traders") == luck_words.share(found)


def test_the_first_row_of_the_terms_is_the_run_as_it_was(run: str, open_page: OpenPage) -> None:
    at = open_page("robustness", run=run, show="terms")
    first = at.dataframe[0].value.iloc[0]
    assert first["terms"] == "as it was"
    assert first["return"] == f"{queries.run(run).summary['cum_return']:+.1%}"
    assert first["hold"] == f"{queries.run(run).summary['benchmark_return']:+.1%}"


def test_a_single_seed_teaches_what_to_do(run: str, open_page: OpenPage) -> None:
    at = open_page("robustness", run=run, show="seeds")
    assert "One seed says nothing about noise" in words(at)
    link = next(element.proto for element in at.get("page_link") if "copy" in element.proto.label)
    assert f"from={run}" in link.query_string


@pytest.fixture(scope="module")
def seeded(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The finished run, and a repeat of it with another seed, in a home of their own."""
    home = tmp_path_factory.mktemp("seeded") / "home"
    shutil.copytree(finished[0], home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        assert worker.execute(runs.create(small_spec("Repeat").model_copy(update={"seed": 11}))) == "done"
        yield finished[1]
    settings.cache_clear()


def test_repeats_with_other_seeds_are_a_band_with_their_number(seeded: str, open_page: OpenPage) -> None:
    at = open_page("robustness", run=seeded, show="seeds")
    assert tile(at, "Above holding").endswith(" of 2")
    assert "2 seeds are few" in words(at)
    found = robustness.over_seeds(robustness.group(seeded))
    assert (found.bands["low"] <= found.bands["median"]).all() and (found.bands["median"] <= found.bands["high"]).all()
    assert found.figures["cum_return"].n == 2


def test_an_address_full_of_nonsense_shows_the_first_part(run: str, open_page: OpenPage) -> None:
    assert "Skill, or luck?" in words(open_page("robustness", run=run, show="<b>", of="?", roll="-1"))

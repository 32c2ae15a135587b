"""The days of a comparison: the disagreements are those of the record, a day side by side is its address, and the swap asks first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.spec import RunSpec
from services import disagreements, queries, runs, swap, worker
from services.settings import settings
from tests.pages.conftest import OpenPage, address
from tests.pages.run_states import _short

TEST = {"start": "2022-01-18", "end": "2022-03-15"}
HOSTILE = "![x](http://evil.example/x.png) <script>alert(1)</script> :red[now] | $x$"


def forgetful(spec: RunSpec) -> RunSpec:
    """One memory of each layer, so that it misses much of what others know."""
    layers = tuple(layer.model_copy(update={"top_k": 1}) for layer in spec.memory.layers)
    return spec.model_copy(update={"memory": spec.memory.model_copy(update={"layers": layers})})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        specs = {
            "bold": _short(HOSTILE, test=TEST),
            "timid": forgetful(_short("Timid", test=TEST, profile={"character": "risk_averse"})),
            "hold": _short("Holder", test=TEST, strategy="hold"),
            "twin": _short("Twin", test=TEST),
            "else": _short("Elsewhere", test=TEST, strategy="hold", source_options={"seed": 99}),
        }
        found = {name: runs.create(spec) for name, spec in specs.items()}
        assert [worker.execute(run) for run in found.values()] == ["done"] * len(found)
        settings.cache_clear()
    yield home, found


@pytest.fixture
def lib(made: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setenv("RECOLLECT_HOME", str(made[0]))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield made[1]
    settings.cache_clear()


def cmp(lib: dict[str, str], *names: str) -> dict[str, str]:
    return {"cmp": ",".join(lib[name] for name in names), "tab": "days"}


def said(at: AppTest) -> str:
    found = [item.value for item in (*at.text, *at.caption, *at.markdown, *at.subheader, *at.warning)]
    return "\n".join(item for item in found if not item.startswith("Recollect ·"))  # the footer, which a rerun may leave out


def listed(at: AppTest) -> list[str]:
    return next(table.value["day"].tolist() for table in at.dataframe if "gap" in table.value)


def test_only_disagreements_are_listed_dearest_first_and_all_days_on_a_wish(lib, open_page: OpenPage):
    at = open_page("compare", **cmp(lib, "bold", "timid"))
    found = disagreements.matrix([lib["bold"], lib["timid"]], "DMAUR")
    rows = disagreements.disagreements(found).sort_values("gap", ascending=False, kind="stable")
    assert listed(at) == [str(day) for day in rows["day"]] and len(rows) > 3
    tiles = {tile.label: tile.value for tile in at.metric}
    assert tiles["Disagreements"] == str(len(rows)) and "Kappa (Cohen)" in tiles
    won, lost = disagreements.wins(lib["bold"], lib["timid"], "DMAUR")
    assert f"Of {won + lost} disagreements" in said(at) and f"better on {won}" in said(at)
    at = open_page("compare", **cmp(lib, "bold", "timid"), rows="all", by="day")
    assert listed(at) == [str(day) for day in found.days]


def test_the_first_costly_disagreement_opens_with_both_traces_and_its_address_shows_the_same_view(lib, open_page: OpenPage):
    at = open_page("compare", **cmp(lib, "bold", "timid"))
    next(button for button in at.button if button.label.startswith("First disagreement")).click()
    at.run()
    found = disagreements.matrix([lib["bold"], lib["timid"]], "DMAUR")
    day = disagreements.first_costly(found)
    assert address(at, "day") == str(day) and not at.exception
    cold = open_page("compare", **cmp(lib, "bold", "timid"), day=str(day))
    assert said(cold) == said(at)
    for name in ("bold", "timid"):
        decision = queries.record(lib[name], "DMAUR", day).thought.decision
        assert decision and decision.summary in said(cold)
        assert all(reason.claim in said(cold) for reason in decision.reasons_for)
    links = [link.proto for link in cold.get("page_link")]
    traces = [link.query_string for link in links if link.page == "days" or "days" in str(link)]
    assert all(any(lib[name] in str(query) and str(day) in str(query) for query in traces) for name in ("bold", "timid"))
    assert not cold.dataframe, "a day side by side is made of few elements"


def test_the_recalled_memories_are_told_apart_and_lead_to_the_memory_of_their_run(lib, open_page: OpenPage):
    found = disagreements.matrix([lib["bold"], lib["timid"]], "DMAUR")
    day = disagreements.disagreements(found)["day"].iloc[-1]
    at = open_page("compare", **cmp(lib, "bold", "timid"), day=str(day))
    table = next(item.value for item in at.markdown if item.value.startswith("**Recalled memories**"))
    for name in ("bold", "timid"):
        for recall in queries.record(lib[name], "DMAUR", day).thought.recalls:
            if not recall.near_miss:
                assert f"[M{recall.memory_id}](memory?run={lib[name]}&ticker=DMAUR&day={day}&mem={recall.memory_id})" in table
    assert "both" in table and "only" in table


def test_the_swap_shows_what_it_will_ask_and_a_reload_shows_the_answer_without_asking(lib, open_page: OpenPage):
    found = disagreements.matrix([lib["bold"], lib["timid"]], "DMAUR")
    day = str(disagreements.disagreements(found)["day"].iloc[0])
    at = open_page("compare", **cmp(lib, "bold", "timid"), day=day, open="swap")
    assert "2 questions to rules, no LLM: 2 to 4 calls" in said(at) and said(at).count("not asked yet") == 2
    assert swap.look(lib["bold"], lib["timid"], "DMAUR", found.days[0].fromisoformat(day)).missing, "nothing is asked before the button"
    next(button for button in at.button if button.label == "Ask 2 questions").click()
    at.run()
    assert not at.exception and "not asked yet" not in said(at)
    cold = open_page("compare", **cmp(lib, "bold", "timid"), day=day, open="swap")
    assert "not asked yet" not in said(cold) and "from the record" in said(cold) and "swapped" in said(cold)
    assert not [button for button in cold.button if button.label.startswith("Ask")]


def test_what_cannot_be_swapped_says_why(lib, open_page: OpenPage):
    found = disagreements.matrix([lib["bold"], lib["hold"]], "DMAUR")
    day = str(disagreements.disagreements(found)["day"].iloc[0])
    at = open_page("compare", **cmp(lib, "bold", "hold"), day=day, open="swap~prompts~answers")
    assert "asks no model" in said(at)


def test_of_three_runs_the_two_between_which_the_day_cost_most_stand_side_by_side(lib, open_page: OpenPage):
    ids = [lib["bold"], lib["timid"], lib["hold"]]
    row = disagreements.disagreements(disagreements.matrix(ids, "DMAUR")).iloc[0]
    at = open_page("compare", **cmp(lib, "bold", "timid", "hold"), day=str(row["day"]))
    assert (at.selectbox(key="_cmp_a").value, at.selectbox(key="_cmp_b").value) == (row["best"], row["worst"])
    rest = next(run for run in ids if run not in (row["best"], row["worst"]))
    at = open_page("compare", **cmp(lib, "bold", "timid", "hold"), day=str(row["day"]), a=rest)
    assert at.selectbox(key="_cmp_a").value == rest and at.selectbox(key="_cmp_b").value == row["worst"]
    at.selectbox(key="_cmp_b").set_value(row["best"])
    at.run()
    assert address(at, "a") == rest and address(at, "b") == row["best"]


@pytest.mark.parametrize("day", ["nonsense", "2022-01-16", "1999-01-01", HOSTILE])
def test_a_day_that_is_none_is_named_and_all_days_are_shown(lib, open_page: OpenPage, day: str):
    at = open_page("compare", **cmp(lib, "bold", "timid"), day=day)
    assert "is not a session" in said(at) and listed(at)


def test_runs_that_never_differ_or_saw_other_prices_are_told_so(lib, open_page: OpenPage):
    assert "They never disagreed" in said(open_page("compare", **cmp(lib, "bold", "twin")))
    assert "They saw other prices" in said(open_page("compare", **cmp(lib, "hold", "else")))


def test_a_hostile_name_is_never_markdown(lib, open_page: OpenPage):
    found = disagreements.matrix([lib["bold"], lib["timid"]], "DMAUR")
    day = str(disagreements.disagreements(found)["day"].iloc[0])
    at = open_page("compare", **cmp(lib, "bold", "timid"), day=day, open="swap~prompts~answers")
    drawn = "\n".join(item.value for item in (*at.markdown, *at.caption))
    assert "![" not in drawn and "<script" not in drawn and ":red[now" not in drawn and "$x$" not in drawn

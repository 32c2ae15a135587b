"""The frame, the address and the forms: every page opens, every link lands, wrong values become sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field
from streamlit.testing.v1 import AppTest

from services.settings import settings
from ui import draw

ROOT = Path(__file__).parents[2]
DAYS = ["2025-03-03", "2025-03-04", "2025-03-05"]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty library of its own, and no demo run started in the background."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield
    settings.cache_clear()


def script(body: str) -> AppTest:
    return AppTest.from_string("import streamlit as st\nfrom ui import pickers, page, forms, draw\n" + body, default_timeout=60)


def days_app(**address: str) -> AppTest:
    at = script(f"day = pickers.day({DAYS})\nst.text(str(day))")
    for key, value in address.items():
        at.query_params[key] = value
    return at.run()


# ------------------------------------------------------------------------------------------------------------------- the app


def framed(page: str, address: dict[str, str]) -> AppTest:
    """A page inside the real frame. AppTest.switch_page would run the page's file alone, as a cold server does."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.session_state["_goto"] = (f"pages/{page}.py", address)
    return at.run()


@pytest.mark.parametrize(
    "address", [{}, {"run": "![x](http://evil.test)", "ticker": "?", "day": "yesterday", "mem": "x", "step": "?"}], ids=["bare", "hostile"]
)
@pytest.mark.parametrize("name", ["runs", "new_run", "monitor", "overview", "days", "memory"])
def test_every_page_opens_with_its_heading_and_the_footer(name: str, address: dict[str, str]) -> None:
    at = framed(name, address)
    assert not at.exception, at.exception
    assert at.title
    assert at.caption[-1].value.endswith("not investment advice.")
    assert at.sidebar.toggle[0].label == "Red is up"


def test_a_page_outside_the_frame_hands_over_with_its_address(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "app.py").write_text(
        "import streamlit as st\nfrom ui import page\n"
        "nav = st.navigation([st.Page('pages/home.py', default=True), st.Page('pages/days.py')])\npage.frame()\nnav.run()\n"
    )
    (tmp_path / "pages/home.py").write_text("from ui import page\npage.start('Home', __file__)\n")
    (tmp_path / "pages/days.py").write_text(
        "import streamlit as st\nfrom ui import page\npage.start('Days', __file__)\nst.text(str(st.query_params.to_dict()))\n"
    )
    at = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=60)
    at.session_state["_goto"] = ("pages/days.py", {"run": "r1", "day": "2025-03-03"})  # what an unframed page leaves behind
    at.run()
    assert at.title[0].value == "Days"
    assert at.text[0].value == "{'run': 'r1', 'day': '2025-03-03'}"


def test_a_page_without_a_run_says_what_to_do() -> None:
    at = framed("overview", {})
    assert at.subheader or at.selectbox


# --------------------------------------------------------------------------------------------------------------- the address


def test_without_a_day_the_last_session_is_shown_and_written_into_the_address() -> None:
    at = days_app()
    assert at.text[0].value == "2025-03-05"
    assert at.query_params["day"] == "2025-03-05"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("2025-03-03", "2025-03-03"),
        ("2025-03-09", "2025-03-05"),
        ("2024-01-01", "2025-03-03"),
        ("2025-02-30", "2025-03-05"),
        ("zz", "2025-03-05"),
        ("\x00", "2025-03-05"),
    ],
)
def test_any_day_in_the_address_shows_a_session(asked: str, shown: str) -> None:
    at = days_app(day=asked)
    assert not at.exception
    assert at.text[0].value == shown
    assert bool(at.warning) == (asked not in DAYS and asked != "\x00")


def test_previous_and_next_walk_the_sessions_and_stop_at_the_ends() -> None:
    at = days_app(day="2025-03-04")
    before, after = at.button
    before.click().run()
    assert at.text[0].value == "2025-03-03" and at.query_params["day"] == "2025-03-03"
    assert at.button[0].disabled and not at.button[1].disabled
    at.button[1].click().run()
    at.button[1].click().run()
    assert at.text[0].value == "2025-03-05" and at.button[1].disabled
    assert after.label == "Next day"


def test_choosing_from_the_list_changes_the_address_and_the_address_changes_the_list() -> None:
    at = days_app()
    at.selectbox[0].set_value("2025-03-03").run()
    assert at.query_params["day"] == "2025-03-03" and at.text[0].value == "2025-03-03"
    at.query_params["day"] = "2025-03-04"
    at.run()
    assert at.selectbox[0].value == "2025-03-04"


def test_a_click_in_the_sidebar_empties_the_address_but_not_the_choice() -> None:
    at = script("st.text(str((pickers.run(['a', 'b']), pickers.ticker(['X', 'Y']))))")
    at.query_params["run"], at.query_params["ticker"] = "b", "Y"
    at.run()
    del at.query_params["run"], at.query_params["ticker"]
    at.run()
    assert at.text[0].value == "('b', 'Y')"
    assert at.query_params["run"] == "b"


def test_another_run_forgets_ticker_and_day_of_the_last_one() -> None:
    at = script("st.text(str((pickers.run(['a', 'b']), pickers.ticker(['X', 'Y']))))")
    at.query_params["run"], at.query_params["ticker"], at.query_params["mem"] = "a", "Y", "4"
    at.run()
    at.selectbox[0].set_value("b").run()
    assert at.text[0].value == "('b', 'X')"
    assert "mem" not in at.query_params


def test_nothing_to_choose_from_is_none() -> None:
    assert script("st.text(str((pickers.run([]), pickers.ticker([]), pickers.day([]), pickers.step([]), pickers.mem([]))))").run().text[
        0
    ].value == str((None,) * 5)


@pytest.mark.parametrize(("asked", "found"), [("4", "4"), ("5", "None"), ("-1", "None"), ("٤", "None"), ("9" * 40, "None")])
def test_a_memory_in_the_address_is_a_known_number(asked: str, found: str) -> None:
    at = script("st.text(str(pickers.mem([4])))")
    at.query_params["mem"] = asked
    at.run()
    assert not at.exception
    assert at.text[0].value == found


def test_red_is_up_lives_in_the_address() -> None:
    at = script("draw.red_up_switch()\nst.text(str(draw.red_up()))")
    at.query_params["red"] = "1"
    assert at.run().text[0].value == "True"
    at.toggle[0].set_value(False).run()
    assert at.text[0].value == "False" and "red" not in at.query_params
    at.toggle[0].set_value(True).run()
    assert at.query_params["red"] == "1"


@pytest.mark.parametrize(
    ("point", "day"),
    [
        ({"x": "2025-03-03"}, "2025-03-03"),
        ({"x": "z", "customdata": "2025-03-04"}, "2025-03-04"),
        ({"customdata": ["2025-03-05", 1.0]}, "2025-03-05"),
        ({"customdata": {"0": "2025-03-05"}}, "2025-03-05"),
    ],
)
def test_a_click_gives_its_day_in_every_form_plotly_sends_it(point: dict[str, object], day: str) -> None:
    assert draw.clicked({"selection": {"points": [point]}}) == day
    assert draw.clicked({"selection": {"points": []}}) is None
    assert draw.clicked(None) is None


# ----------------------------------------------------------------------------------------------------------------- the forms


class Inner(BaseModel):
    depth: int = Field(2, ge=1, le=9)


class Everything(BaseModel):
    temperature: float = Field(0.2, ge=0, le=2, description="randomness")
    num_ctx: int = Field(8192, gt=255)
    strict: bool = True
    think: bool | None = None
    mode: Literal["low", "very_high"] = "low"
    tags: tuple[str, ...] = ("a",)
    cap: int | None = None
    name: str = Field("x", min_length=1)
    about: str = Field("", max_length=500)
    inner: Inner = Inner()
    anything: dict[str, int] = Field(default_factory=dict)


FORM = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from typing import Literal
from pydantic import BaseModel, Field
class Inner(BaseModel):
    depth: int = Field(2, ge=1, le=9)
class Everything(BaseModel):
    temperature: float = Field(0.2, ge=0, le=2, description="randomness")
    num_ctx: int = Field(8192, gt=255)
    strict: bool = True
    think: bool | None = None
    mode: Literal["low", "very_high"] = "low"
    tags: tuple[str, ...] = ("a",)
    cap: int | None = None
    name: str = Field("x", min_length=1)
    about: str = Field("", max_length=500)
    inner: Inner = Inner()
    anything: dict[str, int] = Field(default_factory=dict)
made = forms.options(Everything, "f", values={{"anything": {{"k": 1}}}})
st.json(made.model_dump_json() if made else "null")
"""


def made(at: AppTest) -> Everything | None:
    assert not at.exception, at.exception
    body = at.json[0].value
    return None if body == "null" else Everything.model_validate_json(body)


def test_an_untouched_form_gives_the_defaults_and_keeps_fields_without_a_widget() -> None:
    assert made(script(FORM).run()) == Everything(anything={"k": 1})


def test_every_kind_of_field_takes_what_a_person_enters() -> None:
    at = script(FORM).run()
    at.number_input(key="f.temperature").set_value(0.0005)
    at.number_input(key="f.num_ctx").set_value(512)
    at.number_input(key="f.inner.depth").set_value(5)
    at.toggle(key="f.strict").set_value(False)
    at.selectbox(key="f.think").set_value("off")
    at.selectbox(key="f.mode").set_value("very_high")
    at.text_input(key="f.tags").set_value(" x , y,, ")
    at.text_area(key="f.about").set_value("long\x00er")
    at.run()
    expected = Everything(
        temperature=0.0005,
        num_ctx=512,
        strict=False,
        think=False,
        mode="very_high",
        tags=("x", "y"),
        about="longer",
        inner=Inner(depth=5),
        anything={"k": 1},
    )
    assert made(at) == expected


def test_a_wrong_value_names_its_field_and_gives_nothing() -> None:
    at = script(FORM).run()
    at.text_input(key="f.name").set_value("")
    at.run()
    assert made(at) is None
    assert any("Name" in item.value for item in at.markdown)
    assert any("at least 1 character" in item.value for item in at.text)


def test_bounds_reach_the_widget() -> None:
    at = script(FORM).run()
    assert (at.number_input(key="f.temperature").min, at.number_input(key="f.temperature").max) == (0.0, 2.0)
    assert at.number_input(key="f.num_ctx").min == 256


def test_session_state_holds_plain_values_only() -> None:
    at = script(FORM + "\nst.text(str(sorted({type(value).__name__ for value in st.session_state.values()})))").run()
    assert at.text[-1].value == "['NoneType', 'bool', 'float', 'int', 'str']"

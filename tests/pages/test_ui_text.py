"""Untrusted text stays text: nothing a model, a source or a person writes may load, link, typeset or reorder itself on screen."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from ui import format, text

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "image": "![x](http://evil.test/a.png)",
    "script": "<script>fetch('//evil.test')</script>",
    "javascript": "[click](javascript:alert(1))",
    "latex": "$\\href{http://evil.test}{x}$ and $$e=mc^2$$",
    "bare": "see www.evil.test and https://evil.test/x?y=1",
    "colour": ":red[evil] :material/home: :blue-background[evil.test]",
    "ansi": "\x1b[31mevil.test\x1b[0m \x1b]8;;http://evil.test\x07link\x1b]8;;\x07",
    "bidi": "abc\u202egnp.live\u202c \u2066evil.test\u2069",
    "nul": "evil\x00.test\ud800",
    "list": "- evil.test\n# heading\n1. one\n| a | b |",
    "html image": '<img src="http://evil.test/i.png" onerror=alert(1)>',
}
INERT = {"text", "code", "json", "arrow_data_frame", "text_area", "plotly_chart"}
# What any of Streamlit's Markdown extensions could act on; see the table of measured functions in the design notes.
ACTIVE = re.compile(r"[\[\]<>$`*~\\|#!{}\x00-\x1f]|://|(?i:www\.)|^\s*[-+]\s|^\s*\d+[.)]\s")


def shown(script: str) -> Iterator[tuple[str, str]]:
    """(kind of element, everything in its message) of all that a script draws."""
    at = AppTest.from_string(script, default_timeout=60).run()
    assert not at.exception, at.exception
    yield from elements(at)


def elements(at: AppTest) -> Iterator[tuple[str, str]]:
    waiting: list[Any] = [at.main, at.sidebar]
    while waiting:
        node = waiting.pop()
        waiting.extend(getattr(node, "children", {}).values())
        proto = getattr(node, "proto", None)
        if proto is not None and not getattr(node, "children", None):
            body = MessageToJson(proto) if hasattr(proto, "DESCRIPTOR") else json.dumps(str(proto))
            yield node.type, re.sub(r'"(id|formId|elementHash)": "[^"]*"', "", body)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_label_holds_nothing_that_markdown_could_act_on(name: str) -> None:
    assert not ACTIVE.search(text.label(HOSTILE[name])), text.label(HOSTILE[name])


@given(some.text(max_size=60))
def test_no_text_at_all_becomes_an_active_label(body: str) -> None:
    made = text.label(body)
    assert not ACTIVE.search(made)
    assert len(made) <= 80 and "\n" not in made


@given(some.text(alphabet="aw.:/-_ 1)[]!(*", max_size=30))
def test_no_mixture_of_markup_characters_becomes_an_active_label(body: str) -> None:
    assert not ACTIVE.search(text.label(body))


@pytest.mark.parametrize(
    "name",
    ["qwen3:8b", "hf.co/unsloth/Qwen3:Q4_K_M", "BRK.B", "Prüfung 3", "snake_case", "return_5", "2025-01-02", "▲ buy", "Q2 (beat)", "中文"],
)
def test_an_honest_name_is_left_as_it_is(name: str) -> None:
    assert text.label(name) == name


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    assert text.label("a" * 100, longest=10) == "a" * 9 + "…"


def test_clean_removes_what_a_screen_would_act_on_and_keeps_the_words() -> None:
    assert text.clean(HOSTILE["ansi"]) == "evil.test link"
    assert text.clean(HOSTILE["bidi"]) == "abcgnp.live evil.test"
    assert text.clean(HOSTILE["nul"]) == "evil.test\ufffd"
    assert text.clean("a\r\nb\rc\td") == "a\nb\nc\td"


@given(some.text())
def test_clean_text_can_always_be_sent_to_a_browser_and_cleaning_twice_changes_nothing(body: str) -> None:
    once = text.clean(body)
    once.encode("utf-8")
    assert text.clean(once) == once


def test_a_lone_surrogate_does_not_stop_the_page() -> None:
    assert text.clean("\ud83d broken").encode("utf-8")


def test_a_very_long_text_is_cut_and_says_how_much_is_missing() -> None:
    made = text.clean("x" * 25_000)
    assert made.startswith("x" * 20_000) and made.endswith("5,000 more characters are not shown here")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("function", ["plain", "block"])
def test_whole_texts_go_only_to_inert_elements(function: str, name: str) -> None:
    kinds = {kind for kind, _ in shown(f"from ui import text\ntext.{function}({HOSTILE[name]!a})")}
    assert kinds == {"text" if function == "plain" else "code"}


CARDS = """
from datetime import UTC, date, datetime
from agent.errors import SpecError, Unavailable
from agent.records import Decision, Fill, Memory, MemoryState, Order, Reason
from ui import cards, page, pickers
evil = {evil}
now = datetime(2025, 3, 3, tzinfo=UTC)
state = MemoryState(layer=evil, importance=50, importance_as_of=0, recency_anchor=0)
cards.memory_card(Memory(id=1, ticker="X", kind="news", text=evil, title=evil, publisher=evil, document_id=evil, sources=(evil, evil), content_hash="h",
    event_time=now, available_at=now, known_at=now, born=now.date(), phase="test", embedding_model="m", birth=state))
reason = Reason(claim=evil, weight=3, memories=(1,), facts=(evil,))
cards.reasons([reason], [reason], titles={{1: evil}})
cards.decision_card(Decision(action="buy", provenance="model", summary=evil, invalidation=evil, flags=(evil,), clipped_by=(evil,)))
cards.decision_card(Decision(provenance="abstained", abstained=evil))
cards.order_card(Order(day=now.date(), weight=.5, wished=1, reason=evil))
cards.fill_card(Fill(day=now.date(), shares=-3, price=1, reference=1, commission=0, slippage=0, note=evil))
cards.status(evil); cards.provenance(evil); cards.layer(evil); cards.action_pill(evil)
page.empty(evil, evil)
page.banner(Unavailable(evil, cure=evil)); page.banner(SpecError(evil, field=evil))
pickers.run({{"a": evil, evil: "b"}})
pickers.step(["observed", "recalled"])
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_every_card_keeps_hostile_text_inert(name: str) -> None:
    evil = HOSTILE[name]
    marked = {"bidi": "\u202e", "ansi": "\x1b", "nul": "\x00"}.get(name)
    for kind, body in shown(CARDS.format(evil=ascii(evil))):
        if marked:
            assert marked not in json.loads(json.dumps(body)), kind
        if kind in INERT or kind == "selectbox":  # options of a selectbox are shown letter by letter
            continue
        for piece in ("evil.test)", "](", "<script", "<img", "://", "$", ":red[", "![", "www.evil", "\\u202e"):
            assert piece not in body or (kind == "imgs" and piece == "://"), f"{kind} holds {piece}: {body[:300]}"


@given(
    some.text(some.sampled_from("ab \x1b[]9m;\x07\\\x9b\r\n\u202e\x00\ud800W"), max_size=60),
    some.integers(1, 12),
    some.sampled_from([0, 1, 1500]),
)
def test_the_beginning_of_a_text_reads_the_same_whether_or_not_all_of_it_was_cleaned(body: str, longest: int, before: int) -> None:
    body = "\x1b[31m" * before + body * 40  # sequences that are cut through, and so many of them that little is left of the beginning
    whole = text.clean(body)
    assert text.clean(body, longest=longest) == (whole if len(whole) <= longest else f"{whole[: longest - 1].rstrip()}…")


def test_accents_are_kept_and_a_thousand_of_them_on_one_letter_are_not() -> None:
    written = "e\u0301 q\u0323\u0307\u0302 \u05e9\u05b8\u05c1\u0591 \u0e17\u0e35\u0e48 \u0f63\u0fb1\u0f74\u0f7e"  # Vietnamese, Hebrew, Thai, Tibetan
    assert text.clean(written) == written
    assert text.clean("a" + "\u0301\u0327" * 5_000 + "b") == "a" + "\u0301\u0327" * 4 + "b"
    assert text.clean("a" + "\u0301\u202e" * 5_000) == "a" + "\u0301" * 8


def test_a_list_of_texts_of_two_megabytes_each_is_cleaned_at_once() -> None:
    body = "W" * 2_000_000
    began = time.process_time()
    text.clean(body, longest=len(body))
    once, began = time.process_time() - began, time.process_time()
    assert text.clean(body).endswith("\n… 1,980,000 more characters are not shown here")
    for _ in range(20):
        assert text.clean(body, longest=160).endswith("W…") and text.label(body, longest=40).endswith("W…")
    assert time.process_time() - began < once


def test_a_hostile_address_becomes_a_sentence() -> None:
    at = AppTest.from_string(
        "from ui import pickers\npickers.day(['2025-03-03'])\npickers.step(['x', 'y'])\npickers.mem([1])",
        default_timeout=60,
    )
    for key in ("day", "step", "mem"):
        at.query_params[key] = "![x](http://evil.test/a.png)"
    at.run()
    assert not at.exception
    assert len(at.warning) == 3
    assert not [w.value for w in at.warning if ACTIVE.search(w.value)]


def test_an_unknown_run_becomes_a_sentence_and_takes_its_day_and_memory_with_it() -> None:
    at = AppTest.from_string("from ui import pickers\npickers.run({'a': 'A'})", default_timeout=60)
    at.query_params["run"], at.query_params["day"] = "![x](http://evil.test/a.png)", "2025-03-03"
    at.run()
    assert len(at.warning) == 1 and not ACTIVE.search(at.warning[0].value)
    assert not at.query_params


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "ui").rglob("*.py"))]:
        yield from ((path, node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def test_no_page_renders_html_or_hands_an_exception_to_the_browser() -> None:
    """st.table and tooltips of foreign text load pictures; st.exception shows a run's text; html needs no explanation."""
    forbidden = {"st.html", "st.exception", "st.table", "st.iframe", "components.html", "st.components.v1.html"}
    found = [f"{path.name}:{node.lineno} {ast.unparse(node.func)}" for path, node in calls() if ast.unparse(node.func) in forbidden]
    found += [
        f"{path.name}:{node.lineno} unsafe_allow_html"
        for path, node in calls()
        for word in node.keywords
        if word.arg == "unsafe_allow_html"
    ]
    assert found == []


def test_a_cost_keeps_two_digits_that_mean_something():
    assert [format.dollars(value) for value in (0.0, 0.00012, 0.0345, 1.371, 1234.5, None)] == [
        "0.00 USD",
        "0.00012 USD",
        "0.03 USD",
        "1.37 USD",
        "1,234.50 USD",
        format.UNKNOWN,
    ]

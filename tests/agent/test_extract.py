"""The most telling sentences: word for word, in order, short enough, whatever the text."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.llm.extract import LETTERS_PER_WORD, extract, sentences

REAL = Path(__file__).parents[3] / "shared" / "data" / "djia-2025" / "filings.parquet"
FILLER = [
    "The Company reports its segments in the same way as in earlier years and has not changed them.",
    "Products are sold through stores, partners and the website of the Company in most countries.",
    "Employees of the Company work in offices, laboratories and plants in several countries.",
    "The Company leases most of its stores and owns some of its offices and plants.",
    "Suppliers of the Company deliver components under agreements that are renewed from time to time.",
    "The Company competes with many others in each of the markets in which it sells its products.",
]
NEWS = "Net sales of pumps fell 12 % to $4.1 billion because water works delayed orders."
LONG = "\n".join([*FILLER[:3], NEWS, *FILLER[3:]])


def tidy(text: str) -> str:
    return " ".join(text.split())


# --------------------------------------------------------------------------------------------------------------- any text

WORDS = st.sampled_from(
    [
        "Sales",
        "fell",
        "rose",
        "12 %",
        "$4.1 billion",
        "the",
        "Inc.",
        "U.S.",
        "No. 5",
        "•",
        "…",
        "?",
        "!",
        ".",
        "\n",
        "Total",
        "3.5",
        "(8)",
        "|",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=600), st.lists(WORDS, max_size=150).map(" ".join), st.lists(st.sampled_from([*FILLER, NEWS])).map("\n".join)
)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(-1, 60))
@example("。" * 500, 10)
@example("\ud800 a\x00b", 3)
def test_any_text_gives_whole_sentences_of_it_in_their_order_and_not_too_many_words(text: str, words: int) -> None:
    found = extract(text, words)
    assert len(found.split()) <= max(0, words) and len(found) <= max(0, words) * LETTERS_PER_WORD
    assert bool(found) == (words > 0 and bool(text.split()))
    assert extract(text, words) == found
    assert extract(found, words) == found
    if words > 1 and found not in (tidy(text), "") and not found.endswith("…"):
        units, place = sentences(text), 0
        rest = found
        while rest:  # every part is a unit of the text, each later than the one before
            rest = rest.removeprefix("… ")
            place = next(i for i in range(place, len(units)) if rest == units[i] or rest.startswith(units[i] + " ")) + 1
            rest = rest[len(units[place - 1]) + 1 :]


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_the_sentences_of_a_text_are_all_of_it_in_order(text: str) -> None:
    units = sentences(text)
    assert "".join("".join(units).split()) == "".join(text.split())
    assert all(unit == tidy(unit) and unit in tidy(text) for unit in units)


@pytest.mark.parametrize("text", ["", " \n\t ", "\u2003"])
def test_nothing_in_gives_nothing_out(text: str) -> None:
    assert extract(text, 50) == "" and sentences(text) == []


def test_a_text_that_is_short_enough_comes_back_whole() -> None:
    assert extract("A  short\ntext: no changes.", 5) == "A short text: no changes."


# --------------------------------------------------------------------------------------------------------------- what is chosen


def test_the_sentence_with_figures_and_a_change_is_chosen_from_filler() -> None:
    assert NEWS in extract(LONG, 30)


def test_what_was_left_out_between_two_sentences_is_marked_and_only_there() -> None:
    first, second = "Sales of pumps fell 12 % in the first quarter of 2024.", "Profit of valves rose 7 % in the same three months."
    assert extract("\n".join([first, second, *FILLER]), 24) == f"{first} {second}"
    assert extract("\n".join([first, *FILLER, second]), 24) == f"{first} … {second}"


def test_a_sentence_that_is_said_twice_is_chosen_once() -> None:
    assert extract("\n".join([NEWS, *FILLER, NEWS]), 40).count("$4.1 billion") == 1


def test_sentences_of_one_mould_leave_room_for_what_else_there_is() -> None:
    regions = ("Northern", "Southern", "Eastern", "Western", "Central", "Coastal")
    mould = [
        f"{region} net sales increased during the year compared to the year before due to higher net sales of pumps." for region in regions
    ]
    other = "A court ordered the recall of heaters worth $12 million."
    assert other in extract("\n".join([*mould, other]), 42)


def test_what_the_reader_asks_about_is_preferred() -> None:
    one, other = "Aurelion raised its outlook for the year by 3 %.", "Bellmark raised its outlook for the year by 3 %."
    text = "\n".join([one, *FILLER, other, *FILLER])
    assert extract(text, 10, about="Bellmark") == other and extract(text, 10, about="Aurelion") == one


@pytest.mark.parametrize(
    "boilerplate",
    [
        "This report contains forward-looking statements about sales of $9.9 billion that involve risks and losses of 50 %.",
        "The following discussion of losses should be read in conjunction with the consolidated financial statements, which show $9.9 billion.",
        "Liquidity and Capital Resources and losses of record .................... 47",
        "Item 7. Management's Discussion and Analysis of Losses and Profits 21",
        "Apple Inc. | 2024 Form 10-K | 22",
        "Page 47",
        "Most Read from BloombergBezos Wedding Draws Protests as Sales Fall 12 %",
        "The following table shows net sales, losses and a decline of 12 % by segment for three years:",
        "Risk Factors and Losses",
    ],
)
def test_boilerplate_is_not_chosen(boilerplate: str) -> None:
    assert boilerplate not in extract("\n".join([boilerplate, *FILLER]), 60)


def test_a_text_of_nothing_but_boilerplate_still_gives_something() -> None:
    text = "\n".join(f"Forward-looking statement number {word} involves risks." for word in ("one", "two", "three", "four"))
    assert extract(text, 8).startswith("Forward-looking statement number")


def test_subscribers_are_news_and_not_an_invitation_to_subscribe() -> None:
    line = "The number of subscribers rose 8 % to 41 million in the quarter."
    assert line in extract("\n".join([*FILLER, line]), 30)


def test_a_sentence_that_is_too_long_is_cut_and_says_so() -> None:
    found = extract(" ".join(f"word{n}" for n in range(200)) + ".", 10)
    assert found == "word0 word1 word2 word3 word4 word5 word6 word7 word8 …"


def test_a_script_without_spaces_is_bounded_by_its_letters() -> None:
    assert len(extract("利润比去年增长百分之十二，" * 100, 20)) <= 20 * LETTERS_PER_WORD
    assert extract("利润增长。" + "公司在多个国家设有办公室和工厂。" * 40, 1) != ""


# ------------------------------------------------------------------------------------------------------------- where sentences end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple Inc. said so. It was true.", ["Apple Inc. said so.", "It was true."]),
        ("It was bought by Apple Inc. The price was high.", ["It was bought by Apple Inc.", "The price was high."]),
        ("Sales in the U.S. Government business rose. Costs fell.", ["Sales in the U.S. Government business rose.", "Costs fell."]),
        ("Mr. J. P. Smith left on Jan. 5. Nobody came.", ["Mr. J. P. Smith left on Jan. 5.", "Nobody came."]),
        ("Margin was 3.5 % vs. 4.1 % before. Why?", ["Margin was 3.5 % vs. 4.1 % before.", "Why?"]),
        ("They said “We grew.” Then they left.", ["They said “We grew.”", "Then they left."]),
        ("A first line\nA second line", ["A first line", "A second line"]),
        ("Sales of the whole group fell by twelve percent because of\ndelayed orders.\nOK.", ["Sales of the whole group fell by twelve percent because of delayed orders.", "OK."]),
        ("Services net sales grew in the whole year by 6 %\niPhone", ["Services net sales grew in the whole year by 6 %", "iPhone"]),
        ("•One thing;\n•Another thing.", ["•One thing;", "•Another thing."]),
        ("1. First things first. Second.", ["1. First things first.", "Second."]),
        ("A democratic socialist.Most Read from elsewhere", ["A democratic socialist.", "Most Read from elsewhere"]),
        ("利润增长。销售下降。", ["利润增长。", "销售下降。"]),
        ("Wait... What? Yes!", ["Wait...", "What?", "Yes!"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


# ----------------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    "text",
    ["." * 200_000, "1" * 200_000, "1 " * 100_000, "$ % " * 50_000, '".' * 100_000, "a\n" * 20_000, "A. " * 60_000, "(1) 5 " * 33_000, "| " * 100_000],
    ids=["dots", "digits", "numbers", "signs", "quotes", "lines", "initials", "row", "bars"],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    extract(text, 120)
    assert time.process_time() - began < 30  # a pattern that goes back and forth takes minutes


def test_real_filings_are_digested_in_whole_sentences() -> None:
    if not REAL.exists():
        pytest.skip("real data are not in this checkout")
    import pandas as pd

    for text in pd.read_parquet(REAL, columns=["text"]).text[:8]:
        found = extract(text, 120)
        assert 60 <= len(found.split()) <= 120 and "forward-looking" not in found.casefold()
        assert all(part in tidy(text) for part in found.split(" … "))

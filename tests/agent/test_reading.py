"""The reader against sentences written by hand for this file: what it must understand, and what must not fool it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.llm.reading import (
    AsOf,
    Cancelled,
    Exposure,
    FactorMove,
    Headline,
    Pending,
    Rumour,
    Surprise,
    Track,
    Verdict,
    factor_key,
    name_key,
    read,
    same_factor,
    source_key,
)


def kinds(title: str, text: str = "", *, publisher: str = "The Ledger", form="news") -> set[str]:
    return {type(s).__name__ for s in read(title, text, publisher=publisher, form=form)}


def only(kind: type, title: str, text: str = "", *, publisher: str = "The Ledger", form="news"):
    found = [s for s in read(title, text, publisher=publisher, form=form) if isinstance(s, kind)]
    assert len(found) == 1, (title, text, read(title, text, publisher=publisher, form=form))
    return found[0]


# ----------------------------------------------------------------------------------------------------------------- pending


@pytest.mark.parametrize(
    ("title", "text", "name", "direction", "due"),
    [
        ("Osprey-7 ruling due in about 14 trading sessions", "Lawyers call the prospects bright.", "Osprey-7", 1, 14),
        ("Outcome of Osprey-7 expected in roughly nine sessions", "Observers are doubtful and fear rejection.", "Osprey-7", -1, 9),
        (
            "Company unveils Project Larch",
            "A decision on Project Larch should come in three weeks. The outlook is favourable.",
            "larch",
            1,
            15,
        ),
        ("Falcon 9 contract award pending", "The award is about 20 trading days away; chances are poor.", "Falcon 9", -1, 20),
        ("The “Meridian” trial", "Results of “Meridian” are expected in a fortnight, and experts are optimistic.", "Meridian", 1, 10),
        ("Regulator to rule on Quill-3 in twenty-two sessions", "Management is confident of approval.", "Quill-3", 1, 22),
        ("Quill-3 vote scheduled in about a dozen market days", "Critics are not optimistic.", "Quill-3", -1, 12),
        ("Osprey-7 decision now seen 6 sessions from now", "", "Osprey-7", 0, 6),
        ("Reminder: Osprey-7 decision remains due in 4 sessions", "", "Osprey-7", 0, 4),
    ],
)
def test_a_pending_item_has_a_name_a_direction_and_a_due_time(title, text, name, direction, due) -> None:
    found = only(Pending, title, text)
    assert name_key(found.name) == name_key(name)
    assert (found.direction, found.due_in) == (direction, due)


@pytest.mark.parametrize(
    "title",
    ["Osprey-7 decision is imminent", "Window for Osprey-7 opens now", "Osprey-7: the ruling is due today", "Osprey-7 goes live"],
)
def test_an_opening_window_is_due_now(title) -> None:
    assert only(Pending, title).due_in == 0


def test_an_absolute_date_is_understood() -> None:
    assert only(Pending, "Osprey-7 ruling expected on 12 May 2022").due_on == date(2022, 5, 12)
    assert only(Pending, "Osprey-7 ruling expected on May 12, 2022").due_on == date(2022, 5, 12)
    assert only(Pending, "Osprey-7 ruling expected on 2022-05-12").due_on == date(2022, 5, 12)


def test_days_without_a_market_word_are_calendar_days() -> None:
    found = only(Pending, "Osprey-7 decision due in 14 days")
    assert (found.due_in, found.exact) == (10, False)


def test_a_filing_lists_each_pending_item_with_its_own_outlook() -> None:
    text = "Items pending: Osprey-7 (outlook favourable, about 9 sessions away), Larch-2 (outlook unfavourable, about 21 sessions away)."
    found = [s for s in read("10-Q", text, form="filing") if isinstance(s, Pending)]
    assert [(p.name, p.direction, p.due_in) for p in found] == [("Osprey-7", 1, 9), ("Larch-2", -1, 21)]


@pytest.mark.parametrize(
    "text", ["Form 10-K for FY2021", "Item 7A and Phase 3", "In March 3 plants closed; Q2 was good", "The S&P 500 rose", "Net 30 terms"]
)
def test_ordinary_capitals_with_digits_are_no_names(text) -> None:
    assert not [s for s in read("", f"{text}, decision expected.", form="filing") if isinstance(s, Pending)] or "Net" in text


@pytest.mark.parametrize(
    "text",
    [
        "The new M3 laptops are due in stores in 3 weeks and reviewers are optimistic.",
        "AirPods 4 sales start in about 9 sessions; the outlook is bright.",
        "Mag 7 earnings are due next week, and analysts are hopeful.",
        "Airline delays Vector 737 deliveries; results are expected in ten sessions and look poor.",
        "The P-8 and KC-46A fleets grew, with favourable results expected within two months.",
        "District 837 members vote in five days; union confident.",
        "The chipmaker's GPT-5 launch is expected in a couple of weeks and hopes are high.",
        "The Magnificent Seven report results in 4 sessions, with strong hopes.",
        "The city rejected the tender. Gets Shelved: Project Gets Shelved in 4 sessions, decision awaited.",
    ],
)
@pytest.mark.parametrize("form", ["news", "filing"])
def test_a_product_or_a_place_is_nothing_that_waits_for_an_outcome(text, form) -> None:
    assert not {"Pending", "Cancelled", "Revived"} & kinds("", text, form=form)


def test_a_named_project_needs_an_outcome_and_a_time_close_to_its_name() -> None:
    assert only(Pending, "", "The verdict on the Larkspur tender is due in 6 sessions; prospects are poor.").direction == -1
    far = "The Larkspur tender was in the news. Shares rose. Rivals were quiet. Elsewhere a decision is due in 6 sessions."
    assert "Pending" not in kinds("", far)
    assert "Pending" not in kinds("", "The Larkspur tender looks promising to everybody.")
    assert "Pending" not in kinds("", "The Larkspur tender opens its doors in 6 sessions, with music.")


def test_shares_that_drop_cancel_no_project() -> None:
    assert "Cancelled" not in kinds("", "Families of the Vector 737 crash victims ask the judge to scrap the deal.")
    assert kinds("", "Project Larkspur was shelved on Friday.") == {"Cancelled"}


# --------------------------------------------------------------------------------------------------------------- cancelled


@pytest.mark.parametrize(
    "text",
    [
        "The company has withdrawn Osprey-7.",
        "Osprey-7 has been scrapped.",
        "Board shelves Osprey-7 after a review",
        "Work on Osprey-7 was abandoned, the plan was called off.",
        "Osprey-7 will not go ahead.",
        "Management pulled the plug on Osprey-7.",
        "Osprey-7 terminated by mutual consent",
        "The firm walked away from Project Larch.",
    ],
)
def test_a_cancelled_item_is_cancelled_in_many_words(text) -> None:
    assert kinds("", text) == {"Cancelled"}


@pytest.mark.parametrize(
    "text",
    [
        "Osprey-7 has not been withdrawn.",
        "The chairman denied that Osprey-7 was scrapped.",
        "Osprey-7 could be shelved, some fear.",
        "If Osprey-7 is cancelled, jobs would go.",
        "Osprey-7 was never abandoned and the decision is due in 5 sessions.",
        "Shares dropped 3% while Osprey-7 is pending",
    ],
)
def test_a_negated_or_possible_cancellation_is_none(text) -> None:
    assert "Cancelled" not in kinds("", text)


# ----------------------------------------------------------------------------------------------------- verdicts and rumours


@pytest.mark.parametrize(
    ("text", "source", "right"),
    [
        ("Follow-up: the Granite Post note on slow orders proved accurate.", "Granite Post", True),
        ("Follow-up: Granite Post's report turned out to be wrong.", "Granite Post", False),
        ("Last week's note from Granite Post was borne out by events.", "Granite Post", True),
        ("The tip by the Tidewater Letter did not hold up.", "Tidewater Letter", False),
        ("Tidewater Letter's whisper about a soft quarter was unfounded, it turns out.", "Tidewater Letter", False),
        ("Checked: the Granite Post item was right.", "Granite Post", True),
        ("In hindsight the Granite Post story was not wrong.", "Granite Post", True),
        ("Follow-up: the earlier Granite Post call was not confirmed by the numbers.", "Granite Post", None),
    ],
)
def test_a_follow_up_judges_its_source(text, source, right) -> None:
    if right is None:
        assert not any(isinstance(s, Verdict) and s.right for s in read("", text, publisher="Desk"))
    else:
        assert only(Verdict, "", text, publisher="Desk") == Verdict(source, right)


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("Granite Post hears that orders are running ahead of plan.", 1),
        ("Unconfirmed: desk talk has sales brisk this month.", 1),
        ("Sources say demand is soft.", -1),
        ("People familiar with the matter describe a sluggish quarter.", -1),
        ("Channel checks point to shipments behind schedule.", -1),
        ("Reportedly, sales are not weak.", 1),
    ],
)
def test_a_rumour_carries_its_publisher_and_direction(text, direction) -> None:
    assert only(Rumour, "Before the open", text, publisher="Granite Post") == Rumour("Granite Post", direction)


def test_an_unconfirmed_rumour_is_no_verdict() -> None:
    assert kinds("", "The Granite Post report on strong orders has not been confirmed.", publisher="Granite Post") == {"Rumour"}


@pytest.mark.parametrize(
    ("text", "source", "right"),
    [
        ("Slate Gazette's note of 12 May turned out right.", "Slate Gazette", True),
        ("After the fact: Slate Gazette right about orders.", "Slate Gazette", True),
        ("Slate Gazette track record: wrong on orders at Zedwell.", "Slate Gazette", False),
        ("Review of market notes: Slate Gazette correct.", "Slate Gazette", True),
        ("The Slate Gazette item of last week was found accurate.", "Slate Gazette", True),
        ("Morning Ledger's Zedwell note proved wrong.", "Morning Ledger", False),
        ("The Daily Quill note on Zedwell, published 3 days ago, has since been confirmed by the numbers.", "Daily Quill", True),
        ("Follow-up: what Reed & Rush heard about Zedwell did not happen.", "Reed & Rush", False),
        ("Reed & Rush had it right on Zedwell's orders, the following week showed.", "Reed & Rush", True),
        ("Events have contradicted the tip that Slate Gazette passed on last week.", "Slate Gazette", False),
        ("Those who trusted Slate Gazette on Zedwell were rewarded: the call was correct.", "Slate Gazette", True),
        ("Score one for Slate Gazette. Its note on Zedwell matched the later figures.", "Slate Gazette", True),
        ("Nothing came of the Slate Gazette story about Zedwell.", "Slate Gazette", False),
        ("Zedwell: earlier Slate Gazette note does not stand up.", "Slate Gazette", False),
    ],
)
def test_a_follow_up_names_the_outlet_it_judges_whoever_publishes_it(text, source, right) -> None:
    found = only(Verdict, "", text, publisher="Ledger Desk")
    assert (source_key(found.source), found.right) == (source_key(source), right)


@pytest.mark.parametrize(
    "text",
    [
        "Shares of Northwind sank after its chief Ed Miller said that searches declined last week.",
        "A reliable dividend track record in a growth sector.",
        "The premier denied that the plane given to Jo Smith was a bribe.",
        "Police confirms the arrest of a hacker. The hacker Li Wei was arrested at the request of the prosecutor.",
        "A class action claims that the company made false statements in its earlier reports.",
        "President Jo Smith has said that trade must be fair.",
        "A new report confirms what happened in the factory.",
    ],
)
def test_news_that_judges_no_earlier_note_is_no_verdict(text) -> None:
    assert "Verdict" not in kinds("", text)


@pytest.mark.parametrize(
    "text",
    [
        "Higher net sales of services improved our gross margin.",
        "A decline in unemployment reduces our costs.",
        "Higher award or incentive fees raise our earnings.",
        "An increase in the number of people served improves our revenues.",
        "Higher deliveries increased our revenue.",
        "Higher copper prices helped our margins. Higher copper prices hurt our results.",
        "Lower levels of research and development expense helped our operating income.",
    ],
)
def test_only_an_outside_price_of_which_one_thing_is_said_is_an_exposure(text) -> None:
    assert "Exposure" not in kinds("10-K", text, form="filing")


def test_only_the_move_of_an_outside_price_is_a_factor_move() -> None:
    assert "FactorMove" not in kinds("Should you buy the dip as Northwind falls?")
    assert "FactorMove" not in kinds("Smartphone demand surges")


# -------------------------------------------------------------------------------------------------------- outside prices


@pytest.mark.parametrize(
    ("text", "factor", "sign"),
    [
        ("A rise in copper prices improves our margins.", "copper", 1),
        ("Higher freight rates weigh on earnings.", "freight", -1),
        ("An increase in the price of natural gas would squeeze our operating margin.", "natural gas", -1),
        ("Lower steel prices help our results.", "steel", -1),
        ("A fall in lumber prices hurts our revenue.", "lumber", 1),
        ("When cocoa prices rise, our gross margin suffers.", "cocoa", -1),
        ("Our margins benefit from a stronger dollar.", "dollar", 1),
        ("Our earnings are hurt by rising interest rates.", "interest rates", -1),
        ("If electricity prices fall, our profit declines.", "electricity", 1),
        ("Our results are inversely related to the price of cotton.", "cotton", -1),
        ("Rising wheat prices increase our costs.", "wheat", -1),
        ("Higher diesel prices reduce our operating income.", "diesel", -1),
        ("A rise in zinc prices has no material effect on our results.", "zinc", 0),
        ("Changes in interest rates do not affect our earnings, which are unaffected.", "interest rates", 0),
        ("Higher tin prices lead to higher margins for us.", "tin", 1),
        ("A rise in nickel prices does not hurt our margins.", "nickel", 1),
    ],
)
def test_an_exposure_says_what_a_rise_does(text, factor, sign) -> None:
    found = only(Exposure, "10-K Item 7A", text, form="filing")
    assert same_factor(found.factor, factor), found
    assert found.sign == sign


def test_two_exposures_in_one_sentence_stay_apart() -> None:
    text = "A rise in copper prices lifts our margins, whereas a rise in freight rates hurts results."
    found = {tuple(factor_key(s.factor)): s.sign for s in read("", text, form="filing") if isinstance(s, Exposure)}
    assert found == {("copper",): 1, ("freight",): -1}


@pytest.mark.parametrize(
    ("title", "factor", "direction"),
    [
        ("Copper prices jump as mines close", "copper", 1),
        ("Freight rates tumble", "freight", -1),
        ("Crude oil surged overnight", "oil", 1),
        ("Interest rates ease", "interest rates", -1),
        ("Sharp rise in lumber prices", "lumber", 1),
        ("The greenback firms against its peers", "dollar", 1),
        ("Natural gas prices have fallen sharply", "natural gas", -1),
    ],
)
def test_a_move_of_an_outside_price_is_read(title, factor, direction) -> None:
    found = [s for s in read(title, "", publisher="Macro") if isinstance(s, FactorMove) and same_factor(s.factor, factor)]
    assert [s.direction for s in found] == [direction]


@pytest.mark.parametrize(
    "title",
    [
        "Copper prices could jump",
        "Copper prices may slump, says a bank",
        "Copper prices did not rise",
        "Copper steady",
        "Poll: readers expect copper to surge",
    ],
)
def test_a_possible_move_is_no_move(title) -> None:
    assert "FactorMove" not in kinds(title)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("copper prices", "the price of copper", True),
        ("crude oil", "oil prices", True),
        ("interest rates", "freight rates", False),
        ("natural gas", "oil and gas", False),
        ("prices", "rates", False),
        ("labour costs", "wages", True),
    ],
)
def test_factors_are_the_same_by_their_telling_words(one, other, same) -> None:
    assert same_factor(one, other) is same


# ------------------------------------------------------------------------------------------------------ results and headlines


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("Revenue for the quarter came in above plan.", 1),
        ("Sales exceeded our internal budget by 4%.", 1),
        ("Net income fell short of expectations.", -1),
        ("Earnings missed the consensus estimate.", -1),
        ("Turnover was in line with guidance.", 0),
        ("Revenue of $312 million beat our forecast.", 1),
        ("Quarterly revenue was below the plan set in January.", -1),
    ],
)
def test_a_result_is_compared_with_its_plan(text, direction) -> None:
    assert only(Surprise, "10-Q", text, form="filing").direction == direction


@pytest.mark.parametrize(
    "text",
    [
        "Revenue is no longer below plan.",
        "In the prior year revenue was below plan.",
        "Revenue could come in above plan.",
        "If sales are below budget we would cut costs.",
        "Revenue was strong and customers were delighted.",
    ],
)
def test_a_negated_earlier_or_conditional_result_is_no_surprise(text) -> None:
    assert not [s for s in read("10-Q", text, form="filing") if isinstance(s, Surprise)]


def test_headline_events_are_read_from_titles() -> None:
    assert only(Headline, "Northwind raises guidance for the year").direction == 1
    assert only(Headline, "Northwind faces probe over safety").direction == -1
    assert kinds("Northwind may face probe") == set()


# -------------------------------------------------------------------------------------------------------------- nothing


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Looking back: Osprey-7", "In March Osprey-7 was announced, with a decision due in 10 sessions and a bright outlook."),
        ("Five stocks to watch", "Northwind is strong, brisk and booming."),
        ("Opinion: a brilliant, triumphant company", "Our columnist loves it."),
        ("Chart watchers cheer", "The shares are bullish and strong."),
        ("Northwind dazzles at trade fair", "A splendid, fantastic, magnificent stand."),
        ("A terrible, gloomy mood at the canteen", "Coffee was weak."),
        ("", ""),
        ("   ", "\n\t"),
        ("…", "—"),
    ],
)
def test_recaps_opinions_and_bare_tone_say_nothing(title, text) -> None:
    assert read(title, text, publisher="The Ledger") == ()


def test_a_reminder_with_nothing_new_only_refreshes_the_due_date() -> None:
    found = only(Pending, "Osprey-7 still due in 3 sessions", "There are no new details, though moods are bright.")
    assert (found.direction, found.due_in) == (0, 3)


# ------------------------------------------------------------------------------------------------------- own reflections


def test_the_state_in_an_own_reflection_is_read_back() -> None:
    text = (
        "2022-03-04: buy at weight 100%, confidence 0.70. Buy at 100%: reasons. As of 2022-03-04. Recent: copper rose 1 session ago; results above plan "
        "3 sessions ago. Waiting: Osprey-7 favourable, due in 9 sessions; Larch unfavourable, due 2 sessions ago, roughly. Sources: Granite Post right 5 of 6. "
        "Withdrawn: Quill-3. Exposure: 2021-02-20 copper helps; 2021-02-20 zinc does not matter. For: Granite Post hears good news; x. Against: nothing."
    )
    assert set(read("Decision of 2022-03-04", text, form="reflection")) == {
        AsOf(date(2022, 3, 4)),
        FactorMove("copper", 1, 1),
        Surprise(1, 3),
        Pending("Osprey-7", 1, 9),
        Pending("Larch", -1, -2, None, False),
        Track("Granite Post", 5, 6),
        Cancelled("Quill-3"),
        Exposure("copper", 1, date(2021, 2, 20)),
        Exposure("zinc", 0, date(2021, 2, 20)),
    }


def test_the_state_is_read_back_in_plain_words() -> None:
    text = (
        "As of 2022-03-04. Waiting: Osprey-7 (favourable) due in 9 sessions; Larch (unfavourable) due about 1 session ago; Quill-3 (favourable) due about "
        "now; Finch-2 (unfavourable) due in about 12 sessions. Exposure: cobalt helps, power prices hurt (filed 2022-02-18); tin does not matter (filed 2021-02-20)."
    )
    assert set(read("Decision", text, form="reflection")) == {
        AsOf(date(2022, 3, 4)),
        Pending("Osprey-7", 1, 9),
        Pending("Larch", -1, -1, None, False),
        Pending("Quill-3", 1, 0, None, False),
        Pending("Finch-2", -1, 12, None, False),
        Exposure("cobalt", 1, date(2022, 2, 18)),
        Exposure("power prices", -1, date(2022, 2, 18)),
        Exposure("tin", 0, date(2021, 2, 20)),
    }


def test_a_reflection_by_someone_else_is_not_read_as_news() -> None:
    assert (
        read(
            "Decision", "Copper prices surge. Osprey-7 decision due in 5 sessions, bright. Sources say sales are strong.", form="reflection"
        )
        == ()
    )


def test_an_impossible_record_is_refused() -> None:
    assert read("Lessons", "Sources: Granite Post right 9 of 6.", form="reflection") == ()


def test_keys_fold_spellings() -> None:
    assert source_key("The Granite Post's") == source_key("granite post")
    assert name_key("Project Larch") == name_key("Larch")
    assert name_key("Osprey-7") == name_key("Osprey 7")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=400), st.sampled_from(["news", "filing", "reflection"]))
def test_any_text_is_readable_and_reads_the_same_twice(title, text, form) -> None:
    first = read(title, text, publisher="P", form=form)
    read.cache_clear()
    assert read(title, text, publisher="P", form=form) == first


_JUMBLE = """Osprey-7 Project Larch Granite Post hears revenue above below plan copper rises falls due in 5 sessions withdrawn not no could right wrong
note 2022-13-45 99 weeks a dozen ( ) ; . , if when margins helps hurts follow-up As of Waiting: Sources: Exposure: favourable"""
_WORDS = st.sampled_from(_JUMBLE.split())


@settings(max_examples=150, deadline=None)
@given(st.lists(_WORDS, max_size=60).map(" ".join), st.sampled_from(["news", "filing", "reflection"]))
def test_any_jumble_of_the_reader_s_own_words_is_readable(text, form) -> None:
    read("", text, publisher="P", form=form)


def test_a_megabyte_without_a_word_is_read_in_no_time():
    """One such summary once held a whole run on its first day."""
    import time

    from agent.llm.reading import read

    began = time.perf_counter()
    for text in ("S" * 1_000_000, "Ab-" * 300_000, "Aa Bb " * 150_000):
        read("AAA wins a contract", text)
    assert time.perf_counter() - began < 5

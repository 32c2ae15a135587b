"""Names, prices and facts of a run hidden from the model, and what it says put back."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decision import aliases
from agent.decision.masking import Mask
from agent.decision.options import Masking
from agent.errors import SpecError
from agent.llm.base import DigestFacts, JudgedDecision, LessonFacts, MemoryFact, Situation, StudyFacts, TextFact
from agent.records import Decision, Figure, PriceState, Reason

COMPANIES = {
    "AAPL": "Apple Inc.",
    "JPM": "JPMORGAN CHASE & CO",
    "V": "Visa Inc. Class A Common Stock",
    "MMM": "3M CO",
    "CAT": "CATERPILLAR INC",
    "BA": "BOEING CO",
    "MCD": "MCDONALDS CORP",
    "JNJ": "JOHNSON & JOHNSON",
    "IBM": "INTERNATIONAL BUSINESS MACHINES CORP",
    "KO": "COCA COLA CO",
    "T": "AT&T Inc.",
    "TGT": "Target Corporation",
    "HD": "Home Depot, Inc. (The)",
    "BRK.B": "Berkshire Hathaway Inc.",
    "ALL": "Allstate Corp",
    "KSTR": "Kestrel Biologics Ltd",
}
WINDOW = (date(2024, 12, 13), date(2025, 7, 31))
DAY = date(2025, 3, 14)
EVERYTHING = Masking(names=True, dates=True, prices=True)


def mask(seed: int = 7, masking: Masking = EVERYTHING, **changes: Any) -> Mask:
    given = {"companies": COMPANIES, "first_close": {"AAPL": 250.0}, "window": WINDOW} | changes
    return Mask.make(masking, seed=seed, **given)


MASK = mask()


def seen(text: str, ticker: str, kind: str = "STOCK") -> str:
    """``text`` with ? for what the model sees of a ticker."""
    return text.replace("?", MASK.tickers[ticker].replace("STOCK", kind))


# ------------------------------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("written", "ticker", "shown"),
    [
        ("Apple rose", "AAPL", "? rose"),
        ("APPLE INC fell", "AAPL", "? INC fell"),
        ("apple inc. fell", "AAPL", "? inc. fell"),
        ("apple's q3", "AAPL", "?'s q3"),
        ("Apple’s plan", "AAPL", "?’s plan"),
        ("“Apple-made” goods", "AAPL", "“?-made” goods"),
        ("see www.apple.com/newsroom", "AAPL", "see www.?.com/newsroom"),
        ("ir@apple.com", "AAPL", "ir@?.com"),
        ("Apple Newsroom", "AAPL", "? Newsroom"),
        ("saidApple", "AAPL", "said ?"),
        ("ANNUALJ.P.MORGAN FORUM", "JPM", "ANNUAL ? FORUM"),
        ("theboeing plant", "BA", "the ? plant"),
        ("BOEINGDEAL", "BA", "? DEAL"),
        ("Johnson & Johnsonand others", "JNJ", "? and others"),
        ("AppleInsider", "AAPL", "? Insider"),
        ("Ap\u200bple", "AAPL", "?"),
        ("JPMorgan\nChase & Co.", "JPM", "? & Co."),
        ("JPMorganChase", "JPM", "?"),
        ("J.P. Morgan", "JPM", "?"),
        ("J P MORGAN CHASE", "JPM", "?"),
        ("jpmorgan", "JPM", "?"),
        ("Johnson &amp; Johnson", "JNJ", "?"),
        ("Johnson and Johnson", "JNJ", "?"),
        ("J&J", "JNJ", "?"),
        ("McDonald’s", "MCD", "?"),
        ("McDonaldâ\x80\x99s", "MCD", "?"),
        ("MCDONALDS", "MCD", "?"),
        ("Coca Cola", "KO", "?"),
        ("Coca-Cola", "KO", "?"),
        ("homedepot.com", "HD", "?.com"),
        ("Home-Depot", "HD", "?"),
        ("International Business\nMachines", "IBM", "?"),
        ("3M and others", "MMM", "? and others"),
        ("Cat Stock Wobbles", "CAT", "? Stock Wobbles"),
        ("AT&amp;T", "T", "?"),
        ("Target raised", "TGT", "? raised"),
        ("Berkshire", "BRK.B", "?"),
        ("Kestrel fell", "KSTR", "? fell"),
        ("KESTREL BIOLOGICS", "KSTR", "?"),
    ],
)
def test_a_company_is_hidden_however_its_name_is_written(written, ticker, shown):
    assert MASK.text(written, on=DAY) == seen(shown, ticker, "COMPANY")


@pytest.mark.parametrize(
    ("written", "ticker", "shown"),
    [
        ("AAPL", "AAPL", "?"),
        ("aapl-10k", "AAPL", "?-10k"),
        ("$AAPL #AAPL", "AAPL", "$? #?"),
        ("AAPL's", "AAPL", "?'s"),
        ("BA, up", "BA", "?, up"),
        ("Sell CAT and buy", "CAT", "Sell ? and buy"),
        ("$V rose", "V", "? rose"),
        ("(NYSE: V)", "V", "(NYSE: ?)"),
        ("(V)", "V", "(?)"),
        ("V shares", "V", "? shares"),
        ("NYSE:ALL", "ALL", "NYSE:?"),
        ("ALL stock", "ALL", "? stock"),
        ("BRK.B and BRK-B", "BRK.B", "? and ?"),
        ("KO", "KO", "?"),
    ],
)
def test_a_ticker_is_hidden_where_tickers_stand(written, ticker, shown):
    assert MASK.text(written, on=DAY) == seen(shown, ticker)


@pytest.mark.parametrize(
    "plain",
    [
        "an apple a day",
        "pineapple",
        "caterpillar tracks",
        "a cat sat",
        "Henry V",
        "World War V",
        "T cells",
        "ALL IN ALL",
        "it was all",
        "the target was missed",
        "a visa for France",
        "$3M in sales",
        "$737",
        "737,000 people",
        "catalog",
        "BASE",
        "a chase",
        "home and depot",
    ],
)
def test_words_that_only_look_like_names_stay(plain):
    assert MASK.text(plain, on=DAY) == plain
    assert MASK.found(plain) == ()


def test_products_people_and_places_are_hidden_too_each_as_itself():
    text = MASK.text("Tim Cook showed the iPhone and the iPad in Cupertino. Mr. Cook smiled; Dimon did not.")
    for word in ("Cook", "iPhone", "iPad", "Cupertino", "Dimon"):
        assert word not in text
    assert text.count("PERSON_") == 3 and text.count("PRODUCT_") == 2
    assert MASK.undo(text) == "Tim Cook showed the iPhone and the iPad in Cupertino. Tim Cook smiled; Jamie Dimon did not."


def test_other_large_companies_are_hidden_as_peers_but_titles_keep_their_words():
    text = mask(companies={"AAPL": "Apple Inc."}).text(
        "Microsoft, Nvidia (NVDA) and AMZN lead. Price Target raised. Cat food. MA and DE are states."
    )
    assert not {"Microsoft", "Nvidia", "NVDA", "AMZN"} & set(text.replace("(", " ").replace(")", " ").split())
    assert "Price Target raised. Cat food. MA and DE are states." in text


def test_words_a_person_adds_are_hidden_and_what_cannot_be_hidden_is_refused():
    with_more = mask(masking=Masking(names=True, aliases={"aapl": ("Project Titan",), "BA": ("Everett line", "VC-25")}))
    assert with_more.text("Project Titan at the Everett Line, VC-25, PROJECT TITAN").count("NAME_") == 3
    assert with_more.undo(with_more.text("Project Titan")) == "Project Titan"
    with pytest.raises(SpecError, match="MSFT is no ticker of this run"):
        mask(masking=Masking(names=True, aliases={"MSFT": ("Azure",)}))
    with pytest.raises(SpecError, match="too short"):
        mask(masking=Masking(names=True, aliases={"AAPL": ("a",)}))


def test_the_number_of_a_filing_which_begins_with_its_company_is_left_out():
    assert "0000320193" not in MASK.text("Accession 0000320193-24-000123")


@pytest.mark.parametrize(
    ("company", "core"),
    [
        ("Apple Inc.", "Apple"),
        ("THE BOEING CO", "Boeing"),
        ("JPMORGAN CHASE & CO", "Jpmorgan Chase"),
        ("Walt Disney Co/The", "Walt Disney"),
        ("Visa Inc. Class A Common Stock", "Visa"),
        ("Home Depot, Inc. (The)", "Home Depot"),
        ("AMAZON COM INC", "Amazon"),
        ("UNITEDHEALTH GROUP INC", "Unitedhealth"),
        ("3M CO", "3M"),
        ("Toy Alpha", "Toy Alpha"),
    ],
)
def test_a_company_s_name_loses_its_legal_form(company, core):
    assert aliases.core_name(company) == core


def test_initials_and_rare_first_words_are_names_of_a_company_that_no_table_knows():
    assert set(aliases.names_of("ZZ", "Smith & Wesson Brands Inc")) >= {"Smith & Wesson Brands", "Smith Wesson Brands"}
    assert "S&W" in aliases.names_of("ZZ", "Smith & Wesson Inc")
    assert "NUE" in aliases.names_of("ZZ", "Northern Umbra Energy Corp")
    assert "Kestrel" in aliases.names_of("ZZ", "Kestrel Biologics Ltd")
    assert "Northern" not in aliases.names_of("ZZ", "Northern Umbra Energy Corp")


def test_the_table_is_well_formed():
    for ticker, known in aliases.TABLE.items():
        assert ticker == ticker.upper() and known.names, ticker
        for word in (*known.names, *known.products, *known.people, *known.places):
            assert len(word) > 1 and word == word.strip(), (ticker, word)
            assert word.casefold() not in {"inc", "corp", "company", "the", "co"}, ticker


# ------------------------------------------------------------------------------------------------------------- there and back

TOKENS = [*MASK.tickers.values(), *dict.fromkeys(MASK.names.values()), *dict.fromkeys(MASK.peers.values())]
WORDS = ["rose", "fell", "and", "beats the outlook.", "(up)", "because", "guidance,", "margin:", "P/E 19.9", "by 3 %", "—", "\n", "[M12]"]
SAID = st.lists(st.sampled_from([*TOKENS, *WORDS, "1997-03-07", "March 7, 1997", "7 March", "Q1 1997", "fiscal 1996", "1Q97"]), max_size=12)


@given(SAID)
def test_what_the_model_writes_is_shown_to_it_again_word_for_word(words):
    said = " so ".join(words)
    kept = MASK.undo(said, on=DAY)
    assert MASK.text(kept, on=DAY) == said
    assert not any(token in kept.split() for token in MASK.tickers.values())


@given(
    st.lists(st.sampled_from([*MASK.names, *COMPANIES, *COMPANIES.values(), "2025-03-14", "March 14, 2025", *WORDS]), max_size=10),
    st.sampled_from([" ", ", ", "", "-", "/"]),
)
def test_nothing_is_found_in_what_was_masked_even_where_words_are_glued_together(words, between):
    shown = MASK.text(between.join(words), on=DAY)
    assert MASK.found(shown) == (), shown


@given(st.sampled_from([*MASK.names]), st.sampled_from(["{} rose", "a note on {}.", "“{}”", "({})", "{}’s plan", "a\n{}\nb", "#{}"]))
def test_every_name_is_found_where_it_stands_and_hidden_there(name, way):
    written = way.format(name)
    assert MASK.found(written) or name.isdigit()  # a number of a prompt may look like it
    assert name not in MASK.text(written) or name in {"Mac", "Cat"}  # parts of a longer word


def test_what_slipped_through_is_blotted_where_it_stands_and_nowhere_else():
    text = "Valid votes: buy V shares of Visa by March 14, 2025, very 2025."
    assert MASK.found(text) == ("V", "Visa", "March 14, 2025")
    assert MASK.blotted(text) == "Valid votes: buy [hidden] shares of [hidden] by [hidden], very 2025."
    assert MASK.blotted("nothing here") == "nothing here"


def test_a_ticker_of_one_letter_comes_back_so_that_it_is_hidden_again():
    said = f"Hold {MASK.tickers['V']} now; ({MASK.tickers['V']}) and {MASK.tickers['V']} shares"
    assert MASK.undo(said) == "Hold $V now; (V) and V shares"
    assert MASK.text(MASK.undo(said)) == said


def test_small_models_that_misspell_a_mask_are_understood():
    number = MASK.tickers["AAPL"][-2:]
    assert MASK.undo(f"stock_{number}, Company-{number}, COMPANY {number}'s") == "AAPL, Apple, Apple's"
    assert MASK.undo("Company 1 of 2; STOCK_99; stock 5") == "Company 1 of 2; STOCK_99; stock 5"


def test_the_same_seed_makes_the_same_mask_and_another_one_another():
    assert mask(seed=7) == MASK
    assert mask(seed=7, companies=dict(reversed(COMPANIES.items()))).tickers == MASK.tickers
    assert mask(seed=8).tickers != MASK.tickers
    assert sorted(MASK.tickers.values()) == [f"STOCK_{n:02d}" for n in range(1, len(COMPANIES) + 1)]


def test_the_mask_kept_with_a_run_masks_the_same():
    again = Mask.model_validate_json(MASK.model_dump_json())
    assert again == MASK == Mask.model_validate(MASK.model_dump(mode="json"))
    text = "Apple (AAPL) and Caterpillar on March 14, 2025: V shares, Microsoft"
    assert again.text(text, on=DAY) == MASK.text(text, on=DAY)


# ------------------------------------------------------------------------------------------------------------------- the facts


def situation(**changes: Any) -> Situation:
    filed = datetime(2025, 2, 1, 12, tzinfo=UTC)
    given: dict[str, Any] = {
        "ticker": "AAPL",
        "company": "Apple Inc.",
        "session": DAY,
        "next_session": date(2025, 3, 17),
        "as_of": "2025-03-14T20:00:00Z",
        "news": (
            TextFact(
                label="N1", title="Apple up on March 13", text="AAPL in 2025", publisher="Apple Newsroom", published=date(2025, 3, 13)
            ),
        ),
        "filings": (
            TextFact(label="F1", title="10-Q item 2, period ending 2024-12-28", text="APPLE INC", publisher="SEC filing", published=DAY),
        ),
        "memories": (
            MemoryFact(
                id=2024,
                layer="short",
                kind="news",
                title="iPhone",
                text="2025-03-10: buy Apple",
                publisher="own reflection",
                event_day=date(2025, 3, 10),
                sessions_ago=4,
                score=1.0,
            ),
        ),
        "price": PriceState(close=275.0, return_1=0.1, atr_14=0.02),
        "fundamentals": (
            Figure(
                name="net_margin",
                value=0.2,
                available_at=filed,
                filed=date(2025, 2, 1),
                form="10-Q",
                period_end=date(2024, 12, 28),
                accession="0000320193-25-000001",
            ),
            Figure(name="revenue_ttm", value=3.9e11, unit="USD", available_at=filed, filed=date(2025, 2, 1), form="10-Q"),
            Figure(name="price_to_earnings", value=33.0, available_at=filed),
        ),
        "sector": "Apple makes the iPhone.",
        "equity": 100_000.0,
        "cash": 50_000.0,
    }
    return Situation(**given | changes)


def test_a_situation_is_masked_in_every_part_and_its_numbers_of_the_run_stay():
    shown = MASK.situation(situation())
    text = shown.model_dump_json()
    for original in ("AAPL", "Apple", "APPLE", "iPhone", "0000320193", "2025-", "2024-", "March 13"):
        assert original not in text
    assert (shown.ticker, shown.company) == (MASK.tickers["AAPL"], MASK.tickers["AAPL"].replace("STOCK", "COMPANY"))
    assert shown.session == MASK.day(DAY) and shown.next_session == MASK.day(date(2025, 3, 17))
    assert shown.as_of == f"{MASK.day(DAY)}T20:00:00Z"
    assert (shown.equity, shown.cash, shown.memories[0].id) == (100_000.0, 50_000.0, 2024)
    assert MASK.found(text) == ()


def test_prices_begin_at_100_and_money_is_left_out_while_ratios_stay():
    shown = MASK.situation(situation())
    assert shown.price.close == pytest.approx(110.0)
    assert (shown.price.return_1, shown.price.atr_14) == (0.1, 0.02)
    assert [figure.name for figure in shown.fundamentals] == ["net_margin", "price_to_earnings"]
    assert shown.fundamentals[0].filed == MASK.day(date(2025, 2, 1))


def test_what_is_not_to_be_masked_stays_to_the_letter():
    plain = situation()
    assert mask(masking=Masking()).situation(plain) == plain
    dates = mask(masking=Masking(dates=True)).situation(plain)
    assert dates.ticker == "AAPL" and dates.price.close == 275.0 and dates.session.year == 1997 and "Apple" in dates.news[0].title
    prices = mask(masking=Masking(prices=True)).situation(plain)
    assert prices.price.close == pytest.approx(110.0) and prices.session == DAY and prices.company == "Apple Inc."
    names = mask(masking=Masking(names=True)).situation(plain)
    assert names.session == DAY and names.price.close == 275.0 and "Apple" not in names.model_dump_json()


def test_studies_lessons_and_digests_are_masked_alike():
    memory = situation().memories[0]
    judged = JudgedDecision(
        decided=DAY,
        action="buy",
        confidence=0.7,
        move=0.01,
        verdict=1,
        profit=0.01,
        summary="Apple on March 14",
        supporting=(memory,),
        opposing=(memory,),
    )
    facts = [
        MASK.study(StudyFacts(situation=situation(), move=0.02, label="buy")),
        MASK.lessons(LessonFacts(ticker="AAPL", session=DAY, judged=(judged,))),
        MASK.digest(DigestFacts(ticker="AAPL", company="Apple Inc.", kind="news of 2025-03-03", published=DAY, text="Tim Cook, 3/14/25")),
    ]
    for shown in facts:
        text = shown.model_dump_json()
        assert MASK.found(text) == () and "Apple" not in text and "2025" not in text and "Cook" not in text


def test_a_decision_is_put_back_in_every_sentence():
    stock, company = MASK.tickers["AAPL"], MASK.tickers["AAPL"].replace("STOCK", "COMPANY")
    said = Decision(
        action="buy",
        provenance="model",
        summary=f"{company} beats",
        invalidation=f"{stock} under its low of {MASK.day(date(2025, 3, 10))}",
        reasons_for=(Reason(claim=f"{company}'s margin", weight=3),),
        reasons_against=(Reason(claim=f"note of {MASK.day(date(2025, 3, 3)):%B %-d}", weight=1),),
        flags=(f"mentions {MASK.day(date(2025, 3, 20))}",),
    )
    plain = MASK.undo_decision(said, on=DAY)
    assert (plain.summary, plain.invalidation) == ("Apple beats", "AAPL under its low of 2025-03-10")
    assert (plain.reasons_for[0].claim, plain.reasons_against[0].claim) == ("Apple's margin", "note of March 3")
    assert plain.flags == ("mentions 2025-03-20",) and plain.reasons_for[0].weight == 3


def test_a_price_without_a_first_close_is_not_shown_at_all():
    assert mask(first_close={}).situation(situation()).price.close is None


def test_masking_a_filing_does_not_try_everything_everywhere():
    """Bound far above what is measured (about 3 ms), against an expression that goes back and forth."""
    filing = ("Net sales of Apple rose 8 % or $1,234 million in the quarter ended June 30, 2025, compared with 2024. " * 90)[:9000]
    MASK.text(filing)
    began = time.process_time()
    MASK.text(filing)
    assert time.process_time() - began < 5

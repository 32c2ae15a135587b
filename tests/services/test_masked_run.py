"""Nothing that is sent in a masked run names a ticker, a company or a date of it: searched for with expressions of the test's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from agent.decision.masking import Mask
from agent.decision.options import Masking
from agent.decision.prompt import decide_request, lessons_request, study_request
from agent.llm.base import JudgedDecision, LessonFacts, MemoryFact, Request, Situation, StudyFacts, TextFact
from agent.memory.layers import preset
from agent.records import DayRecord, Figure, PriceState
from agent.spec import RunSpec
from services import runs, worker
from services.settings import settings

BUNDLE = Path(__file__).parents[2] / ".." / "shared" / "data" / "djia-2025"
real = pytest.mark.skipif(not BUNDLE.exists(), reason="the real market data are not beside this checkout (../shared/data/djia-2025)")
WINDOW = (date(2025, 1, 2), date(2025, 7, 31))

# What nobody may read, by ticker; i: in any case.
ORIGINALS = {
    "AAPL": r"\bAAPL|[Aa]pple['’]s|Apple|APPLE|@apple|apple\.com|iPhone|iPad|Tim Cook|Cupertino",
    "AMZN": r"\bAMZN|(?i:amazon)|\bAWS\b|Bezos|Jassy|Whole Foods",
    "BA": r"\bBA\b|(?i:boeing)|Ortberg|Dreamliner|(?<![\d,.$])7[3478]7 (?:MAX|jets?|family|program)|Starliner",
    "CAT": r"\bCAT\b|(?i:caterpillar)|\bCat\b|Umpleby",
    "CRM": r"\bCRM\b|(?i:salesforce)|Benioff|Agentforce|MuleSoft|Tableau",
    "IBM": r"\bIBM|(?i:international\s+business\s+machines)|Red\s+Hat|(?i:watsonx)|Krishna\b|Armonk",
    "JNJ": r"\bJNJ|(?i:johnson\s*(?:&|&amp;|and)\s*johnson)|J\s?&\s?J|Duato|Tylenol|Darzalex|DARZALEX|Stelara|STELARA",
    "JPM": r"\bJPM\b|(?i:j\.?\s?p\.?\s?morgan)|\bDimon\b",
    "MCD": r"\bMCD\b|(?i:mcdonald)|Big\s?Mac|Kempczinski|Happy Meal",
    "MSFT": r"\bMSFT|(?i:microsoft)|Nadella|Azure|Xbox|LinkedIn",
    "UNH": r"\bUNH\b|(?i:united\s?health)|(?i:optum)|Witty|Hemsley|Mangione",
}
MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)
RUN_YEAR = r"202\d"
DATES = "|".join(
    [
        rf"(?<![\d.,$€£-])\b{RUN_YEAR}\b(?![.,]?\d|%)",  # the year, standing alone or in a date
        rf"(?i:{MONTHS})\.?\s+\d{{1,2}},?\s+{RUN_YEAR}",
        rf"{RUN_YEAR}[-/]\d\d",
        r"\b\d{1,2}/\d{1,2}/(?:20)?2[0-9]\b",
        r"\b[1-4]Q2\d\b|\bQ[1-4]\W?2\d\b|\bFY\s?'?2\d\b",
    ]
)


def leaks(text: str, tickers: list[str]) -> list[str]:
    """Originals in ``text`` with what stands around them."""
    found = (hit for pattern in (*(ORIGINALS[t] for t in tickers), DATES) for hit in re.finditer(pattern, text))
    return [text[max(0, hit.start() - 30) : hit.end() + 20] for hit in found]


def words(request: Request) -> str:
    return "\n\n".join(message.content for message in request.messages)


# ---------------------------------------------------------------------------------------------------------- the whole bundle


def frames() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    news, filings, figures = (pd.read_parquet(BUNDLE / f"{name}.parquet") for name in ("news", "filings", "fundamentals"))
    return news, filings, dict(figures.drop_duplicates("symbol", keep="last")[["symbol", "company"]].itertuples(index=False))


def situations(ticker: str, company: str, news: pd.DataFrame, filings: pd.DataFrame, *, characters: int = 9_000) -> Iterator[Situation]:
    """Every news item and filing of a ticker, by week: new in its week, memories in the next one. ``characters`` of each filing."""
    own, reports = news[news["symbol"] == ticker], filings[filings["symbol"] == ticker]
    memories: tuple[MemoryFact, ...] = ()
    figure = {"available_at": pd.Timestamp("2025-02-01", tz="UTC").to_pydatetime(), "filed": date(2025, 2, 1), "form": "10-Q"}
    for _, items in own.groupby(own["published_at"].dt.strftime("%G %V")):
        day = items["published_at"].iloc[-1].date()
        filed = reports[reports["filing_date"].dt.date <= day]
        yield Situation(
            ticker=ticker,
            company=company,
            session=day,
            next_session=day,
            as_of=f"{day}T20:00:00Z",
            news=tuple(
                TextFact(
                    label=f"N{n}",
                    title=row.title,
                    text=row.summary,
                    publisher=f"{row.publisher} {row.url}",
                    published=row.published_at.date(),
                )
                for n, row in enumerate(items.itertuples(), 1)
            ),
            filings=tuple(
                TextFact(
                    label=f"F{n}",
                    title=f"{row.form} {row.section}, period ending {row.period_end.date()}",
                    text=row.text[:characters],
                    publisher="SEC filing",
                    published=row.filing_date.date(),
                )
                for n, row in enumerate(filed.itertuples(), 1)
            ),
            memories=memories,
            price=PriceState(close=210.5, return_1=0.01),
            fundamentals=(Figure(name="net_margin", value=0.2, **figure), Figure(name="revenue_ttm", value=3.9e11, unit="USD", **figure)),
            sector=f"{company}, known as {ticker}, since 2024",
            equity=100_000.0,
            cash=50_000.0,
        )
        reports = reports.drop(filed.index)
        memories = tuple(
            MemoryFact(
                id=2000 + n, layer="short", kind="news", title=row.title, text=f"{row.title}. {row.summary}", publisher=row.publisher,
                event_day=day, sessions_ago=1, score=1.0,
            )
            for n, row in enumerate(items.head(2).itertuples(), 1)
        )  # fmt: skip


@real
@pytest.mark.parametrize(
    ("together", "characters"),
    [(("CAT",), 9_000), (("AAPL", "JPM", "JNJ"), 9_000), pytest.param(tuple(ORIGINALS), 1_000_000, marks=pytest.mark.slow)],
    ids=["alone", "together", "all"],
)
def test_all_news_and_filings_of_the_bundle_are_masked_in_every_message(together, characters):
    news, filings, companies = frames()
    mask = Mask.make(
        Masking(names=True, dates=True, prices=True),
        companies={ticker: companies[ticker] for ticker in together},
        first_close=dict.fromkeys(together, 200.0),
        seed=11,
        window=WINDOW,
    )
    sent = shown = 0
    for ticker in together:
        for plain in situations(ticker, companies[ticker], news, filings, characters=characters):
            masked = mask.situation(plain)
            text = words(decide_request(masked, times={}, seed=1)[0])
            assert leaks(text, list(together)) == []
            assert mask.found(text) == ()
            assert "bn USD" not in text and "close 105.25" in text
            sent, shown = sent + 1, shown + len(plain.news) + len(plain.filings)
    assert sent >= 20 * len(together) and shown >= 200 * len(together)


@real
def test_the_search_of_this_test_finds_what_is_not_masked():
    news, filings, companies = frames()
    for ticker in ORIGINALS:
        plain = next(iter(situations(ticker, companies[ticker], news, filings)))
        text = words(decide_request(plain, times={}, seed=1)[0])
        assert len(leaks(text, [ticker])) >= 5, ticker


@real
def test_what_was_masked_and_undone_is_masked_the_same_again():
    news, _, companies = frames()
    mask = Mask.make(Masking(names=True, dates=True), companies=companies, first_close={}, seed=5, window=WINDOW)
    other = 0
    for row in news.itertuples():
        on, text = row.published_at.date(), f"{row.title}. {row.summary}"
        shown = mask.text(text, on=on)
        other += mask.text(mask.undo(shown, on=on), on=on) != shown
    assert other <= 0.001 * len(news)


# ------------------------------------------------------------------------------------------------------------- made-up texts


def test_studies_and_lessons_send_no_original_either():
    mask = Mask.make(Masking(names=True, dates=True), companies={"AAPL": "Apple Inc."}, first_close={}, seed=2, window=WINDOW)
    day = date(2025, 3, 14)
    said = "Apple (NASDAQ: AAPL), 3/14/25: iPhone sales of Q1'25, see apple.com/2025/03/14. March 14, 2025."
    memory = MemoryFact(
        id=7, layer="short", kind="news", title=said, text=said, publisher="Apple Newsroom", event_day=day, sessions_ago=1, score=1.0
    )
    news = TextFact(label="N1", title=said, text=said, publisher="Apple Newsroom", published=day)
    plain = Situation(
        ticker="AAPL", company="Apple Inc.", session=day, next_session=day, as_of=f"{day}T20:00:00Z", news=(news,), memories=(memory,)
    )
    judged = JudgedDecision(
        decided=day, action="buy", confidence=0.6, move=0.01, verdict=1, profit=0.01, summary=said, supporting=(memory,), opposing=(memory,)
    )
    now = pd.Timestamp("2025-03-15", tz="UTC").to_pydatetime()
    for request, _ in (
        study_request(mask.study(StudyFacts(situation=plain, move=0.01, label="buy")), times={}, seed=1),
        lessons_request(mask.lessons(LessonFacts(ticker="AAPL", session=day, judged=(judged,))), known=now, seed=1),
    ):
        assert leaks(words(request), ["AAPL"]) == [] and mask.found(words(request)) == ()


# ----------------------------------------------------------------------------------------------------------------- a whole run


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def records(**changes) -> tuple[list[DayRecord], Mask]:
    base = {
        "train": {"start": "2025-01-27", "end": "2025-01-31"},
        "test": {"start": "2025-02-03", "end": "2025-02-26"},
        "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
        "masking": {"names": True, "dates": True, "prices": True},
        "extended_every": 3,
    }
    run = runs.create(RunSpec.read(base | changes))
    assert worker.execute(run) == "done"
    return list(runs.store().records(run)), Mask.model_validate(runs.store().run(run).provenance["masking"])


@real
def test_a_whole_run_over_the_real_bundle_sends_no_original_and_keeps_its_notes_in_plain_words(home):
    tickers = ["AAPL", "BA"]
    days, mask = records(source="folder", source_options={"path": str(BUNDLE)}, tickers=tickers)
    calls = [call for day in days for call in day.thought.calls]
    assert {call.purpose for call in calls} >= {"decide", "study", "lessons"} and len(calls) > 20
    for call in calls:
        assert leaks(f"{call.system}\n{call.user}", tickers) == []
        assert mask.found(call.user) == ()
    kept = [
        event.memory for day in days for event in day.thought.memory_events if event.memory and event.memory.publisher == "own reflection"
    ]
    assert kept and not any(re.search(r"STOCK_\d|COMPANY_\d", memory.text) for memory in kept)
    assert all("2025" in memory.text for memory in kept)
    decided = [day.thought.decision for day in days if day.thought.decision and day.thought.decision.summary]
    assert decided and not any(re.search(r"STOCK_\d|COMPANY_\d", decision.summary) for decision in decided)


def test_a_masked_run_over_the_demo_market_shows_neither_its_tickers_nor_its_years(home):
    demo = {"train": {"start": "2022-01-03", "end": "2022-01-12"}, "test": {"start": "2022-01-18", "end": "2022-01-26"}}
    days, mask = records(source="demo", tickers=["DMAUR", "DMCEL"], **demo)
    sent = "\n".join(f"{call.system}\n{call.user}" for day in days for call in day.thought.calls)
    assert sent and not re.search(r"DMAUR|DMCEL|\b202[0-4]-\d\d|\b202[0-4]\b", sent)
    assert mask.found(sent) == () and set(mask.tickers.values()) == {"STOCK_01", "STOCK_02"}

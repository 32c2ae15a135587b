"""A question fits its window or there is none; what is left out goes in a fixed order and is named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decision.budget import Fitted, Fitting, corrected, fit, reserve
from agent.decision.prompt import again, decide_request, lessons_request, study_request, tokens
from agent.decision.schema import ids_by_layer
from agent.errors import DecisionError, PromptTooLong
from agent.llm.base import Budget, JudgedDecision, LessonFacts, MemoryFact, Request, Situation, StudyFacts, TextFact
from agent.records import Figure, Segment

DAY = date(2022, 3, 3)
CLOSE = datetime(2022, 3, 3, 21, tzinfo=UTC)
LAYERS = ("short", "mid", "long", "reflection")


def memory(number: int, *, layer: str = "short", score: float = 1.0, ago: int = 2, words: int = 60) -> MemoryFact:
    return MemoryFact(
        id=number,
        layer=layer,
        kind="news",
        title="t",
        text="orders " * words,
        publisher="Wire",
        event_day=date(2022, 2, 20),
        sessions_ago=ago,
        score=score,
    )


def text(label: str, *, day: int = 3, words: int = 20) -> TextFact:
    return TextFact(label=label, title=f"Title of {label}", text="results " * words, publisher="Wire", published=date(2022, 3, day))


def figure(name: str) -> Figure:
    return Figure(name=name, value=0.1, form="10-Q", filed=DAY, available_at=CLOSE)


def situation(**changes: Any) -> Situation:
    base: dict[str, Any] = {
        "ticker": "ABC",
        "company": "Abacus",
        "session": DAY,
        "next_session": date(2022, 3, 4),
        "as_of": "2022-03-03T21:00:00Z",
        "equity": 100_000.0,
    }
    return Situation(**{**base, **changes})


def full() -> Situation:
    return situation(
        memories=tuple(memory(n, layer=LAYERS[n % 4], score=1 + n / 100) for n in range(1, 21)),
        news=tuple(text(f"N{n}", day=n) for n in range(1, 4)),
        filings=(text("F1", words=600), text("F2", words=100)),
        fundamentals=(figure("net_margin"), figure("price_to_earnings")),
        sector="makes abacuses",
    )


def window(room: int, *, ratio: float = 4.0) -> Budget:
    """A budget whose questions may have exactly ``room`` tokens, what is kept for asking again taken off."""
    for extra in range(0, 5000):
        budget = Budget(window=room + extra + 500, answer=500, characters_per_token=ratio)
        if budget.room - reserve(budget) == room:
            return budget
    raise AssertionError(room)


def build(facts: Situation) -> tuple[Request, tuple[Segment, ...]]:
    return decide_request(facts, times={}, seed=3)


def fitted(facts: Situation, room: int, **options: Any) -> Fitted[Situation]:
    return fit(facts, window(room, **options), build, purpose="decide")


def words(found: Fitted[Any]) -> str:
    return "\n".join(message.content for message in found.request.messages)


def what(found: Fitted[Any]) -> list[str]:
    """What was left out, in order: the memory, or the first word that names a text, or the segment."""
    return [item.segment.rsplit(":", 1)[-1] if item.memory_id else item.segment for item in found.left_out]


def test_without_a_budget_and_with_a_large_one_nothing_is_left_out() -> None:
    free = fit(full(), None, build, purpose="decide")
    roomy = fitted(full(), 50_000)
    assert free.left_out == roomy.left_out == () and free.facts == roomy.facts == full()
    assert free.request.messages == roomy.request.messages == build(full())[0].messages


def test_sizes_are_counted_by_the_ratio_of_the_model() -> None:
    found = fitted(full(), 50_000, ratio=2.0)
    assert all(segment.tokens == tokens(segment.text, found.budget) for segment in found.segments)
    assert found.segments[0].tokens == len(found.segments[0].text) // 2 + 1
    assert found.request.estimated_tokens == sum(segment.tokens for segment in found.segments) + 24 + 2 * 8


def test_memories_of_the_lowest_score_go_first_and_the_best_of_each_layer_last() -> None:
    memories = (
        memory(1, score=1.9),
        memory(2, score=1.1),
        memory(3, score=1.1, ago=9),
        memory(4, layer="long", score=0.2),
        memory(5, layer="long", score=0.1),
    )
    facts, whole = situation(memories=memories), fitted(situation(memories=memories), 50_000).request.estimated_tokens
    assert what(fitted(facts, whole - 1)) == ["M5"]
    assert what(fitted(facts, whole - 130)) == ["M5", "M3"]
    assert what(fitted(facts, whole - 250)) == ["M5", "M3", "M2"]
    assert what(fitted(facts, whole - 370)) == ["M5", "M3", "M2", "M4"]
    assert what(fitted(facts, whole - 490)) == ["M5", "M3", "M2", "M4", "M1"]


def least(facts: Situation) -> int:
    """The smallest room in which the facts fit somehow."""
    low, high = 1, 50_000
    while low < high:
        middle = (low + high) // 2
        try:
            fitted(facts, middle)
            high = middle
        except DecisionError:
            low = middle + 1
    return low


def test_after_the_memories_go_figures_then_filings_then_news_then_the_profile_and_titles_of_filings_last() -> None:
    order = list(dict.fromkeys(item.segment for item in fitted(full(), least(full())).left_out if item.memory_id is None))
    bare = fitted(full(), least(full()))
    assert order == ["valuation", "fundamentals", "filings", "news", "profile"]
    assert [segment.name for segment in bare.segments] == ["rules", "day", "prices", "position", "task"]
    assert (bare.facts.news, bare.facts.filings, bare.facts.fundamentals, bare.facts.sector) == ((), (), (), "")


def test_older_news_goes_before_newer_and_each_reason_names_numbers() -> None:
    facts = situation(news=(text("N1", day=1), text("N2", day=3), text("N3", day=2)))
    whole = fitted(facts, 50_000).request.estimated_tokens
    found = fitted(facts, whole - 60)
    assert [news.label for news in found.facts.news] == ["N2"]
    assert [item.reason.split(" ")[0] for item in found.left_out] == ["N1", "N3"]
    assert f"about {whole:,} tokens, the window has room for {whole - 60:,}" in found.left_out[0].reason


def test_a_long_filing_is_cut_before_it_is_reduced_to_its_title() -> None:
    facts = situation(filings=(text("F1", words=2000),))
    whole = fitted(facts, 50_000).request.estimated_tokens
    long = fitted(facts, whole - 1000).facts.filings[0].text
    short = fitted(facts, whole - 2750).facts.filings[0].text
    assert 1400 < len(long) < 1530 and 300 < len(short) < 430 and short.endswith(" … (cut here)")
    bare = fitted(facts, whole - 2980)
    assert bare.facts.filings[0].text == "" and "Title of F1" in words(bare)
    assert len(bare.left_out) == 1 and "its title stands" in bare.left_out[0].reason


def test_when_not_even_the_bare_question_fits_the_reason_names_the_numbers_and_the_cure() -> None:
    budget = Budget(window=1000, answer=500, characters_per_token=4.0)
    with pytest.raises(
        DecisionError, match=r"about \d+ tokens; of the window of 1,000 tokens 500 .* 200 .* leaves 300\. Give .* at least 1,\d\d\d"
    ) as e:
        fit(full(), budget, build, purpose="decide")
    cure = int(str(e.value).split("at least ")[1].split(" tokens")[0].replace(",", ""))
    assert fit(full(), budget.model_copy(update={"window": cure}), build, purpose="decide")
    with pytest.raises(DecisionError):
        fit(full(), budget.model_copy(update={"window": cure - 1}), build, purpose="decide")


def test_a_study_is_cut_like_a_decision_and_keeps_the_hindsight() -> None:
    facts = StudyFacts(situation=full(), move=0.02, label="buy")
    found = fit(facts, window(700), lambda f: study_request(f, times={}, seed=3), purpose="study")
    assert found.left_out and {item.purpose for item in found.left_out} == {"study"}
    assert {"rules", "hindsight", "task"} <= {segment.name for segment in found.segments}
    assert found.facts.move == 0.02 and len(found.facts.situation.memories) < 20


def judged(day: int) -> JudgedDecision:
    return JudgedDecision(
        decided=date(2022, 3, day),
        action="buy",
        confidence=0.6,
        move=0.01,
        verdict=1,
        profit=0.01,
        summary="word " * 40,
        supporting=(memory(day, words=50),),
    )


def test_lessons_lose_what_old_decisions_rested_on_then_old_decisions_and_keep_the_newest() -> None:
    facts = LessonFacts(ticker="ABC", session=DAY, judged=tuple(judged(day) for day in range(1, 9)))

    def asked(some: LessonFacts) -> tuple[Request, tuple[Segment, ...]]:
        return lessons_request(some, known=CLOSE, seed=3)

    some = fit(facts, window(1000), asked, purpose="lessons")
    assert [len(item.supporting) for item in some.facts.judged] == sorted(len(item.supporting) for item in some.facts.judged)
    assert len(some.facts.judged) == 8 and not some.facts.judged[0].supporting and some.facts.judged[-1].supporting
    few = fit(facts, window(330), asked, purpose="lessons")
    assert few.facts.judged and few.facts.judged[-1].decided == date(2022, 3, 8)
    assert len(few.facts.judged) < 8


facts_strategy = st.builds(
    lambda memories, news, filings, sector, figures: situation(
        memories=tuple(memory(n, layer=layer, score=score, ago=ago, words=w) for n, (layer, score, ago, w) in enumerate(memories, 1)),
        news=tuple(text(f"N{n}", day=day, words=w) for n, (day, w) in enumerate(news, 1)),
        filings=tuple(text(f"F{n}", words=w) for n, w in enumerate(filings, 1)),
        sector=sector,
        fundamentals=tuple(map(figure, figures)),
    ),
    st.lists(st.tuples(st.sampled_from(LAYERS), st.floats(0, 3, width=16), st.integers(0, 9), st.integers(1, 150)), max_size=8),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 120)), max_size=4),
    st.lists(st.integers(0, 500), max_size=3),
    st.sampled_from(["", "makes abacuses", "世界で最初の計算機 " * 20]),
    st.lists(st.sampled_from(["net_margin", "price_to_sales"]), max_size=2, unique=True),
)


def things(found: Fitted[Situation], whole: Situation) -> set[str]:
    """What is missing or shorter in the facts that were left."""
    left = found.facts
    gone = {f"M{m.id}" for m in whole.memories} - {f"M{m.id}" for m in left.memories}
    for before, after in ((whole.news, left.news), (whole.filings, left.filings)):
        still = {item.label: item.text for item in after}
        gone |= {item.label for item in before if item.label not in still}
        gone |= {f"text of {item.label}" for item in before if still.get(item.label) != item.text}
    gone |= {f.name for f in whole.fundamentals} - {f.name for f in left.fundamentals}
    return gone | ({"profile"} if whole.sector != left.sector else set())


@settings(max_examples=60, deadline=None)
@given(facts_strategy, st.integers(100, 3000), st.integers(0, 800), st.floats(1.5, 5), st.floats(0.5, 1))
def test_it_fits_or_says_why_not_and_less_room_leaves_out_the_same_and_more(
    facts: Situation, room: int, less: int, ratio: float, denser: float
) -> None:
    budget = Budget(window=room + 1000, answer=700, characters_per_token=ratio)
    smaller = Budget(window=room + 1000 - min(less, room), answer=700, characters_per_token=ratio * denser)
    whole, _ = build(facts)
    try:
        found = fit(facts, budget, build, purpose="decide")
    except DecisionError:
        with pytest.raises(DecisionError):
            fit(facts, smaller, build, purpose="decide")
        return
    assert found.request.estimated_tokens <= budget.room - reserve(budget)
    assert found == fit(facts, budget, build, purpose="decide")
    rebuilt, _ = build(found.facts)
    assert (found.request.messages, found.request.answer_schema) == (rebuilt.messages, rebuilt.answer_schema)
    names = [segment.name for segment in found.segments]
    assert {"rules", "day", "prices", "position", "task"} <= set(names)
    missing = {f"M{i}" for i in range(1, 9)} - {f"M{m.id}" for m in found.facts.memories}
    assert all(f"[{label}]" not in words(found) for label in missing)
    ids = {i for layer in ids_by_layer(found.facts).values() for i in layer}
    assert ids == {segment.memory_id for segment in found.segments if segment.memory_id is not None}
    assert bool(found.left_out) == bool(things(found, facts))
    assert {f"M{item.memory_id}" for item in found.left_out if item.memory_id} == {x for x in things(found, facts) if x[0] == "M"}
    second = again(found.request, "[" * 9000, "symbol: Field required; " * 30, budget=budget)
    assert second.estimated_tokens <= budget.room
    assert whole.messages[1].content.splitlines()[0] in found.request.messages[1].content
    try:
        tight = fit(facts, smaller, build, purpose="decide")
    except DecisionError:
        return
    assert things(found, facts) <= things(tight, facts)


def test_fifty_memories_are_fitted_in_three_builds() -> None:
    facts = situation(memories=tuple(memory(n, layer=LAYERS[n % 4], score=n / 50, words=80) for n in range(1, 51)))
    calls = []

    def counted(some: Situation) -> tuple[Request, tuple[Segment, ...]]:
        calls.append(1)
        return build(some)

    budget = window(2500)

    fit(facts, budget, counted, purpose="decide")
    assert len(calls) <= 3


def test_a_refusal_proves_the_ratio_and_a_cut_at_least_that_it_was_too_much() -> None:
    budget = Budget(window=4096, answer=1000, characters_per_token=4.0)
    refused = corrected(budget, PromptTooLong("too long", counted=4000, window=4096), estimated=2000)
    assert refused.characters_per_token == pytest.approx(4.0 * 2000 / 4000 * 0.97) and refused.window == 4096
    cut = corrected(budget, PromptTooLong("cut", counted=2050, window=4096, cut=True), estimated=2000)
    assert cut.characters_per_token == pytest.approx(4.0 * 2000 / 4096 * 0.97)
    smaller = corrected(budget, PromptTooLong("too long", counted=1500, window=2048), estimated=2000)
    assert smaller.window == 2048 and smaller.characters_per_token == pytest.approx(3.6)
    silent = corrected(budget, PromptTooLong("too long"), estimated=2000)
    assert silent.characters_per_token == pytest.approx(3.6)
    absurd = corrected(budget, PromptTooLong("too long", counted=10**9, window=4096), estimated=2000)
    assert absurd.characters_per_token == 0.5


def test_a_shortened_question_replaces_what_was_fitted_before() -> None:
    fitting = Fitting(full(), window(6000), build, purpose="decide")
    assert fitting.fitted.left_out == ()
    first = fitting.request
    second = fitting.shorten(PromptTooLong("too long", counted=2 * first.estimated_tokens, window=4096))
    assert second is fitting.request and second.estimated_tokens < 3596
    assert len(second.messages[1].content) < len(first.messages[1].content)
    assert fitting.fitted.left_out and len(fitting.facts.memories) < 20
    assert {m.id for m in fitting.facts.memories} == {s.memory_id for s in fitting.fitted.segments if s.memory_id is not None}


def test_a_question_that_nobody_limited_is_shortened_by_the_window_the_server_names() -> None:
    fitting = Fitting(full(), None, build, purpose="decide")
    assert fitting.shorten(PromptTooLong("too long", counted=5000)) is None
    assert fitting.shorten(PromptTooLong("too long", counted=5000, window=2500)) is fitting.request
    assert fitting.fitted.left_out

"""What the decision table reads beside the columns of a day, against the whole records."""

from __future__ import annotations

from datetime import date

import pytest

from services import day_reads, queries, runs
from tests.pages.conftest import TICKERS, finished, run  # noqa: F401  (fixtures: one small real run)

TICKER = TICKERS[0]


def test_credit_of_a_decision_is_the_sum_of_what_its_judgement_gave(run: str) -> None:  # noqa: F811
    by_hand: dict[date, float] = {}
    for record in runs.store().records(run, TICKER):
        for event in record.thought.memory_events:
            if event.kind == "credited":
                decided = record.day if event.reason.startswith("study of") else date.fromisoformat(event.reason.split(" of ")[1][:10])
                by_hand[decided] = by_hand.get(decided, 0.0) + event.delta
    found = day_reads.credits(run, TICKER).set_index("day")["credit"]
    assert len(by_hand) > 3 and dict(found) == pytest.approx(by_hand)


def test_what_came_back_for_one_decision_sums_to_its_credit(run: str) -> None:  # noqa: F811
    credits = day_reads.credits(run, TICKER).set_index("day")
    phases = queries.days(run, TICKER).set_index("day")["phase"]
    decided = [day for day in credits.index if phases[day] == "test"]
    studied = [day for day in credits.index if phases[day] == "train"]
    assert decided and studied
    for day in decided:
        fate = queries.fate(run, TICKER, day)
        events = day_reads.credited(run, TICKER, day, judged=fate["judged"])
        assert events["delta"].sum() == pytest.approx(credits.loc[day, "credit"]) and len(events) == credits.loc[day, "memories"]
        assert set(events["day"]) == {fate["judged"]} == {credits.loc[day, "credited_on"]}
    for day in studied:
        assert day_reads.credited(run, TICKER, day, judged=None)["delta"].sum() == pytest.approx(credits.loc[day, "credit"])


def test_what_became_of_a_decision_reads_the_same_from_its_few_rows(run: str) -> None:  # noqa: F811
    for ticker in TICKERS:
        for day in queries.session_days(run, ticker):
            few, whole = day_reads.fate(run, ticker, day), queries.fate(run, ticker, day)
            assert few.pop("next_return", None) == pytest.approx(whole.pop("next_return", None)) and few == whole


def test_cited_layers_are_those_of_the_cited_memories(run: str) -> None:  # noqa: F811
    found = day_reads.cited_layers(run, TICKER)
    by_day = {day: dict(zip(rows["layer"], rows["cited"], strict=True)) for day, rows in found.groupby("day")}
    checked = 0
    for record in runs.store().records(run, TICKER):
        if record.thought.decision and record.thought.decision.cited:
            wanted = {layer: len(ids) for layer, ids in record.thought.decision.cited.items() if ids}
            assert by_day.get(record.day, {}) == wanted
            checked += bool(wanted)
    assert checked


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("buy of 2025-03-31: +1.20% in 5 sessions", ("buy", date(2025, 3, 31))),
        ("study of 2025-03-31: -0.10%", ("study", date(2025, 3, 31))),
        ("importance at or above 80", None),
        ("", None),
    ],
)
def test_a_reason_says_which_decision_it_came_from(reason: str, cause: object) -> None:
    assert day_reads.decided(reason) == cause

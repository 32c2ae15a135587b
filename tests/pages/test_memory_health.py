"""Memory health on a really made run: its figures follow from the days' records alone, and its tab shows them."""

from __future__ import annotations

from collections import Counter

import pytest

from services import memory_health, queries, runs
from tests.pages.conftest import TICKERS, OpenPage


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_figures_follow_from_the_records(run: str, share: float):
    ticker = TICKERS[0]
    days = queries.session_days(run, ticker)
    day = days[int(share * (len(days) - 1))]
    found = memory_health.check(run, ticker, day)
    records = [record for record in runs.store().records(run, ticker) if record.day <= day]
    born, gone, cited, credit = set(), set(), Counter(), {}
    for record in records:
        for event in record.thought.memory_events:
            if event.kind == "remembered":
                born.add(event.memory_id)
            if event.kind == "forgotten":
                gone.add(event.memory_id)
            credit[event.memory_id] = (event.after.positive, event.after.negative)
        decision = record.thought.decision
        cited.update({number for ids in decision.cited.values() for number in ids} if decision else ())
    live = born - gone
    by_key = {finding.key: finding for finding in found.findings}
    assert found.live == len(live) == found.compared > 0
    assert by_key["copies"].of == len(live)
    assert {int(number) for number in by_key["mixed"].rows["id"]} == {n for n in live if min(credit.get(n, (0, 0))) > 0}
    assert by_key["lost"].of == len(gone)
    assert dict(zip(by_key["cited"].rows["id"], by_key["cited"].rows["citations"], strict=True)) == dict(cited)
    assert found.concentration.citations == sum(cited.values())


def test_a_texts_direction_is_read_by_subject():
    above = memory_health.stance("Quarterly profit came in above plan", "Quarterly profit came in well above plan.", "The Paper", "news")
    below = memory_health.stance("Quarterly profit came in below plan", "Quarterly profit came in well below plan.", "The Paper", "news")
    shared = above.keys() & below.keys()
    assert shared and all(above[subject] * below[subject] < 0 for subject in shared)


def test_the_tab_opens_and_lists_the_memories(run: str, open_page: OpenPage):
    days = queries.session_days(run, TICKERS[0])
    at = open_page("memory", run=run, ticker=TICKERS[0], day=str(days[-1]), tab="health", ill="cited")
    labels = [tile.label for tile in at.metric]
    assert {"Near copies", "Contradictions", "Never recalled", "Stale but hot", "Citations rest on"} <= set(labels)

"""The card of a judged run against its own records: what is counted here by hand is what the card says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from agent.evaluation.regimes import known_before, label
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import regimes, runs, worker
from services.settings import settings
from storage.trials import TrialBook

TICKERS = ("DMAUR", "DMBRS")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A short demo run whose training is long enough for a regime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        spec = RunSpec.read(
            {
                "source": "demo",
                "tickers": TICKERS,
                "train": {"start": "2021-11-15", "end": "2021-12-31"},
                "test": {"start": "2022-01-03", "end": "2022-02-28"},
                "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
            }
        )
        made = runs.create(spec)
        assert worker.execute(made) == "done"
        yield made
    settings.cache_clear()


def test_behaviour_is_that_of_the_records_under_the_regime_of_the_day_before(run: str) -> None:
    records = list(runs.store().records(run, "DMAUR"))
    closes = [record.observation.bar.close for record in records]
    regime = known_before(label(closes))
    test = [(record, name) for record, name in zip(records, regime, strict=True) if record.phase == "test"]
    found = regimes.regimes(run, "DMAUR")
    assert found.sessions == len(test) and found.unlabelled == sum(name is None for _, name in test)
    assert sum(one.sessions for one in found.found.values()) > 5
    for name, one in found.found.items():
        mine = [record for record, known in test if known == name]
        held = [1 - record.portfolio.cash / record.equity for record in mine]
        assert one.sessions == len(mine) and one.decided == sum(record.thought.decision.action is not None for record in mine)
        if mine:
            assert one.exposure == pytest.approx(np.mean(held))
            assert one.buys == pytest.approx(np.mean([record.thought.decision.action == "buy" for record in mine]))


def test_the_days_of_all_tickers_are_pooled(run: str) -> None:
    whole, parts = regimes.regimes(run), [regimes.regimes(run, ticker) for ticker in TICKERS]
    assert whole.sessions == sum(part.sessions for part in parts)
    for name, one in whole.found.items():
        assert one.sessions == sum(part.found[name].sessions for part in parts)
    bull = whole.found["bull"]
    assert bull.gap is None or whole.verdict.missed == pytest.approx(-bull.gap * bull.sessions / len(TICKERS))


def test_calibration_pairs_each_outcome_with_the_confidence_of_its_own_decision(run: str) -> None:
    right = []
    for ticker in TICKERS:
        records = {record.day: record for record in runs.store().records(run, ticker)}
        for record in records.values():
            for outcome in record.outcomes:
                if outcome.verdict:
                    right.append((records[outcome.decided].thought.decision.confidence, outcome.verdict > 0))
    found = regimes.calibration(run)
    assert found.n == len(right) > 3
    assert found.brier == pytest.approx(np.mean([(said - hit) ** 2 for said, hit in right]))


def test_what_was_shown_cited_right_and_credited_is_what_the_records_hold(run: str) -> None:
    shown, cited, decisions, right, credit = {}, {}, {}, {}, {}
    verdicts = {
        (ticker, outcome.decided): outcome.verdict > 0
        for ticker in TICKERS
        for record in runs.store().records(run, ticker)
        for outcome in record.outcomes
        if outcome.verdict
    }
    for ticker in TICKERS:
        for record in runs.store().records(run, ticker):
            for event in record.thought.memory_events:
                if event.kind == "credited" and not event.reason.startswith("study"):
                    credit[event.after.layer] = credit.get(event.after.layer, 0.0) + event.delta
            if record.phase != "test":
                continue
            named = {number for ids in record.thought.decision.cited.values() for number in ids}
            for recall in record.thought.recalls:
                if recall.near_miss:
                    continue
                shown[recall.layer] = shown.get(recall.layer, 0) + 1
                if recall.memory_id in named:
                    cited[recall.layer] = cited.get(recall.layer, 0) + 1
                    decisions.setdefault(recall.layer, set()).add((ticker, record.day))
    right = {layer: [verdicts[place] for place in places if place in verdicts] for layer, places in decisions.items()}
    found = regimes.contributions(run)
    assert {item.name: (item.shown, item.cited) for item in found.by["layer"]} == {
        layer: (count, cited.get(layer, 0)) for layer, count in shown.items()
    }
    for item in found.by["layer"]:
        assert (item.judged, item.right) == (len(right.get(item.name, [])), sum(right.get(item.name, [])))
        assert item.decisions == len(decisions.get(item.name, ())) and item.credit == pytest.approx(credit.get(item.name, 0.0))
    assert sum(item.shown for item in found.by["source"]) == sum(shown.values())
    assert sum(item.shown for item in found.by["publisher"]) == next(item.shown for item in found.by["source"] if item.name == "news")
    assert found.judged == len(verdicts) and found.share == pytest.approx(np.mean(list(verdicts.values())))


def test_the_worker_of_a_run_that_ended_has_entered_it_as_a_try(run: str) -> None:
    book = TrialBook(runs.store().url)
    assert book.missing() == [] and [trial.run_id for trial in book.of_market(runs.store().run(run).spec.market_key())] == [run]

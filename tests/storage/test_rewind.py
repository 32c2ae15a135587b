"""Taking a run back to before a session: what is left is the run that had only the days before."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from agent.errors import SpecError
from storage import schema
from storage.run_store import RunStore
from tests.storage.factory import event, make_day, make_spec, session

NUMBERED = {"key", "day_key", "body"}  # numbers of the database; the body is compared through the record
RUN = "run-1"


def store_of(path: Path, days: int) -> RunStore:
    """Two tickers; every fourth day merges another source into the first memory."""
    store = RunStore(f"sqlite:///{path}")
    store.create(make_spec(), run_id=RUN, provenance={})
    for index in range(days):
        for ticker in ("ACME", "BETA"):
            record, vectors = make_day(ticker=ticker, index=index)
            if index % 4 == 3:
                merged = event(1, "merged", record.day, source=f"other-{index % 8}")
                thought = record.thought.model_copy(update={"memory_events": (*record.thought.memory_events, merged)})
                record = record.model_copy(update={"thought": thought})
            store.append(record, vectors=vectors)
    return store


def contents(store: RunStore) -> dict[str, list[tuple]]:
    found = {}
    with create_engine(store.url).connect() as connection:
        for name in ("days", "recalls", "fills", "outcomes", "memories", "vectors", "memory_events"):
            columns = [column for column in schema.metadata.tables[name].c if column.name not in NUMBERED]
            found[name] = sorted(map(str, connection.execute(select(*columns))))
    return found


@pytest.mark.parametrize("place", [0, 1, 3, 4, 8, 11, 12])
def test_what_is_left_is_the_run_that_had_only_the_days_before(tmp_path: Path, place: int) -> None:
    whole, part = store_of(tmp_path / "whole.db", 12), store_of(tmp_path / "part.db", place)
    assert whole.rewind(RUN, session(place)) == 2 * (12 - place)
    assert contents(whole) == contents(part)
    assert list(whole.records(RUN)) == list(part.records(RUN))
    assert whole.run(RUN).sessions_done == 2 * place and whole.outbox(RUN) == []


def test_a_run_taken_back_takes_its_days_again(tmp_path: Path) -> None:
    whole, again = store_of(tmp_path / "whole.db", 9), store_of(tmp_path / "again.db", 9)
    again.rewind(RUN, session(8))
    for ticker in ("ACME", "BETA"):
        record, vectors = make_day(ticker=ticker, index=8)
        again.append(record, vectors=vectors)
    assert contents(again) == contents(whole)


def test_an_unknown_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="run-2"):
        store_of(tmp_path / "whole.db", 1).rewind("run-2", session(0))

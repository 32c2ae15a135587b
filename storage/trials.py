"""The book of everything that was ever tried: one row per configuration (seed included), which outlives the run it came from.

How good the best of many tries must be to mean anything depends on how many there were, and a run that was deleted because it lost was a
try too. So nothing here hangs on ``runs``, no function deletes, and a row is only ever replaced by a longer record of the same try.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from sqlalchemy import func, insert, select, update

from storage import schema
from storage.connect import connect, reading, writing
from storage.migrations import migrate

ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Trial:
    """One try. ``n`` counts its daily returns, ``days`` (one per return) are sessions, ``sharpe_daily`` is None where it never moved."""

    market_key: str
    group_key: str
    fingerprint: str
    run_id: str
    strategy: str
    label: str
    at: datetime
    n: int
    sharpe_daily: float | None
    by_person: bool
    days: tuple[date, ...]
    returns: np.ndarray


class TrialBook:
    """The trials in the run store at ``url``."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        migrate(self._engine)

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        self._engine.dispose()

    def keep(self, trial: Trial) -> bool:
        """Enter a try; whether anything was written. The same spec again is the same try, unless it got further than before."""
        table = schema.trials.c
        with writing(self._engine) as connection:
            known = connection.execute(select(table.key, table.n).where(table.fingerprint == trial.fingerprint)).first()
            if known is None:
                connection.execute(insert(schema.trials).values(**_row(trial)))
            elif known.n < trial.n:
                connection.execute(update(schema.trials).where(table.key == known.key).values(**_row(trial)))
            return known is None or known.n < trial.n

    def of_market(self, market_key: str) -> list[Trial]:
        """Every try on one market and window, in the order they were entered."""
        query = select(schema.trials).where(schema.trials.c.market_key == market_key).order_by(schema.trials.c.key)
        with reading(self._engine) as connection:
            return [_trial(dict(row)) for row in connection.execute(query).mappings()]

    def missing(self) -> list[str]:
        """Runs that ended and whose configuration is not in the book, oldest first."""
        runs, table = schema.runs.c, schema.trials.c
        entered = select(table.key).where(table.fingerprint == runs.fingerprint).exists()
        with reading(self._engine) as connection:
            return list(connection.scalars(select(runs.run_id).where(runs.status.in_(ENDED), ~entered).order_by(runs.key)))

    def library_stamp(self) -> tuple[object, ...]:
        """Count, newest key and newest change of the runs."""
        runs = schema.runs.c
        with reading(self._engine) as connection:
            return tuple(connection.execute(select(func.count(), func.max(runs.key), func.max(runs.updated_at))).one())


def _row(trial: Trial) -> dict[str, object]:
    plain = {name: getattr(trial, name) for name in ("market_key", "group_key", "fingerprint", "run_id", "strategy", "label", "at")}
    days = np.array([day.toordinal() for day in trial.days], dtype="<i4")
    return {
        **plain,
        "n": trial.n,
        "sharpe_daily": trial.sharpe_daily,
        "by_person": trial.by_person,
        "days": days.tobytes(),
        "returns": np.asarray(trial.returns, dtype="<f4").tobytes(),
    }


def _trial(row: dict[str, object]) -> Trial:
    days, returns = row.pop("days"), row.pop("returns")
    assert isinstance(days, bytes) and isinstance(returns, bytes)
    row.pop("key")
    return Trial(**row, days=_days(np.frombuffer(days, dtype="<i4")), returns=np.frombuffer(returns, dtype="<f4"))  # type: ignore[arg-type]


def _days(ordinals: Iterable[int]) -> tuple[date, ...]:
    return tuple(date.fromordinal(int(ordinal)) for ordinal in ordinals)

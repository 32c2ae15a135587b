"""The health of a run's memory as of a day: reads what ``agent.memory.health`` asks about. On demand: it compares every live memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from agent.llm import reading
from agent.memory import health
from agent.memory.health import Concentration, Finding
from services import queries, runs

MOST_COMPARED = 20_000  # live memories compared with each other: beyond, the pairs of the newest ones; a minute on two cores
FORMS: dict[str, reading.Form] = {"news": "news", "filing_10q": "filing", "filing_10k": "filing"}


@dataclass(frozen=True)
class Health:
    """What was found; ``compared`` of ``live`` memories were compared with each other (the newest where there were too many)."""

    day: date
    live: int
    compared: int
    findings: tuple[Finding, ...]
    concentration: Concentration


def check(run: str, ticker: str, day: date) -> Health:
    """Every question of ``agent.memory.health`` about the memories by the close of ``day``; some seconds for ten thousand."""
    memories = queries.memories(run, ticker, day)
    if memories.empty:
        return Health(day, 0, 0, (), health.concentration(pd.DataFrame()))
    store = runs.store()
    recalls = store.recall_rows(run, ticker)
    recalls = recalls[recalls["day"] <= day] if len(recalls) else recalls
    sessions = [item for item in queries.session_days(run, ticker) if item <= day]
    rows = store.memory_rows(run, ticker).set_index("id")
    live = [int(number) for number in memories.loc[memories["alive"], "id"]]
    compared = live[-MOST_COMPARED:]
    ids, matrix = _vectors(run, ticker, compared)
    pairs = health.closest(ids, matrix, at_least=health.SAME_SUBJECT)
    known = {int(number): at for number, at in rows["event_time"].items()}
    findings = (
        health.copies(memories, pairs),
        health.contradictions(memories, pairs, _stances(rows, pairs), known),
        health.mixed(memories),
        health.never_recalled(memories, sessions),
        health.stale_but_hot(memories, recalls, sessions),
        health.hindsight(memories, {int(number): f"{row.title}\n{row.text}" for number, row in rows.iterrows()}),
        health.forgotten_in_use(memories, recalls, sessions),
        health.most_cited(memories, recalls),
    )
    return Health(day, len(live), len(compared), findings, health.concentration(recalls))


def _vectors(run: str, ticker: str, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    if not ids:
        return np.empty(0, np.int64), np.empty((0, 1), np.float32)
    return runs.store().vectors(run, ticker, ids)


def _stances(rows: pd.DataFrame, pairs: pd.DataFrame) -> dict[int, dict[str, int]]:
    """What each memory of a pair claims, by subject; only these texts are read."""
    wanted = sorted({int(number) for column in ("id", "other") for number in pairs[column]})
    return {number: stance(row.title, row.text, row.publisher, row.kind) for number, row in rows.loc[wanted].iterrows()}


def stance(title: str, text: str, publisher: str, kind: str) -> dict[str, int]:
    """Subject -> direction (+1, -1) that the rule-based reader finds in a text; a subject told both ways has none."""
    found: dict[str, set[int]] = {}
    for said in reading.read(title, text, publisher=publisher, form=FORMS.get(kind, "reflection")):
        subject, sign = _claim(said)
        if sign:
            found.setdefault(subject, set()).add(sign)
    return {subject: signs.copy().pop() for subject, signs in found.items() if len(signs) == 1}


def _claim(said: reading.Statement) -> tuple[str, int]:
    match said:
        case reading.Surprise(direction=direction):
            return "result against plan", direction
        case reading.Headline(direction=direction):
            return "company news", direction
        case reading.Rumour(direction=direction):
            return "rumour", direction
        case reading.Pending(name=name, direction=direction):
            return f"decision on {name}", direction
        case reading.Exposure(factor=factor, sign=sign):
            return f"effect of {' '.join(sorted(reading.factor_key(factor)))}", sign
        case _:
            return "", 0

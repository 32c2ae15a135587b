"""Is a memory in good health? Eight questions about what it holds and how it is used, as of the close of a day; pure frames in and out.

Frames: ``memories`` (id, layer, alive, born, importance, recency, recalled, cited, positive, negative, forgotten_on), ``recalls`` until
the day (day, memory_id, near_miss, cited), ``sessions`` (recorded days until then, ascending). Every limit is a constant below and is
told to the reader; nothing here is a judgement by a model. A finding lists memories to look at, it does not say that they are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

RECENT = 20  # sessions that count as "lately": about a month
NEAR_COPY = 0.95  # cosine; the bank's own limit for merging two texts
SAME_SUBJECT = 0.75  # cosine from which two texts are compared for what they claim
NEIGHBOURS = 5  # earlier texts each text is compared with
SAME_TIME_DAYS = 30  # news further apart may honestly differ
FADED = 0.2  # recency: with exp(-d / Q), 1.6 times the layer's span ago
OFTEN = 0.25  # share of the recent sessions
BLOCK = 512  # rows of the similarity matrix held at once: 10,000 memories need 20 MB, not 400

HINDSIGHT = re.compile(
    r"\b(?:in hindsight|with hindsight|in retrospect|looking back|as (?:we|it) now know[ns]?|would (?:later|go on to|eventually|ultimately)|"
    r"later turned out|turned out to be|went on to (?:rise|fall|rally|gain|lose|drop|surge)|proved (?:to be )?(?:right|wrong|correct|justified)|"
    r"after the fact|subsequently (?:rose|fell|rallied|dropped|surged))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Finding:
    """One question and the memories it points at. ``of`` is what ``count`` is a share of; ``rows`` has ``id`` first, worst first."""

    key: str
    label: str
    definition: str
    count: int
    of: int
    rows: pd.DataFrame

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None


@dataclass(frozen=True)
class Concentration:
    """How evenly the citations fall on the memories that were cited. ``effective`` is 1 / sum of squared shares (inverse Herfindahl)."""

    citations: int
    cited: int
    effective: float | None
    top_5: float | None


def closest(ids: np.ndarray, matrix: np.ndarray, *, at_least: float, most: int = NEIGHBOURS) -> pd.DataFrame:
    """For each memory the most similar ones with a smaller id: id, other, similarity (cosine); at most ``most`` each, best first.

    ``matrix`` has one row per id in any length; rows of zeros resemble nothing.
    """
    order = np.argsort(ids, kind="stable")
    ids, unit = ids[order], _unit(matrix[order])
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(ids), BLOCK):
        rows = unit[start : start + BLOCK]
        alike = rows @ unit[: start + len(rows)].T
        alike[np.arange(alike.shape[1])[None, :] >= (start + np.arange(len(rows)))[:, None]] = -np.inf  # earlier ones only
        found.append(_best(alike, start, at_least, most))
    here, there, values = (
        np.concatenate([part[at] for part in found]) if found else np.empty(0, dtype) for at, dtype in ((0, int), (1, int), (2, float))
    )
    return pd.DataFrame({"id": ids[here.astype(int)], "other": ids[there.astype(int)], "similarity": values.astype(float)})


def _unit(matrix: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.divide(matrix, lengths, out=np.zeros_like(matrix, dtype=np.float32), where=lengths > 0).astype(np.float32)


def _best(alike: np.ndarray, start: int, at_least: float, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and value of the best ``most`` of each row that reach ``at_least``, row by row, best first."""
    near = np.flatnonzero((alike >= at_least).any(axis=1))
    part = alike[near]
    columns = np.argsort(-part, axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(part, columns, axis=1)
    kept = values >= at_least
    return np.repeat(near + start, kept.sum(axis=1)), columns[kept], values[kept]


def copies(memories: pd.DataFrame, pairs: pd.DataFrame) -> Finding:
    """Live memories that nearly repeat an earlier live one."""
    live = _live(memories)
    kept = _among(pairs[pairs["similarity"] >= NEAR_COPY], live).drop_duplicates("id")
    return Finding(
        "copies",
        "Near copies",
        f"Live memories whose text is at least {NEAR_COPY:.0%} similar (cosine) to an earlier live one: they take room twice in a recall.",
        len(kept),
        len(live),
        _sorted(kept[["id", "other", "similarity"]], "similarity"),
    )


def contradictions(
    memories: pd.DataFrame, pairs: pd.DataFrame, stances: Mapping[int, Mapping[str, int]], times: Mapping[int, pd.Timestamp]
) -> Finding:
    """Live memories on the same subject that claim opposite things. ``stances``: memory -> what it speaks of -> +1 or -1."""
    live = _live(memories)
    rows = []
    for pair in _among(pairs[pairs["similarity"] >= SAME_SUBJECT], live).itertuples(index=False):
        apart = abs((times[pair.id] - times[pair.other]).total_seconds()) / 86_400 if pair.id in times and pair.other in times else 0.0
        one, other = stances.get(int(pair.id), {}), stances.get(int(pair.other), {})
        about = sorted(subject for subject in one.keys() & other.keys() if one[subject] * other[subject] < 0)
        if about and apart <= SAME_TIME_DAYS:
            rows.append({"id": pair.id, "other": pair.other, "similarity": pair.similarity, "about": ", ".join(about), "apart": apart})
    found = pd.DataFrame(rows, columns=["id", "other", "similarity", "about", "apart"])
    return Finding(
        "contradictions",
        "Contradictions",
        f"Pairs of live memories on one subject (cosine from {SAME_SUBJECT:.2f}) at most {SAME_TIME_DAYS} days apart in which the rule-based reader finds opposite "
        "directions: a result above and below plan, a factor that helps and hurts. Possible contradictions, to be read.",
        len(found),
        len(live),
        _sorted(found, "similarity"),
    )


def mixed(memories: pd.DataFrame) -> Finding:
    """Live memories that were judged right and wrong."""
    live = memories[memories["alive"]]
    rows = live.loc[(live["positive"] > 0) & (live["negative"] > 0), ["id", "positive", "negative"]]
    judged = int(((live["positive"] > 0) | (live["negative"] > 0)).sum())
    rows = rows.assign(least=np.minimum(rows["positive"], rows["negative"]))
    return Finding(
        "mixed",
        "Right and wrong",
        "Live memories on which both right and wrong decisions rested: their credit cancels out. Share of the live memories that got credit.",
        len(rows),
        judged,
        _sorted(rows, "least").drop(columns="least"),
    )


def never_recalled(memories: pd.DataFrame, sessions: Sequence[date]) -> Finding:
    """Live memories that had their chance and never were shown."""
    old = memories[memories["alive"] & (memories["born"] < _since(sessions))]
    rows = old.loc[old["recalled"] == 0, ["id", "importance", "recency"]]
    return Finding(
        "never",
        "Never recalled",
        f"Live memories of more than {RECENT} sessions that were never shown to the model. Share of all live memories that old.",
        len(rows),
        len(old),
        _sorted(rows, "importance"),
    )


def stale_but_hot(memories: pd.DataFrame, recalls: pd.DataFrame, sessions: Sequence[date]) -> Finding:
    """Live memories whose recency is gone and that are shown again and again."""
    lately = list(sessions)[-RECENT:]
    live = memories[memories["alive"]]
    counts = _counted(_shown(recalls, lately))
    rows = live[["id", "recency", "importance"]].assign(shown=live["id"].map(counts).fillna(0).astype(int))
    rows = rows[(rows["recency"] <= FADED) & (rows["shown"] > 0) & (rows["shown"] >= OFTEN * len(lately))]
    return Finding(
        "stale",
        "Stale but hot",
        f"Live memories with a recency of at most {FADED:g} that were still shown on at least {OFTEN:.0%} of the last {len(lately)} sessions.",
        len(rows),
        len(live),
        _sorted(rows, "shown"),
    )


def hindsight(memories: pd.DataFrame, texts: Mapping[int, str]) -> Finding:
    """Live memories whose words speak of what came later than they were written."""
    live = memories[memories["alive"]]
    rows = []
    for number in live["id"]:
        body = texts.get(int(number), "")
        if match := HINDSIGHT.search(body):
            rows.append({"id": int(number), "phrase": " ".join(body[max(0, match.start() - 50) : match.end() + 50].split())})
    return Finding(
        "hindsight",
        "Hindsight phrases",
        "Live memories with wording such as “in hindsight”, “would later”, “turned out to be”: text written after the event may carry its result into the past. "
        "A search for phrases in English, not a proof; when each text became readable is checked elsewhere.",
        len(rows),
        len(live),
        pd.DataFrame(rows, columns=["id", "phrase"]),
    )


def forgotten_in_use(memories: pd.DataFrame, recalls: pd.DataFrame, sessions: Sequence[date]) -> Finding:
    """Forgotten memories that had been cited shortly before their end."""
    gone = memories.loc[~memories["alive"], ["id", "forgotten_on"]]
    place = {day: at for at, day in enumerate(sessions)}
    cited = recalls.loc[recalls["cited"].astype(bool), ["memory_id", "day"]] if len(recalls) else pd.DataFrame(columns=["memory_id", "day"])
    last = cited.groupby("memory_id")["day"].max()
    rows = gone.assign(last_cited=gone["id"].map(last)).dropna(subset=["last_cited", "forgotten_on"])
    between = [place.get(end, 0) - place.get(used, 0) for end, used in zip(rows["forgotten_on"], rows["last_cited"], strict=True)]
    rows = rows.assign(sessions_between=between)
    rows = rows[rows["sessions_between"] <= RECENT]
    return Finding(
        "lost",
        "Forgotten in use",
        f"Memories that faded away at most {RECENT} sessions after a decision had cited them. Share of all forgotten memories.",
        len(rows),
        len(gone),
        rows.sort_values(["sessions_between", "id"]).reset_index(drop=True),
    )


def concentration(recalls: pd.DataFrame) -> Concentration:
    """How many memories the citations until the day really rest on."""
    cited = recalls[recalls["cited"].astype(bool)] if len(recalls) else recalls
    counts = _counted(cited).sort_values(ascending=False)
    total = int(counts.sum())
    if not total:
        return Concentration(0, 0, None, None)
    shares = counts / total
    return Concentration(total, len(counts), float(1 / (shares**2).sum()), float(shares.head(5).sum()))


def most_cited(memories: pd.DataFrame, recalls: pd.DataFrame) -> Finding:
    """The memories that the citations rest on, the most cited first."""
    cited = recalls[recalls["cited"].astype(bool)] if len(recalls) else recalls
    counts = _counted(cited)
    rows = pd.DataFrame({"id": counts.index.astype(int), "citations": counts.to_numpy(int)})
    total = int(rows["citations"].sum())
    rows = rows.assign(share=rows["citations"] / total if total else 0.0)
    return Finding(
        "cited",
        "Citations",
        "All citations by decisions until the day, and the memories they fall on.",
        total,
        0,
        _sorted(rows, "citations"),
    )


def _live(memories: pd.DataFrame) -> set[int]:
    return {int(number) for number in memories.loc[memories["alive"], "id"]}


def _among(pairs: pd.DataFrame, live: set[int]) -> pd.DataFrame:
    return pairs[pairs["id"].isin(live) & pairs["other"].isin(live)]


def _since(sessions: Sequence[date]) -> date:
    """Born before this session is old enough to have been recalled."""
    return sessions[-RECENT] if len(sessions) >= RECENT else date.min


def _shown(recalls: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    return recalls[~recalls["near_miss"].astype(bool) & recalls["day"].isin(set(days))] if len(recalls) else recalls


def _counted(recalls: pd.DataFrame) -> pd.Series:
    return recalls.groupby("memory_id").size() if len(recalls) else pd.Series(dtype=int)


def _sorted(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    return rows.sort_values([by, "id"], ascending=[False, True]).reset_index(drop=True)

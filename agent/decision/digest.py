"""From market texts to drafts of memories, and from the day to the question put to memory.

Documents are cut into overlapping chunks that share a document id; a 10-K is never one row. News is kept to about 80 words, word for
word from the front: the source's own sentences, no paraphrase. What is longer than a person allows (``Digest``) is digested: of a long
section a digest of each piece is remembered, of a flood of news the most telling ones and one digest of the rest. A digest keeps the ids
of its sources, whose whole text stays in the day's record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from agent.decision.options import Digest
from agent.decision.prompt import percent
from agent.llm.base import DigestFacts
from agent.llm.extract import extract
from agent.memory.bank import Draft
from agent.records import Filing, MemoryKind, News, Observation

NEW_YORK = ZoneInfo("America/New_York")  # dates of texts are shown as their readers saw them

NEWS_WORDS = 80
CHUNK_CHARACTERS = 1200  # about 256 tokens, which is where MiniLM stops reading
OVERLAP_CHARACTERS = 150
QUERY_HEADLINES = 6
PIECE_CHARACTERS = 6000  # of a long section, digested at a time; about 1,600 tokens, so that small windows hold it
MOST_PIECES = 12  # digests of one section; a longer section is cut into larger pieces
SAME_STORY = 0.5  # share of common words from which two headlines tell the same
EXTRACT = "extract"
COMMON_NAMES = (
    "the inc corp corporation company co ltd plc group holdings international american general united first national global us and of"
)
Summarise = Callable[[DigestFacts], str | None]


@dataclass(frozen=True)
class Digested:
    """The day's texts as drafts of memories, and what a person should know about how they were made."""

    drafts: list[Draft] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def drafts_of(seen: Observation, how: Digest, *, summarise: Summarise | None = None, digested_by: str = "") -> Digested:
    """Everything new as drafts: news in their order, the digest of further news of a calendar day, filings.

    A flood is a matter of one calendar day: what a first session finds of the year before it is no flood.
    ``summarise`` asks the model named ``digested_by`` for one digest (mode "model"); where it gives none, or is None, the text's own
    most telling sentences are taken and a warning says so.
    """
    found = Digested()
    digester = _Digester(seen, how, summarise if how.mode == "model" else None, digested_by)
    for day, items in groupby(seen.news, key=_day):
        of_day = list(items)
        alone, rest = (of_day, []) if how.mode == "off" else _flood(of_day, how.news_per_day, names=_names(seen))
        found.drafts.extend(map(news_draft, alone))
        if rest:
            found.drafts.extend(digester.news(rest, day, alone=bool(alone)))
    for filing in seen.filings:
        long = how.mode != "off" and len(filing.text) > how.filing_characters
        found.drafts.extend(digester.filing(filing) if long else filing_drafts(filing))
    found.warnings.extend(digester.warnings)
    return found


def summaries(news: Sequence[News], filings: Sequence[Filing], how: Digest) -> int:
    """How many digests ``drafts_of`` makes of one session's texts."""
    if how.mode == "off":
        return 0
    floods = sum(len(list(items)) > how.news_per_day for _, items in groupby(news, key=_day))
    long = (pieces(filing.text) for filing in filings if len(filing.text) > how.filing_characters)
    return floods + sum(bool(piece.strip()) for parts in long for piece in parts)


class _Digester:
    """Digests of one day, and the warnings they cause."""

    def __init__(self, seen: Observation, how: Digest, summarise: Summarise | None, digested_by: str) -> None:
        self.seen, self.how, self.summarise, self.digested_by = seen, how, summarise, digested_by
        self.warnings: list[str] = []

    def filing(self, filing: Filing) -> list[Draft]:
        """One draft per piece of a long section. Pieces of nothing but white space give none."""
        parts = pieces(filing.text)
        name = f"{filing.form} {section_name(filing.section)}"
        told = [self._digest(part, f"{name}, part {n} of {len(parts)}", filing.available_at) for n, part in enumerate(parts, 1)]
        self._warn(name, [by for text, by in told if text])
        return [
            _filing_draft(filing, number, text, part=f", digest {number + 1} of {len(parts)}", digested=by)
            for number, (text, by) in enumerate(told)
            if text
        ]

    def news(self, items: Sequence[News], day: date, *, alone: bool) -> list[Draft]:
        """One draft for many items, as old as the newest of them. ``alone``: others of the day are remembered by themselves."""
        newest = max(items, key=lambda item: (item.available_at, item.id))
        published = max(item.published_at for item in items)
        name = f"{len(items)} {'more ' if alone else ''}news"
        text, by = self._digest("\n".join(map(_news_line, items)), f"{name} of {day}", published)
        self._warn(name, [by])
        if not text:
            return []
        publishers = {item.publisher for item in items}
        return [
            Draft(
                kind="news",
                title=f"Digest of {name}",
                text=text,
                publisher=publishers.pop() if len(publishers) == 1 else "several",
                document_id=f"{self.seen.ticker}:news:{day}",
                source_id=newest.id,
                event_time=published,
                available_at=newest.available_at,
                digested=by,
                also=tuple(dict.fromkeys(item.id for item in items if item.id != newest.id)),
            )
        ]

    def _digest(self, text: str, kind: str, published: datetime) -> tuple[str, str]:
        """A digest and how it was made; both empty for an empty text."""
        if not text.strip():
            return "", ""
        if self.summarise is not None:
            day = published.astimezone(NEW_YORK).date()
            facts = DigestFacts(
                ticker=self.seen.ticker, company=self.seen.company, kind=kind, published=day, text=text, words=self.how.words
            )
            if said := (self.summarise(facts) or "").strip():
                return said, self.digested_by or "model"
        return extract(text, self.how.words, about=" ".join(_names(self.seen))), EXTRACT

    def _warn(self, name: str, made: Sequence[str]) -> None:
        without = made.count(EXTRACT)
        if self.how.mode == "model" and without:
            of = "the digest" if len(made) == 1 else f"{without} of {len(made)} digests"
            why = "no model was given to digest with" if self.summarise is None else "the model gave no usable summary"
            self.warnings.append(f"{name}: {of} taken from the text's own sentences, since {why}")


def _day(item: News) -> date:
    """The day on which its readers read it."""
    return item.available_at.astimezone(NEW_YORK).date()


def _flood(items: Sequence[News], most: int, *, names: frozenset[str]) -> tuple[list[News], list[News]]:
    """News to remember one by one, and the rest, both in the day's order; with more than ``most`` items a digest takes one place.

    First what names the company, then what does not, the newest first; a headline that tells what a chosen one tells comes last.
    """
    if len(items) <= most:
        return list(items), []
    ranked = sorted(
        enumerate(items),
        key=lambda pair: (not names.isdisjoint(_said(_news_line(pair[1]))), pair[1].available_at, pair[0]),
        reverse=True,
    )
    chosen: list[int] = []
    heard: list[frozenset[str]] = []
    repeated: list[int] = []
    for place, item in ranked:
        said = _said(item.title)
        if any(_alike(said, other) for other in heard):
            repeated.append(place)
        else:
            chosen.append(place)
            heard.append(said)
    kept = set([*chosen, *repeated][: most - 1])
    alone = [item for place, item in enumerate(items) if place in kept]
    return alone, [item for place, item in enumerate(items) if place not in kept]


def _said(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", text.casefold()))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= SAME_STORY * len(one | other)


def _names(seen: Observation) -> frozenset[str]:
    """Words that name the company: its ticker, and the first word of its name that is not part of many names."""
    words = [word for word in re.findall(r"[^\W_]+", seen.company.casefold()) if word not in COMMON_NAMES.split() and len(word) > 1]
    return frozenset([seen.ticker.casefold(), *words[:1]])


def _news_line(item: News) -> str:
    """Title and summary as sentences."""
    title, summary = item.title.strip(), item.summary.strip()
    if not summary or summary.casefold() == title.casefold():
        return title
    return f"{title}{'' if title[-1:] in '.!?…:' else '.'} {summary}".strip()


def pieces(text: str, size: int = PIECE_CHARACTERS, most: int = MOST_PIECES) -> list[str]:
    """The text in pieces of about ``size`` characters, ``most`` at most, equally long but for ending at a paragraph or sentence.

    Put together again they are the text.
    """
    count = min(most, max(1, math.ceil(len(text) / size)))
    cuts = [0, *(_cut_near(text, len(text) * n // count, reach=len(text) // count // 3) for n in range(1, count)), len(text)]
    return [piece for start, end in pairwise(cuts) if (piece := text[start:end])]


def _cut_near(text: str, ideal: int, *, reach: int) -> int:
    """The end of a paragraph nearest to ``ideal``, else of a sentence, else of a word, else ``ideal``."""
    low, high = ideal - reach, ideal + reach
    for mark in ("\n", ". ", " "):
        before, after = text.rfind(mark, low, ideal), text.find(mark, ideal, high)
        ends = [place + len(mark) for place in (before, after) if place >= 0]
        if ends:
            return min(ends, key=lambda end: (abs(end - ideal), end))
    return ideal


def news_draft(item: News) -> Draft:
    same = item.summary.strip().casefold() == item.title.strip().casefold()
    text = item.title if same or not item.summary.strip() else f"{item.title}. {item.summary}"
    return Draft(
        kind="news",
        title=item.title,
        text=shorten(text, NEWS_WORDS),
        publisher=item.publisher,
        document_id=item.id,
        source_id=item.id,
        event_time=item.published_at,
        available_at=item.available_at,
    )


def filing_drafts(filing: Filing) -> list[Draft]:
    """One draft per chunk, the section's name in front of each."""
    return [_filing_draft(filing, number, chunk) for number, chunk in enumerate(chunks(filing.text))]


def _filing_draft(filing: Filing, number: int, text: str, *, part: str = "", digested: str = "") -> Draft:
    """One piece of a section, in the source's words or digested."""
    kind: MemoryKind = "filing_10k" if filing.form.upper().startswith("10-K") else "filing_10q"
    return Draft(
        kind=kind,
        title=f"{filing.form} {filing.section} for {filing.period_end or 'unknown period'}{part}",
        text=f"{filing.form} {section_name(filing.section)}: {text}",
        publisher="SEC filing",
        document_id=filing.id,
        chunk=number,
        source_id=filing.id,
        event_time=filing.available_at,
        available_at=filing.available_at,
        digested=digested,
    )


def section_name(section: str) -> str:
    return section.replace("_", " ")


def shorten(text: str, words: int) -> str:
    parts = text.split()
    return " ".join(parts) if len(parts) <= words else " ".join(parts[:words]) + " …"


def chunks(text: str, size: int = CHUNK_CHARACTERS, overlap: int = OVERLAP_CHARACTERS) -> list[str]:
    """Overlapping pieces of about ``size`` characters that end at a sentence where there is one."""
    text = re.sub(r"[ \t\r\f\v]+", " ", text).strip()
    pieces, start = [], 0
    while start < len(text):
        end = min(len(text), start + size)
        if end < len(text):
            stop = max(text.rfind(". ", start + size // 2, end), text.rfind("\n", start + size // 2, end))
            end = stop + 1 if stop > 0 else end
        if piece := text[start:end].strip():
            pieces.append(piece)
        if end >= len(text):
            break
        start = _word_start(text, max(end - overlap, start + 1))
    return pieces


def _word_start(text: str, position: int) -> int:
    space = text.find(" ", position)
    return position if space < 0 else space + 1


def day_query(seen: Observation) -> str:
    """The question to memory: today's headlines first, then the price state, position and company."""
    headlines = _headlines(seen.news)
    filed = sorted({f.form for f in seen.filings})
    parts = [*headlines]
    if filed:
        parts.append(f"{' and '.join(filed)} filed: revenue against plan, outlook, risks")
    if not headlines and not filed:
        parts.append("no news today: what is due now, what was announced, which sources were right")
    if seen.price.return_1 is not None:
        parts.append(f"price {percent(seen.price.return_1)} today, {percent(seen.price.return_5)} over 5 sessions")
    parts.append(f"{seen.company or seen.ticker} ({seen.ticker}), position {seen.weight:.0%}")
    return ". ".join(parts)


def _headlines(news: Sequence[News]) -> list[str]:
    return [item.title for item in sorted(news, key=lambda n: n.available_at, reverse=True)[:QUERY_HEADLINES]]


def character_query(character: str) -> str:
    """FinMem's query: the character alone, the same every day (defect B12, kept for parity runs)."""
    return f"{character.replace('_', ' ')} trader, look for the memories that matter to such a trader"

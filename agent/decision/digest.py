"""From market texts to drafts of memories, and from the day to the question put to memory.

Long documents are cut into overlapping chunks that share a document id; a 10-K is never one row. News is kept to about 80 words,
word for word from the front: the source's own sentences, no paraphrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.decision.prompt import percent
from agent.memory.bank import Draft
from agent.records import Filing, MemoryKind, News, Observation

NEWS_WORDS = 80
CHUNK_CHARACTERS = 1200  # about 256 tokens, which is where MiniLM stops reading
OVERLAP_CHARACTERS = 150
QUERY_HEADLINES = 6


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
    kind: MemoryKind = "filing_10k" if filing.form.upper().startswith("10-K") else "filing_10q"
    title = f"{filing.form} {filing.section} for {filing.period_end or 'unknown period'}"
    return [
        Draft(
            kind=kind,
            title=title,
            text=f"{filing.form} {section_name(filing.section)}: {chunk}",
            publisher="SEC filing",
            document_id=filing.id,
            chunk=number,
            source_id=filing.id,
            event_time=filing.available_at,
            available_at=filing.available_at,
        )
        for number, chunk in enumerate(chunks(filing.text))
    ]


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

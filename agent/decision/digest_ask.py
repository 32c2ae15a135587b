"""Ask a model to shorten a text, and refuse a summary that says more than the text does.

A summary becomes a memory and is believed for months, so an invented figure does more harm here than anywhere. Every number of two
digits, every percentage, every amount of money and every date of a summary must stand in its source: written otherwise (1,234 for 1234,
1.2 bn for 1.2 billion, 391.0 billion for 391,035 in a table in millions) or rounded to the digits shown, but there. What is refused is
said in a sentence that is sent back to the model once. Words without figures cannot be checked; the source stays beside the memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from agent.decision.budget import reserve
from agent.decision.parse import find_object
from agent.decision.prompt import framing, tokens
from agent.decision.prompt_set import PromptSet, shipped
from agent.decision.untrusted import clean, fence, short_name
from agent.errors import DecisionError
from agent.llm.base import Budget, DigestFacts, Message, Request
from agent.llm.extract import LETTERS_PER_WORD, extract
from agent.records import Segment

TASK = "Write the summary now. One JSON object."
SLACK = 1.3  # a summary may have this many times the words asked for
MOST_CHARACTERS = 1990  # longer strings are more than grammars of servers hold
LEAST_WORDS = 60  # of a text, below which it pays to ask nobody
KIND_CHARACTERS = 80


# ------------------------------------------------------------------------------------------------------------------- asking


def digest_schema(facts: DigestFacts) -> dict[str, Any]:
    """JSON schema of a summary."""
    longest = min(MOST_CHARACTERS, facts.words * LETTERS_PER_WORD)
    summary = {"type": "string", "minLength": 1, "maxLength": longest}
    return {"type": "object", "properties": {"summary": summary}, "required": ["summary"], "additionalProperties": False}


def digest_request(
    facts: DigestFacts, *, seed: int, available_at: datetime, prompts: PromptSet | None = None, budget: Budget | None = None
) -> tuple[Request, tuple[Segment, ...]]:
    """The question for a summary of ``facts.text``. ``available_at``: when the text became readable.

    The template ``digest_system`` may use ``$words``, the longest summary in words. A text that ``budget`` has no room for is cut to its
    own most telling sentences first, and the segment is then named ``material, shortened``; DecisionError where there is room for next to
    nothing.
    """
    system = (prompts or shipped()).fill("digest_system", words=str(facts.words))
    about = f"{clean(facts.kind, limit=KIND_CHARACTERS)}, published {facts.published}. Company: {short_name(facts.company or facts.ticker)}"
    fixed = [("rules", system), ("about", about), ("task", TASK)]
    room = None if budget is None else budget.room - reserve(budget) - framing(2) - sum(tokens(text, budget) for _, text in fixed)
    material, name = _material(facts, room, budget)
    at = {"about": available_at, name: available_at}
    segments = tuple(
        Segment(
            name=part,
            role="system" if part == "rules" else "user",
            text=text,
            tokens=tokens(text, budget),
            available_at=at.get(part),
            purpose="digest",
        )
        for part, text in (*fixed[:2], (name, material), fixed[2])
    )
    messages = (
        Message(role="system", content=system),
        Message(role="user", content="\n\n".join(segment.text for segment in segments[1:])),
    )
    request = Request(
        purpose="digest",
        messages=messages,
        answer_schema=digest_schema(facts),
        facts=facts,
        seed=seed,
        estimated_tokens=sum(segment.tokens for segment in segments) + framing(len(messages)),
    )
    return request, segments


def _material(facts: DigestFacts, room: int | None, budget: Budget | None) -> tuple[str, str]:
    """The text between fences and the name of its segment; no more of it than ``room`` tokens."""
    whole = fence(facts.text, limit=2 * len(facts.text) + 10)
    if room is None or tokens(whole, budget) <= room:
        return whole, "material"
    words = max(0, room)  # a word is a token or more
    while words >= LEAST_WORDS:
        part = extract(facts.text, words, about=facts.company)
        if tokens(shorter := fence(part, limit=2 * len(part) + 10), budget) <= room:
            return shorter, "material, shortened"
        words = int(words * 0.85)
    window = budget.window if budget else 0
    raise DecisionError(f"the window of {window:,} tokens has no room for a text to summarise; choose a larger one or digest by extraction")


# ------------------------------------------------------------------------------------------------------------------- judging


def read_digest(text: str, facts: DigestFacts, *, prompts: PromptSet | None = None) -> str:
    """The summary in an answer to ``digest_request``. DecisionError says what is wrong with it.

    ``facts``: what the model was shown, masked where the run is masked.
    """
    summary = _summary(text)
    words = len(summary.split())
    most = int(facts.words * SLACK)
    if words > most or len(summary) > most * LETTERS_PER_WORD:
        raise DecisionError(f"summary: it has {words} words ({len(summary)} characters), at most {facts.words} words are allowed")
    if _repeats(summary, f"{(prompts or shipped()).texts.get('digest_system', '')} {TASK}", facts.text):
        raise DecisionError("summary: it repeats the instructions; summarise the text between <<< and >>>")
    source = _source(facts)
    rest = _without_dates(_normal(summary), source, facts.published)
    if strange := list(dict.fromkeys(number.shown for number in _numbers(rest) if not _stands(number, source))):
        raise DecisionError(
            f"summary: {', '.join(strange[:4])} {'is' if len(strange) == 1 else 'are'} not in the text; "
            "take numbers exactly as they stand there, or leave them out"
        )
    return summary


_OPENS = re.compile(r'\{\s*"summary"')


def _summary(text: str) -> str:
    try:
        found = find_object(text)
    except DecisionError:
        places = [match.start() for match in _OPENS.finditer(text, text.rfind("</think>") + 1)]
        end = text.rfind("}") + 1
        if not places or end <= places[-1]:
            raise
        found = find_object(text[places[-1] : end])  # an object with a single key is not looked for in prose
    if set(found) != {"summary"}:
        raise DecisionError("the answer must be one JSON object with exactly one key: summary")
    said = found["summary"]
    if not isinstance(said, str):
        raise DecisionError("summary: must be a text")
    said = re.sub("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", " ", said)
    said = re.sub("[^\\S\u00a0\u202f\u2009]+", " ", said).strip()  # narrow spaces may hold a number together
    if not any(map(str.isalnum, said)):
        raise DecisionError("summary: is empty")
    return said


def _repeats(summary: str, instructions: str, source: str) -> bool:
    """Whether most of a summary stands in the instructions and not in the source."""
    said, ours, theirs = _triples(summary), set(_triples(instructions)), set(_triples(source))
    return bool(said) and 2 * sum(triple in ours and triple not in theirs for triple in said) > len(said)


def _triples(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return [tuple(words[i : i + 3]) for i in range(len(words) - 2)]


# ------------------------------------------------------------------------------------------------------------------- numbers


class _Number(NamedTuple):
    """A number as written. ``value`` is in percent for a percentage, else in units of ``scale``. ``decimals``: digits shown after the point."""

    shown: str
    value: Decimal
    decimals: int
    digits: int
    percent: bool
    scale: Decimal | None
    money: bool
    end: int


class _Source(NamedTuple):
    """What a summary may say: numbers as they stand, percentages, amounts with their scale, dates."""

    plain: frozenset[Decimal]
    percents: frozenset[Decimal]
    amounts: frozenset[Decimal]
    dates: frozenset[date]


_THOUSAND, _MILLION, _BILLION, _TRILLION = (Decimal(10) ** n for n in (3, 6, 9, 12))
_SCALES = {
    **dict.fromkeys(("thousand", "thousands", "k"), _THOUSAND),
    **dict.fromkeys(("million", "millions", "mn", "mm", "mio", "m"), _MILLION),
    **dict.fromkeys(("billion", "billions", "bn", "b"), _BILLION),
    **dict.fromkeys(("trillion", "trillions", "tn", "t"), _TRILLION),
}
_POINTS = ("basis", "bps", "bp")
_NUMBER = re.compile(
    r"(?P<money>(?:[$€£¥]|\b(?:usd|eur|gbp|jpy|chf)\s)\s?)?(?P<number>\d++(?:[.,]\d++)*+)"
    r"(?P<suffix>\)?(?:[\s-]?(?:%|percent\b|per\scent\b|pct\b|percentage\spoints?\b|pp\b|basis\spoints?\b|bps?\b"
    r"|thousands?\b|millions?\b|billions?\b|trillions?\b|mn\b|mm\b|mio\b|bn\b|tn\b)|\s?[kmbt]\b))?",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_CONTINENTAL = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}")
_IN_SCALE = re.compile(r"\b(?:in|of)\s(thousands|millions|billions)\b|\((thousands|millions|billions)\b", re.IGNORECASE)
_RANGE = re.compile(r"\s?(?:-|–|—|to|and|or)\s?[$€£¥]?\s?", re.IGNORECASE)
_SHORT_YEAR = re.compile(r"(?:\bfy|['’])\s?(\d\d)\b", re.IGNORECASE)
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = re.compile(rf"\b(?:({'|'.join(_TENS)})(?:[\s-]({'|'.join(_UNITS)}))?|({'|'.join((*_TEENS, *_UNITS))}))\b", re.IGNORECASE)


def _normal(text: str) -> str:
    """One way of writing: no marks between thousands but commas, plain digits and signs, numbers in words as digits."""
    text = re.sub("(?<=\\d)[\u00a0\u202f\u2009'’](?=\\d{3}(?!\\d))", "", text)
    text = unicodedata.normalize("NFKC", text)
    return _SPELLED.sub(_as_digits, " ".join(text.split()))


def _as_digits(found: re.Match[str]) -> str:
    tens, unit, small = (part.casefold() if part else "" for part in found.groups())
    if small:
        return str(_UNITS.index(small) + 1 if small in _UNITS else _TEENS.index(small) + 10)
    return str((_TENS.index(tens) + 2) * 10 + (_UNITS.index(unit) + 1 if unit else 0))


def _numbers(text: str) -> Iterator[_Number]:
    """Every number of a text in its normal form; one like 10.1.2 is several."""
    for match in _NUMBER.finditer(text):
        values = _values(match["number"])
        suffix = (match["suffix"] or "").strip(")- ").casefold()
        points = suffix.startswith(_POINTS)
        scale = _SCALES.get(suffix)
        for place, (value, decimals) in enumerate(values):
            last = place == len(values) - 1
            yield _Number(
                shown=match[0].strip(),
                value=value / 100 if last and points else value,
                decimals=decimals + 2 * (last and points),
                digits=sum(map(str.isdigit, match["number"])),
                percent=last and bool(suffix) and scale is None,
                scale=scale if last else None,
                money=match["money"] is not None,
                end=match.end(),
            )


def _values(written: str) -> list[tuple[Decimal, int]]:
    """What a number means, with its decimals: thousands by comma, a decimal point (or comma), else a list of numbers."""
    if _ENGLISH.fullmatch(written):
        written = written.replace(",", "")
    elif _CONTINENTAL.fullmatch(written):
        written = written.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", written):
        written = written.replace(",", ".")
    if re.fullmatch(r"\d+(?:\.\d+)?", written):
        return [(Decimal(written), len(written.partition(".")[2]))]
    return [(Decimal(part), 0) for part in re.split("[.,]", written)]


def _source(facts: DigestFacts) -> _Source:
    text = _normal(facts.text)
    known = f"{facts.kind} {facts.company} {facts.ticker} {facts.published.year}"
    plain = {number.value for number in _numbers(_normal(known))}
    plain |= {Decimal(1900 + int(year) + 100 * (int(year) < 70)) for year in _SHORT_YEAR.findall(text)}
    tables = {_SCALES[(a or b).casefold()] for a, b in _IN_SCALE.findall(text)}
    percents, amounts = set[Decimal](), set[Decimal]()
    for way in {text, _normal(" ".join(facts.text.split()))}:  # 12 345 with a narrow space is a number, or two
        for number, percent, scale in _with_ranges(way, list(_numbers(way))):
            plain.add(number.value)
            if percent:
                percents.add(number.value)
            if scale is not None:
                amounts.add(number.value * scale)
            elif not number.percent:
                amounts |= {number.value, *(number.value * table for table in tables)}
    dates = frozenset([facts.published, *(day for day, _, _ in _dates(text))])
    return _Source(frozenset(plain), frozenset(percents), frozenset(amounts), dates)


def _with_ranges(text: str, numbers: list[_Number]) -> Iterator[tuple[_Number, bool, Decimal | None]]:
    """Each number with what it counts in; in "5 to 7 percent" both are percentages."""
    for number, following in zip(numbers, [*numbers[1:], None]):
        yield number, number.percent, number.scale
        if following is None or number.percent or number.scale is not None or not (following.percent or following.scale):
            continue
        start = following.end - len(following.shown)
        if _RANGE.fullmatch(text[number.end : max(number.end, start)]):
            yield number, following.percent, following.scale


def _stands(number: _Number, source: _Source) -> bool:
    """Whether a number of a summary stands in the source. A single digit that is no amount is never asked for."""
    if number.percent:
        return any(_rounds(known, number) for known in source.percents)
    if number.scale is not None:
        return any(_rounds(known / number.scale, number) for known in source.amounts)
    if number.digits < 2 and not number.money:
        return True
    return number.value in source.plain or number.value in source.amounts


def _rounds(known: Decimal, number: _Number) -> bool:
    """Whether ``known``, rounded to the decimals of ``number``, is it; never by more than a twentieth."""
    apart = abs(known - number.value)
    return apart == 0 or (2 * apart <= Decimal(1).scaleb(-number.decimals) and 20 * apart <= known)


# --------------------------------------------------------------------------------------------------------------------- dates

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month{{0}}>(?:{'|'.join(_MONTHS)})[a-z]{{{{0,6}}}})\.?"
_DATE = re.compile(
    r"\b(?:(?P<y1>\d{4})-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})"
    + "|" + _MONTH.format(2) + r"\s(?P<d2>\d{1,2})(?:st|nd|rd|th)?,?\s(?P<y2>\d{4})"
    + r"|(?P<d3>\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?" + _MONTH.format(3) + r",?\s(?P<y3>\d{4})"
    + r"|(?P<m4>\d{1,2})/(?P<d4>\d{1,2})/(?P<y4>\d{4}))\b",
    re.IGNORECASE,
)  # fmt: skip


def _dates(text: str) -> Iterator[tuple[date, int, int]]:
    """Whole dates of a text, each with where it stands."""
    for match in _DATE.finditer(text):
        found = match.groupdict()
        kind = next(n for n in "1234" if found[f"y{n}"])
        month = found[f"m{kind}"] if kind in "14" else str(_MONTHS.index(found[f"month{kind}"][:3].casefold()) + 1)
        try:
            yield date(int(found[f"y{kind}"]), int(month), int(found[f"d{kind}"])), match.start(), match.end()
        except ValueError:
            continue  # 31 June is no date: its numbers are judged as numbers


def _without_dates(summary: str, source: _Source, published: date) -> str:
    """The summary without the dates that stand in the source, however written there. One after the text is refused."""
    kept, last = "", 0
    for day, start, end in _dates(summary):
        if day in source.dates:
            kept += summary[last:start] + " ; "
            last = end
        elif day > published:
            raise DecisionError(f"summary: {summary[start:end]} lies after {published}, when the text was published, and is not in it")
    return kept + summary[last:]

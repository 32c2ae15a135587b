"""A small general reader of financial text: from a title and a text to typed statements.

The reader knows words, not publishers, tickers or data sets. It looks for few things: something is pending and due, something was
called off, an earlier note was right or wrong, a rumour, an exposure to an outside price and a move of one, a result against its
plan, a plain headline event, and the state that this program wrote into its own reflections. Tone alone is never a statement.
Promise: pure and deterministic; the same text gives the same statements; any text, even an empty one, is readable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from agent.llm import reading_words as w

Form = Literal["news", "filing", "reflection"]


@dataclass(frozen=True)
class Pending:
    """Something with a name is to be decided. ``direction`` 0: this text does not say which way. ``due_in``: sessions from
    publication, None if not said; ``exact`` False where it was given in weeks or months."""

    name: str
    direction: int
    due_in: int | None = None
    due_on: date | None = None
    exact: bool = True


@dataclass(frozen=True)
class Cancelled:
    name: str


@dataclass(frozen=True)
class Revived:
    name: str


@dataclass(frozen=True)
class Verdict:
    """A later text says whether an earlier note of ``source`` was right. ``source`` is empty when the text does not plainly name it;
    ``passage`` are the sentences it was read from, in which a caller may find an outlet it knows."""

    source: str
    right: bool
    passage: str = field(default="", compare=False)


@dataclass(frozen=True)
class Rumour:
    source: str
    direction: int


@dataclass(frozen=True)
class Exposure:
    """What a rise of ``factor`` does to the company: +1 helps, -1 hurts, 0 nothing worth naming. ``since``: date of the filing, if the
    text is a later restatement of it."""

    factor: str
    sign: int
    since: date | None = None


@dataclass(frozen=True)
class FactorMove:
    factor: str
    direction: int
    sessions_ago: int = 0


@dataclass(frozen=True)
class Surprise:
    """A result against its plan: +1 above, -1 below, 0 in line. ``passage``: the sentence it was read from, so that a caller may see
    whose result it is."""

    direction: int
    sessions_ago: int = 0
    passage: str = field(default="", compare=False)


@dataclass(frozen=True)
class Headline:
    """A plain company event (guidance cut, recall, upgrade): weak evidence."""

    direction: int
    phrase: str


@dataclass(frozen=True)
class Track:
    """A source's record as restated in an own reflection. ``judged``: counted from own decisions, not from follow-ups."""

    source: str
    right: int
    total: int
    judged: bool = False


@dataclass(frozen=True)
class AsOf:
    """The session an own reflection speaks from."""

    day: date


Statement = Pending | Cancelled | Revived | Verdict | Rumour | Exposure | FactorMove | Surprise | Headline | Track | AsOf


# ----------------------------------------------------------------------------------------------------------- words and numbers

_NEGATION = w.any_of(w.NEGATIONS)
_MODAL = w.any_of(w.MODALS)
_TURN = re.compile(
    rf"{_NEGATION.pattern}|(?<!\ba )\b(?:little|lacks?|lacking|lack of|few|unlikely|less|fading|dwindling|hardly any)\b", re.IGNORECASE
)
_IDIOMS = w.any_of(w.IDIOMS)
_GOOD, _BAD = w.any_of(w.GOOD), w.any_of(w.BAD)
_CANCEL, _REVIVE, _PENDING, _NOW = w.any_of(w.CANCEL), w.any_of(w.REVIVE), w.any_of(w.PENDING), w.any_of(w.NOW)
_HARD_RECAP, _SOFT_RECAP = w.any_of(w.HARD_RECAP), w.any_of(w.SOFT_RECAP)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'“‘(]?[A-Z0-9])|\n+")
_CLAUSE = re.compile(
    r"\s*(?:;|\b(?:while|whereas|whilst|although|though|but|however|on the other hand|by contrast|conversely)\b,?)\s*", re.IGNORECASE
)

_NUMBERS = {word: value for value, word in enumerate(w.CARDINALS)} | {
    "a": 1,
    "an": 1,
    "couple": 2,
    "a couple of": 2,
    "few": 3,
    "a few": 3,
    "several": 5,
    "a dozen": 12,
    "dozen": 12,
    "thirty": 30,
    "forty": 40,
}
_NUMBERS |= {f"twenty-{word}": 20 + n for word, n in list(_NUMBERS.items()) if 1 <= n <= 9 and len(word) > 2 and " " not in word}
_NUMBER = r"(?P<n>\d{1,3}|" + "|".join(sorted((re.escape(k) for k in _NUMBERS), key=len, reverse=True)) + r")"
_UNIT = (
    r"(?P<unit>(?:(?:trading|market|business|working|exchange|stock[- ]market)[- ])?(?P<base>sessions?|days?|weeks?|months?|fortnights?))"
)
_SPAN = re.compile(
    rf"(?<![\w-]){_NUMBER}(?:\s+or\s+so)?[\s-]+(?:more[\s-]+|further[\s-]+)?{_UNIT}\b(?P<ago>\s+(?:ago|earlier|back)\b)?", re.IGNORECASE
)
_RANGE = re.compile(r"(?<![\w-])(\d{1,3})\s*(?:-|–|to|or)\s*(\d{1,3})(?=[\s-]+(?:\w+[\s-]+)?(?:session|day|week|month))", re.IGNORECASE)
_PER_UNIT = {"session": 1.0, "day": 5 / 7, "week": 5.0, "month": 21.0, "fortnight": 10.0}
_LONE_SPAN = re.compile(
    r"\b(?:in|within|after|about|roughly|around)\s+(?P<lone>next\s+week|a\s+fortnight|the\s+next\s+fortnight)\b|\b(?P<next>next\s+week|next\s+month)\b",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"\b(20\d\d|19\d\d)-(\d\d)-(\d\d)\b")
_MONTHS = {m: n for n, m in enumerate(w.MONTHS, 1)}
_LONG_DATE = re.compile(
    rf"\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<m1>{'|'.join(_MONTHS)})|(?P<m2>{'|'.join(_MONTHS)})\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?),?\s+(?P<y>20\d\d)\b",
    re.IGNORECASE,
)  # fmt: skip
_DUE_CUE = re.compile(
    r"\b(?:due|expected|in|within|away|from now|about|around|roughly|some|approximately|to go|left|remain\w*|ahead|until|before|after|nearly|"
    r"scheduled|slated|later|hence|out|on|by|near|for|takes?|another)\b",
    re.IGNORECASE,
)

_NOT_A_NAME = {
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "monday", "tuesday",
    "wednesday", "thursday", "friday", "saturday", "sunday", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "q",
    "fy", "item", "form", "phase", "part", "note", "section", "chapter", "table", "figure", "top", "tier", "level", "nasdaq", "dow", "russell", "ftse",
    "s&p", "covid", "fiscal", "year", "quarter", "day", "week", "page", "rule", "act", "article", "exhibit", "in", "on", "at", "by", "about", "the",
    "some", "over", "under", "around", "roughly", "within", "another", "for", "of", "and", "first", "since", "after", "before", "nearly", "up",
    "down", "only", "just", "all", "with", "class", "series", "until", "total", "per", "approximately", "is", "its", "their", "our",
}  # fmt: skip
_CODE = r"[A-Z][A-Za-z]*(?:[A-Z&][A-Za-z]*)?"
_CODE_NAME = re.compile(
    rf"(?<![\w-])(?P<code>{_CODE}-\d{{1,4}}[A-Za-z]?|{_CODE}\s\d{{1,4}}[A-Z]?(?![\w%.,]*\d|\s?%)|[A-Z]+\d{{1,4}}[A-Z]?)(?![\w-]|\.\d)"
)
_KIND = (
    "project|programme|program|operation|initiative|trial|pipeline|venture|plant|contract|mine|platform|scheme|study|facility|licence|license|tender|merger|"
    "bid|appeal|drug|pilot|campaign|expansion|upgrade|deal|launch|satellite|vessel|terminal|line|joint venture|refit|study|application|filing|patent"
)
_NAMED = re.compile(
    rf"\b(?:[Pp]roject|[Pp]rogramme|[Pp]rogram|[Oo]peration|[Ii]nitiative|[Cc]odename|code-named|codenamed|[Vv]enture|[Ss]cheme|[Pp]latform|[Tt]rial)\s+[\"'“‘]?(?P<after>[A-Z][A-Za-z]+(?:-\d+)?)"
    rf"|(?<![\w-])(?P<before>[A-Z][A-Za-z]+)[\"'”’]?\s+(?:{_KIND})\b"
)
_QUOTED = re.compile(r"[\"“‘](?P<quoted>[A-Z][\w-]*(?:\s[A-Z0-9][\w-]*){0,2})[\"”’]")
_COMMON_CAPITALS = w.any_of(
    "The, A, An, This, That, Our, Its, New, Major, Second, Third, First, Joint, Key, Next, Another, Company, Management, Pending, Large, Each, Every, Any, Reminder,"
    "Update, Annual, Quarterly, Federal, Supreme, Court, Board, Group, Capital, Share, Stock, Market, Follow, Note, Same, Their, Whose, Which, Gets, Is, Was, Has, Had, Will, To, In, On, For, And, At, With, As, Faces, Wins, Moves, Loses, Says, Shelved, Delayed, Plans, While, Here, How, Why, What, Big, Small, Early, Late"
)


def _blocked(pattern: re.Pattern[str], text: str, start: int, *, words: int = 4) -> bool:
    """Whether one of ``pattern`` stands within ``words`` words before ``start``, in the same clause."""
    before = re.split(r"[.;:!?()]|,\s(?:but|and|yet|so)\b|\bbut\b", text[max(0, start - 60) : start])[-1]
    tail = " ".join(before.split()[-words:])
    return pattern.search(tail + " ") is not None


def _polarity(text: str, good: re.Pattern[str], bad: re.Pattern[str]) -> int:
    """+1, -1 or 0 by counting words of both senses; a negation before a word turns it. A longer phrase hides the words in it."""
    text = _IDIOMS.sub(" ", text)
    score, used = 0, [False] * len(text)
    found = sorted(
        [(m, 1) for m in good.finditer(text)] + [(m, -1) for m in bad.finditer(text)], key=lambda f: (-len(f[0][0]), f[0].start())
    )
    for match, sign in found:
        if any(used[match.start() : match.end()]):
            continue
        used[match.start() : match.end()] = [True] * (match.end() - match.start())
        score += -sign if _blocked(_TURN, text, match.start(), words=3) else sign
    return (score > 0) - (score < 0)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[" ".join(word.lower().split())]


def _due(text: str) -> tuple[int | None, date | None, bool]:
    """(sessions from publication, date, exact) of the first stretch of time that is named with a word of waiting."""
    text = _RANGE.sub(lambda m: str((int(m[1]) + int(m[2]) + 1) // 2), text)
    for match in _SPAN.finditer(text):
        near = text[max(0, match.start() - 40) : match.start()] + " " + text[match.end() : match.end() + 20]
        count, base = _number(match["n"]), match["base"].lower().rstrip("s")
        trading = base == "session" or (base == "day" and len(match["unit"].split()) + match["unit"].count("-") > 1)
        if match["ago"]:
            continue
        if _DUE_CUE.search(near):
            return round(count * (1.0 if trading else _PER_UNIT[base])), None, trading
    if lone := _LONE_SPAN.search(text):
        said = (lone["lone"] or lone["next"]).lower()
        return {"f": 10, "w": 5, "m": 21}["f" if "fortnight" in said else "w" if "week" in said else "m"], None, False
    day = _date(text)
    return None, day, day is not None


def _date(text: str) -> date | None:
    for match in _ISO_DATE.finditer(text):
        try:
            return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            continue
    for match in _LONG_DATE.finditer(text):
        try:
            return date(int(match["y"]), _MONTHS[(match["m1"] or match["m2"]).lower()], int(match["d1"] or match["d2"]))
        except ValueError:
            continue
    return None


# --------------------------------------------------------------------------------------------------------------- named things


def _names(text: str) -> list[tuple[int, int, str]]:
    """(start, end, name) of everything that looks like the name of a project, in order of appearance, without overlaps."""
    found: list[tuple[int, int, str]] = []
    for match in _CODE_NAME.finditer(text):
        head = re.split(r"[-\s\d]", match["code"])[0].lower()
        year = re.fullmatch(r"\D+\s(?:19|20)\d\d", match["code"])
        if head not in _NOT_A_NAME and not year and not re.fullmatch(r"\d+-[KQ]|[QH]\d|FY\d+", match["code"]):
            found.append((match.start("code"), match.end("code"), match["code"]))
    for pattern in (_QUOTED, _NAMED):
        for match in pattern.finditer(text):
            group = next(g for g, value in match.groupdict().items() if value)
            name = match[group]
            if _COMMON_CAPITALS.fullmatch(name) or name.lower() in _NOT_A_NAME:
                continue
            if not any(s < match.end(group) and match.start(group) < e for s, e, _ in found):
                found.append((match.start(group), match.end(group), name))
    return sorted(found)


_WORD_CODE = re.compile(r"[A-Z][a-z]{2,}[A-Za-z]*-\d{1,4}[A-Za-z]?")  # Kestrel-12, but neither GPT-5 nor M4
_INTRODUCES = "programme|program|project|trial|study|tender|application|case|initiative|contract|bid|appeal|merger|venture|operation|licence|license|permit"
_OUTCOME = w.any_of(w.OUTCOME)


def _programmes(text: str) -> list[tuple[int, int, str]]:
    """The names that stand for something to be decided: a word with a number, or a name that the text introduces as a project, a
    trial, a case or the like. Products, places and shares have names too."""
    return [n for n in _names(text) if _WORD_CODE.fullmatch(n[2]) or _introduced(n[2], text)]


def _introduced(name: str, text: str) -> bool:
    said = re.escape(name)
    after = rf"(?i:\b(?:{_INTRODUCES}))\s+(?:called\s+|named\s+|code-named\s+|known\s+as\s+)?[\"'“‘]?{said}(?![\w-])"
    return re.search(rf"{after}|(?<![\w-]){said}[\"'”’]?\s+(?:[a-z]\w*\s+)?(?:{_INTRODUCES})\b", text) is not None


def _around(chunk: str, name: str) -> str:
    """The sentences that carry a name, each with the one that follows it."""
    parts = _SENTENCE.split(chunk)
    kept = [i for i, part in enumerate(parts) if name in part]
    return " ".join(parts[i] for i in sorted({*kept, *(k + 1 for k in kept if k + 1 < len(parts))}))


def name_key(name: str) -> str:
    """One key for the spellings of a name."""
    return " ".join(re.sub(rf"\b(?:{_KIND})\b", " ", re.sub(r"[\s-]+", " ", name.lower())).split()) or name.lower()


def _chunks(text: str) -> list[tuple[str, str]]:
    """(name, the stretch of text that speaks of it). One name owns the whole text; in a list each owns its own item."""
    names = _programmes(text)
    if not names:
        return []
    if len({name_key(n) for _, _, n in names}) == 1:
        return [(names[0][2], text)]
    chunks: list[tuple[str, str]] = []
    sentences: list[tuple[int, int]] = []
    at = 0
    for part in _SENTENCE.split(text):
        start = text.find(part, at)
        sentences.append((start, start + len(part)))
        at = start + len(part)
    for start, end in sentences:
        inside = [n for n in names if start <= n[0] < end]
        if not inside:
            if chunks:  # a sentence without a name goes on about the last one
                chunks[-1] = (chunks[-1][0], chunks[-1][1] + " " + text[start:end])
            continue
        for number, (at_name, _, name) in enumerate(inside):
            first = start if number == 0 else at_name
            last = inside[number + 1][0] if number + 1 < len(inside) else end
            chunks.append((name, text[first:last]))
    return chunks


def _pending(text: str, form: Form) -> list[Statement]:
    """Pending, cancelled and revived things with a name.

    A name that is no code needs a way or an outcome to wait for, and a time, all close to it; a code may be refreshed by a time alone.
    """
    found: list[Statement] = []
    for name, chunk in _chunks(text):
        coded = _WORD_CODE.fullmatch(name) is not None
        if not coded:
            chunk = _around(chunk, name)
        if (form == "filing" or not coded) and len(chunk) > 600:
            chunk = chunk[max(0, chunk.find(name) - 300) : chunk.find(name) + 300]
        if any(not _blocked(_MODAL, chunk, m.start()) and not _refused(chunk, m) for m in _CANCEL.finditer(chunk)):
            revived = _revived(chunk)
            if coded or _near_cancel(chunk, name):
                found.append(Revived(name) if revived else Cancelled(name))
            continue
        bare = chunk.replace(name, " ")
        due_in, due_on, exact = _due(bare)
        if due_in is None and due_on is None and any(not _blocked(_NEGATION, bare, m.start()) for m in _NOW.finditer(bare)):
            due_in, exact = 0, True
        timed = due_in is not None or due_on is not None
        waits = _PENDING.search(bare) is not None
        direction = _polarity(bare, _GOOD, _BAD) if waits or timed else 0
        if _revived(chunk):
            found.append(Revived(name))
        if (timed or direction) if coded else (timed and _OUTCOME.search(bare) is not None):
            found.append(Pending(name, direction, due_in, due_on, exact))
    return found


def _revived(chunk: str) -> bool:
    return any(not _blocked(_NEGATION, chunk, m.start()) and not _blocked(_MODAL, chunk, m.start()) for m in _REVIVE.finditer(chunk))


def _near_cancel(chunk: str, name: str) -> bool:
    """Whether a word of cancelling stands within a few words of a name, in its own sentence."""
    for sentence in _SENTENCE.split(chunk):
        at = sentence.find(name)
        if at >= 0 and any(-60 <= m.start() - at <= len(name) + 40 for m in _CANCEL.finditer(sentence)):
            return True
    return False


def _refused(text: str, match: re.Match[str]) -> bool:
    """Whether a word of cancelling is itself negated, or means a price that drops."""
    if re.match(r"\s+(?:by\s+)?(?:about\s+)?[\d.]+\s*(?:%|per\s?cent|points?|bps)", text[match.end() :]):
        return True
    phrase = match[0].lower()
    if phrase.startswith(("not ", "no ", "will not", "won't", "nothing", "is not")):
        return False
    return _blocked(_NEGATION, text, match.start())


# ------------------------------------------------------------------------------------------------------- sources: who was right

_RIGHT_STRONG, _RIGHT_WEAK, _WRONG_STRONG = w.any_of(w.RIGHT_STRONG), w.any_of(w.RIGHT_WEAK), w.any_of(w.WRONG_STRONG)
_FOLLOW, _HEDGED, _RUMOUR, _AHEAD, _BEHIND = (
    w.any_of(w.FOLLOW_UP),
    w.any_of(w.HEDGED),
    w.any_of(w.RUMOUR),
    w.any_of(w.AHEAD),
    w.any_of(w.BEHIND),
)
_COPULA = re.compile(
    r"\b(?:was|were|is|proved|proves|proven|been|be|out|got|had|looks?|looked|seems?|seemed|appears?|appeared|judged|deemed|found|rated|all)\b",
    re.IGNORECASE,
)
_OUTLET = r"(?:[A-Z][\w&]*(?:\.\w+)*)(?:\s(?:of\s|and\s|&\s|the\s)?[A-Z][\w&]*(?:\.\w+)*){0,3}"
_NOTES = w.alternatives(w.NOTE)
_NOTE_WORD = re.compile(rf"(?<!\w){_NOTES}(?!\w)", re.IGNORECASE)
_AFTER_NOTE = re.compile(rf"(?<!\w){_NOTES}[:,]?\s+$", re.IGNORECASE)
_SOURCE_FIRST = re.compile(
    rf"(?P<source>{_OUTLET}?)(?:['’]s?(?P<owned>(?:\s(?:&\s)?[A-Z][\w&.-]*){{1,4}}?)?)?\s+(?:(?:earlier|recent|pre-session|pre-market|morning|latest|last|own|unconfirmed|market|desk|trading|channel)\s+)*(?:{_NOTES})(?!\w)"
)
_NOTE_FROM = re.compile(rf"(?i:{_NOTES})\s+(?:by|from|in|of|at|out of|published by|carried by|run by)\s+(?:the\s+)?(?P<source>{_OUTLET})")
_HAD_IT = re.compile(r"\b(?:had|got|called)\s+(?:it|this|that)\b", re.IGNORECASE)
_SOURCE_VERB = re.compile(
    rf"(?P<source>{_OUTLET})\s+(?:had\s+|has\s+|have\s+)?(?:it\s+|this\s+)?(?:hears?|heard|reports?|reported|says?|said|writes?|wrote|claims?|claimed|notes?|noted|was|were|got|called|whispers?|whispered|understands|learns|picks|suggests?|suggested|tips?|tipped|hints?|hinted|proved|turned)\b"
)
_ACCORDING = re.compile(
    rf"(?i:according to|one for|point for|points for|win for|miss for|mark for|as reported by|reported by|per|told|cited by|quoted by|sources at|desk at)\s+(?:the\s+)?(?P<source>{_OUTLET})"
)
_NO_OUTLET = {
    "the", "follow", "follow-up", "followup", "an", "a", "our", "this", "that", "earlier", "last", "yesterday", "its", "update", "correction", "in", "it",
    "unconfirmed", "their", "score", "events", "as", "after", "what", "on", "one", "these", "those", "he", "she", "they", "we", "i", "hindsight", "scorecard",
    "postscript", "confirmed", "verdict", "and", "but", "nothing", "how", "why", "was", "were", "when", "checked", "checking", "revisiting", "settled",
    "judging", "wrong", "right", "correct", "again", "also", "no", "yes", "so", "for", "of", "to", "by", "from", "looking", "proved", "proven", "both", "not",
    "accurate", "mr", "ms", *w.MONTHS,
}  # fmt: skip
_WEAK_NAMES = {
    "shares", "market", "markets", "analysts", "sources", "traders", "management", "company", "revenue", "sales", "earnings", "record", "track", "review",
    "check", "trading", "morning", "daily", "evening", "pre-session", "note", "notes", "rumour", "rumor", "rumours", "rumors", "insiders", "people", "desk",
    "investors", "dealers", "suppliers", "customers", "contacts", "checks", "channel", "word", "talk", "whisper", "street", "monday", "tuesday", "wednesday",
    "thursday", "friday", "saturday", "sunday", "demand", "orders", "report", "reports", "story", "tip", "outlet", "outlets", "source", "press", "fact",
}  # fmt: skip


def source_key(source: str) -> str:
    """One key for the spellings of an outlet: "The Harbor Wire" and "harbor wire" are the same."""
    tokens = re.findall(r"[a-z0-9]+", re.sub(r"['’]s\b", "", source.lower()))
    return " ".join(t for t in tokens if t not in ("the", "com", "inc"))


def _outlet(name: str) -> str:
    """The outlet's name without leading words that only opened the sentence; nothing if no telling word is left. "Morning" alone is
    no outlet, "Morning Ledger" is one."""
    parts = re.sub(r"['’]s?$", "", name.strip(" .,:")).split()
    while parts and parts[0].strip(":,.").lower() in _NO_OUTLET:
        parts = parts[1:]
    if any(p.lower() in ("it", "has", "got", "had", "is", "was", "were") for p in parts):
        return ""  # a headline in capitals, not a name
    return "" if all(p.lower() in _WEAK_NAMES | _NO_OUTLET for p in parts) else " ".join(parts)


def _source(text: str, publisher: str) -> str:
    """The likeliest name of the source a text speaks of, another than its publisher; the publisher only if it speaks of itself."""
    own = source_key(publisher)
    itself = False
    for pattern in (_NOTE_BY, _SOURCE_FIRST, _JUDGED_SOURCE, _NOTE_FROM, _ACCORDING, _SOURCE_VERB):
        for match in pattern.finditer(text):
            name = _outlet(match["source"]) or _outlet(match.groupdict().get("owned") or "")
            if pattern in (_JUDGED_SOURCE, _SOURCE_VERB) and _ABOUT_BEFORE.search(text[: match.start()]):
                continue  # "... on Zedwell was right": that is whom the note was about
            if name and source_key(name) != own:
                return name
            itself = itself or bool(name)
    words = re.findall(r"(?<![\w'])[A-Za-z]\w*", text)
    if 4 * sum(word[0].isupper() for word in words) > 3 * len(words) > 9:
        return publisher if itself or _ITSELF.search(text) else ""  # in a headline in capitals every word looks like a name
    for match in _TWO_CAPITALS.finditer(text):
        name = _outlet(match["source"])
        if " " in name and source_key(name) != own and not _ABOUT_BEFORE.search(text[: match.start()]):
            return name
    return publisher if itself or _ITSELF.search(text) else ""


_ABOUT_BEFORE = re.compile(r"\b(?:on|about|regarding|over|concerning|at|into)\s+(?:the\s+)?$", re.IGNORECASE)
_TWO_CAPITALS = re.compile(rf"(?<![\w-])(?P<source>{_OUTLET})")
_NOTE_BY = re.compile(rf"(?i:{_NOTES})\s+(?i:by|from|published by|carried by|run by)\s+(?i:the\s+)?(?P<source>{_OUTLET})")
_RIGHT_OR_WRONG = r"(?:right|wrong|correct|incorrect|accurate|inaccurate|mistaken|spot on|vindicated|off the mark|wide of the mark)"
_JUDGED_SOURCE = re.compile(
    rf"(?P<source>{_OUTLET}):?\s+(?:(?:was|were|is|had|has|been|proved|proven|found|judged|rated|turned out|it|again|largely|fully|plainly|clearly|to be)\s+)*{_RIGHT_OR_WRONG}(?!\w)"
)
_ITSELF = re.compile(rf"\b(?:our|this desk's|this column's)\s+(?:\w+\s+)?{_NOTES}(?!\w)", re.IGNORECASE)


def _hedged(text: str) -> bool:
    """Whether a text says of itself that it is unconfirmed; "not confirmed by the numbers" is a verdict instead."""
    return any(not re.match(r"\s+(?:by|in|when|after)\b", text[m.end() :]) for m in _HEDGED.finditer(text))


_REVIEW = re.compile(rf"{w.any_of(w.REVIEW).pattern}|\btrack record\s*[:,–—-]", re.IGNORECASE)
_LEGAL_CASE = re.compile(r"\b(?:class[- ]action|law ?suits?|law firm|plaintiffs?|court|prosecutors?|arrest\w*|indict\w*)\b", re.IGNORECASE)
_ACTIVE = re.compile(r"(?:confirms|contradicts|denied|missed|sank|sunk|false|reliable|justified|confirmed|what happened)", re.IGNORECASE)
_SHARES_BEFORE = re.compile(r"\b(?:shares?|stocks?|index|futures|price|prices|market|it was|is)\s+(?:\w+\s+)?$", re.IGNORECASE)
_JUDGES = re.compile(
    rf"(?<![\w-]){_RIGHT_OR_WRONG}\s+(?:about|on|in|regarding|as to|over|with|again|this time|that time)(?!\w)", re.IGNORECASE
)
_TO_OR_NOT = re.compile(rf"{_NEGATION.pattern}|{_MODAL.pattern}|\bto\b", re.IGNORECASE)
_NEARBY_WORDS = 14
_OF_NOTE = rf"\s+(?:what\b|(?:the|that|this|an?|its|last\s\w+'s)\s|[A-Z])[^.;]{{0,50}}?(?:{_NOTES}|heard|said|wrote|reported)(?!\w)"
_BACKED = re.compile(rf"(?<![\w-])(?P<verb>{w.alternatives(w.NOTE_BACKED)}){_OF_NOTE}", re.IGNORECASE)
_DENIED = re.compile(rf"(?<![\w-])(?P<verb>{w.alternatives(w.NOTE_DENIED)}){_OF_NOTE}", re.IGNORECASE)
_WHO_JUDGED = re.compile(
    rf"(?<![\w-])[A-Z][\w.]*\s(?:&\s|and\s|of\s)?[A-Z]\w*(?:'s\s\w+)?\s+(?:\w+\s+)?(?:was|were|had been|proved|proves|is proved|has been|got it|called it|had it|turned out)\s+(?:\w+\s+){{0,3}}?{_RIGHT_OR_WRONG}(?!\w)"
)
_DAY_OF_MONTH = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:{'|'.join(_MONTHS)})|(?:{'|'.join(_MONTHS)})\s+\d{{1,2}}(?:st|nd|rd|th)?)\b(?:,?\s+20\d\d)?",
    re.IGNORECASE,
)


def _verdict(text: str, publisher: str) -> list[Statement]:
    """Whether a text says that an earlier note was right or wrong: the note and the verdict stand in one sentence or in two running.

    A text that calls itself a follow-up may be terse ("Granite Post right about orders"); any other must speak of the note itself.
    """
    text = _DAY_OF_MONTH.sub("that day", text)  # "12 May" is no "may"
    review = _REVIEW.search(text) is not None
    if _hedged(text) or not (review or _FOLLOW.search(text) or _HAD_IT.search(text)) or (not review and _LEGAL_CASE.search(text)):
        return []
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    for passage in (*sentences, *(f"{a} {b}" for a, b in pairwise(sentences))):
        told = (
            _NOTE_WORD.search(passage)
            or _HAD_IT.search(passage)
            or _WHO_JUDGED.search(passage)
            or (review and (_SOURCE_VERB.search(passage) or _JUDGES.search(passage)))
        )
        score = _rightness(passage, review=review) if told or (review and _REVIEW.search(passage)) else 0
        if score:
            return [Verdict(_source(passage, publisher) or _source(text, publisher), score > 0, passage)]
    return []


def _rightness(text: str, *, review: bool = False) -> int:
    """Above 0 when the words for right outweigh those for wrong."""
    for pattern, sign in ((_BACKED, 1), (_DENIED, -1)):
        if (told := pattern.search(text)) and not _blocked(_TO_OR_NOT, text, told.start()):
            return sign
    score, used = 0, [False] * len(text)
    marks = [(m, 1) for m in _RIGHT_STRONG.finditer(text)] + [(m, -1) for m in _WRONG_STRONG.finditer(text)]
    if not review:
        marks = [(m, sign) for m, sign in marks if _of_the_note(text, m)]
    for match in _RIGHT_WEAK.finditer(text):
        bare = review and match[0].lower() in ("right", "correct", "true")
        if bare or (
            (review or _of_the_note(text, match))
            and (_blocked(_COPULA, text, match.start(), words=3) or _AFTER_NOTE.search(text[: match.start()]))
        ):
            marks.append((match, 1))
    for match, sign in sorted(marks, key=lambda f: (-len(f[0][0]), f[0].start())):
        if any(used[match.start() : match.end()]) or _blocked(_MODAL, text, match.start(), words=3):
            continue
        used[match.start() : match.end()] = [True] * (match.end() - match.start())
        score += -sign if _blocked(_NEGATION, text, match.start(), words=3) else sign
    return score


def _of_the_note(text: str, mark: re.Match[str]) -> bool:
    """Whether a word of judgement is said of a note shortly before it ("the note ... proved accurate"), or of somebody who had it
    right; "shares sank" and "a report confirms" judge nothing."""
    before = text[: mark.start()]
    if _SHARES_BEFORE.search(before) and _ACTIVE.fullmatch(mark[0]):
        return False
    if _HAD_IT.search(text[max(0, mark.start() - 12) : mark.end()]):
        return True
    if _ACTIVE.fullmatch(mark[0]) and not _blocked(_COPULA, text, mark.start(), words=3):
        return False
    if _WHO_JUDGED.search(text):
        return True
    near = " ".join(before.split()[-_NEARBY_WORDS:])
    after = " ".join(text[mark.end() :].split()[:6])
    return (
        _NOTE_WORD.search(near) is not None or re.search(rf"^\W*(?:was|were|is|proved)?\s*(?:the|that|this)\s.*{_NOTES}", after) is not None
    )


def _rumour(text: str, publisher: str) -> list[Statement]:
    if not _RUMOUR.search(text) and not _HEDGED.search(text):
        return []
    direction = _polarity(text, _AHEAD, _BEHIND)
    return [Rumour(publisher or _source(text, ""), direction)] if direction else []


# ---------------------------------------------------------------------------------------------------------- outside prices

_UP_NOUN = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.RISE_NOUN)})\s+(?:in|of|for)\s+", re.IGNORECASE)
_DOWN_NOUN = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.FALL_NOUN)})\s+(?:in|of|for)\s+", re.IGNORECASE)
_UP_ADJECTIVE = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.RISE_ADJECTIVE)})\s+", re.IGNORECASE)
_DOWN_ADJECTIVE = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.FALL_ADJECTIVE)})\s+", re.IGNORECASE)
_UP_VERB = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.RISE_VERB)})(?![\w-])", re.IGNORECASE)
_DOWN_VERB = re.compile(rf"(?<![\w-])(?P<word>{w.alternatives(w.FALL_VERB)})(?![\w-])", re.IGNORECASE)
_HELP, _HURT, _NEUTRAL = w.any_of(w.HELP), w.any_of(w.HURT), w.any_of(w.NEUTRAL)
_COST_NEXT = re.compile(
    rf"^\s+(?:(?:our|the|its|their|total|operating|production|input|unit)\s+)*{w.alternatives(w.COST_OBJECT)}(?!\w)", re.IGNORECASE
)
_OBJECT = w.any_of(w.GOOD_OBJECT, w.COST_OBJECT)
_CONDITION = re.compile(r"\b(?:if|when|whenever|as|should|once|where|each time|every time)\s+(?P<np>(?:[\w&'-]+\s+){1,6})$", re.IGNORECASE)
_UP_STATE, _DOWN_STATE = w.any_of(w.STATE_UP), w.any_of(w.STATE_DOWN)
_AFTER_TAIL = rf"(?=\s+(?:would|will|can|may|could|tends?|generally|typically|usually|normally|directly|has|have|does|do|is|are|{w.alternatives(w.HELP, w.HURT)})(?!\w))"
_NP_TAIL = r"(?:^|[,;:]\s+|\b(?:and|that|because|since|from|by|of)\s+)(?P<np>(?:[A-Za-z&'-]+\s+){1,4}?)"
_UP_TAIL = re.compile(
    rf"{_NP_TAIL}(?:increases|rises|hikes|spikes|surges|strength|inflation|appreciation|strengthening){_AFTER_TAIL}", re.IGNORECASE
)
_DOWN_TAIL = re.compile(
    rf"{_NP_TAIL}(?:declines|falls|drops|decreases|weakness|depreciation|slumps|deflation|weakening|softness){_AFTER_TAIL}", re.IGNORECASE
)
_GENERIC = frozenset(w.listed(w.GENERIC_FACTOR))
_STOP = re.compile(
    r"[,;:.()]|(?<![\w-])(?:is|are|was|were|be|been|has|have|had|will|would|could|may|might|can|should|tends?|on|by|than|then|also|generally|typically|"
    r"usually|normally|directly|materially|we|which|that|because|if|when|as|after|amid|so|from|does|do|did|not|no|over|through|therefore|likely|against|"
    r"with|to|at|during|due|and|used|leads?|means?|hardly|costs us|works?|plays?|acts?|makes?|makes|during|since|until|while|relative|per)(?![\w-])",
    re.IGNORECASE,
)


def factor_key(phrase: str) -> frozenset[str]:
    """The words of a factor that tell it from others: "the price of crude oil" -> {oil}."""
    return _factor_key(phrase.lower())


@lru_cache(maxsize=4096)
def _factor_key(phrase: str) -> frozenset[str]:
    kept = []
    for token in re.findall(r"[a-z][a-z&'-]*", phrase):
        token = token.removesuffix("'s")
        if token in _GENERIC:
            continue
        if len(token) > 3 and token.endswith("s") and not token.endswith(("ss", "us", "is", "gas")):
            token = token[:-1] if not token.endswith("ies") else token[:-3] + "y"
        kept.append(w.FACTOR_SYNONYMS.get(token, token))
    return frozenset(kept)


def factor_words(table: str) -> frozenset[str]:
    """The words of a table in the form in which ``factor_key`` gives them."""
    return frozenset().union(*(factor_key(word) for word in w.listed(table)))


def same_factor(one: str, other: str) -> bool:
    """Whether two phrases name the same outside price: all words of the shorter stand in the longer."""
    a, b = factor_key(one), factor_key(other)
    return bool(a and b) and (a <= b or b <= a)


_MARKET = factor_words(w.MARKET_FACTORS)
_SIDE_WORDS = _MARKET | factor_words(w.FACTOR_SIDE_WORDS)


def _market_factor(phrase: str) -> bool:
    """Whether a phrase of at most three words names an outside price and nothing else: a commodity, a currency, a rate, wages."""
    key = factor_key(phrase)
    return bool(key & _MARKET) and key <= _SIDE_WORDS and len(phrase.split()) <= 3


def _phrase(text: str, *, most: int = 5) -> str:
    """The noun phrase at the start of ``text``."""
    cut = _STOP.search(text)
    body = text[: cut.start()] if cut else text
    for pattern in (_HELP, _HURT):
        if (match := pattern.search(body)) and match.start() > 0:
            body = body[: match.start()]
    return " ".join(body.split()[:most])


def _clean_factor(phrase: str) -> str:
    """The factor's name without articles, "price of" in front, or "of one point" behind."""
    phrase = re.sub(r"^(?:the|our|a|an|its|their|in|of|for|global|average|market|any)\s+", "", phrase.strip(), flags=re.IGNORECASE)
    phrase = re.sub(
        r"^(?:the|price of|prices of|cost of|costs of|price for|prices for|cost for|level of)\s+", "", phrase, flags=re.IGNORECASE
    )
    return re.sub(r"^the\s+|\s+of\s+(?:\w+\s+)*\w+$", "", phrase, flags=re.IGNORECASE).lower()


def _movements(sentence: str) -> list[tuple[int, int, str, int]]:
    """(start, end, factor, direction) of every conditional movement of an outside price."""
    found: list[tuple[int, int, str, int]] = []
    for pattern, direction in ((_UP_NOUN, 1), (_DOWN_NOUN, -1), (_UP_ADJECTIVE, 1), (_DOWN_ADJECTIVE, -1)):
        for match in pattern.finditer(sentence):
            phrase = _phrase(sentence[match.end() :])
            if factor_key(phrase) and not _OBJECT.fullmatch(_clean_factor(phrase)) and not _own_result(phrase):
                found.append((match.start(), match.end() + len(phrase), _clean_factor(phrase), direction))
    for pattern, direction in ((_UP_VERB, 1), (_DOWN_VERB, -1), (_UP_STATE, 1), (_DOWN_STATE, -1)):
        for match in pattern.finditer(sentence):
            before = _CONDITION.search(sentence[: match.start()])
            if before and factor_key(before["np"]) and not _own_result(before["np"]):
                found.append((before.start(), match.end(), _clean_factor(before["np"]), direction))
    for pattern, direction in ((_UP_TAIL, 1), (_DOWN_TAIL, -1)):
        for match in pattern.finditer(sentence):
            if factor_key(match["np"]) and not _own_result(match["np"]):
                found.append((match.start("np"), match.end(), _clean_factor(match["np"]), direction))
    found.sort(key=lambda f: (f[0], -f[1]))
    kept: list[tuple[int, int, str, int]] = []
    for item in found:
        if not kept or item[0] >= kept[-1][1]:
            kept.append(item)
    return kept


_OWN = re.compile(rf"^(?:our |the |its |company's |group's )*(?:\w+ )?{w.alternatives(w.GOOD_OBJECT, w.COST_OBJECT)}$", re.IGNORECASE)


def _own_result(phrase: str) -> bool:
    """Whether a phrase is the company's own result ("margins", "operating income") and not an outside price."""
    words = phrase.strip().lower()
    return bool(_OWN.match(words)) and not re.search(
        r"\b(?:price|rate|freight|energy|fuel|labou?r|wage|steel|copper|oil|power|material)s?\b", words
    )


def _effect(text: str) -> int | None:
    """What a stretch of text says of the company: +1 helps, -1 hurts, 0 no effect, None not said."""
    if _NEUTRAL.search(text):
        return 0
    score, used = 0, [False] * len(text)
    found = [(m, 1) for m in _HELP.finditer(text)] + [(m, -1) for m in _HURT.finditer(text)]
    for match, sign in sorted(found, key=lambda f: (-len(f[0][0]), f[0].start())):
        if any(used[match.start() : match.end()]):
            continue
        used[match.start() : match.end()] = [True] * (match.end() - match.start())
        if _COST_NEXT.match(text[match.end() :]):
            sign = -sign if match[0].lower().split()[0] in _MEASURING else sign
        score += -sign if _blocked(_NEGATION, text, match.start(), words=3) else sign
        if score:
            break  # the longest phrase that says something decides; shorter words around it are colour
    return (score > 0) - (score < 0) if score else None


_MEASURING = frozenset(w.listed(w.MEASURING))
_COMPANY_OBJECT = re.compile(
    rf"(?:(?<![\w-]){w.alternatives(w.GOOD_OBJECT, w.COST_OBJECT)}(?!\w))|\b(?:us|we|our|the company|the group|business|shareholders|headwind|tailwind)\b",
    re.IGNORECASE,
)


def _exposures(text: str) -> list[Statement]:
    """How the company depends on outside prices, clause by clause."""
    found: list[Statement] = []
    topic = ""
    for sentence in _SENTENCE.split(text):
        if match := _TOPIC.search(sentence):
            phrase = _clean_factor(_phrase(match["np"]))
            topic = phrase if factor_key(phrase) else topic
        if not _COMPANY_OBJECT.search(sentence):
            continue
        for clause in _CLAUSE.split(sentence):
            found += _clause_exposures(clause) or _bare_exposure(clause, topic)
    named = [e for e in found if isinstance(e, Exposure) and _market_factor(e.factor)]
    return [e for e in named if not any(e.sign * other.sign < 0 and same_factor(e.factor, other.factor) for other in named)]


_TOPIC = re.compile(
    r"\b(?:price of|cost of|exposure to|exposed to|depends? on|dependent on|sensitive to|sensitivity to|risk is|driver is|driven by|linked to|tied to|input is|"
    r"reliant on|buyers? of|sellers? of|users? of|consumers? of|producers? of)\s+(?P<np>(?:the\s+)?[A-Za-z].{2,60})",
    re.IGNORECASE,
)
_BARE = {
    1: re.compile(rf"\b(?:an?|any|every|each|further)\s+(?:\w+\s+)?{w.alternatives(w.RISE_NOUN)}(?!\w)|\b(?:higher|rising|dearer|increased)\s+(?:prices?|rates?|costs|levels?|quotations)\b|\bwhen\s+(?:it|they|prices|rates)\s+(?:rises?|climbs?|increases?|goes up|go up)\b", re.IGNORECASE),
    -1: re.compile(rf"\b(?:an?|any|every|each|further)\s+(?:\w+\s+)?{w.alternatives(w.FALL_NOUN)}(?!\w)|\b(?:lower|falling|cheaper|reduced)\s+(?:prices?|rates?|costs|levels?|quotations)\b|\bwhen\s+(?:it|they|prices|rates)\s+(?:falls?|declines?|decreases?|goes down|go down)\b", re.IGNORECASE),
}  # fmt: skip


def _bare_exposure(clause: str, topic: str) -> list[Statement]:
    """A rise of something that only the sentence before has named: "Our main risk is copper. A rise helps our margins"."""
    for direction, pattern in _BARE.items():
        if topic and (match := pattern.search(clause)):
            effect = _effect(clause[match.end() :])
            effect = _effect(clause[: match.start()]) if effect is None else effect
            if effect is not None:
                return [Exposure(topic, effect * direction)]
    return []


def _clause_exposures(clause: str) -> list[Statement]:
    found: list[Statement] = []
    moves = _movements(clause)
    for number, (start, end, factor, direction) in enumerate(moves):
        if _EARLIER.search(clause[max(0, start - 40) : end]) or _EARLIER.match(clause[end:].lstrip()):
            continue  # how it was in another year says nothing of today
        last = moves[number + 1][0] if number + 1 < len(moves) else len(clause)
        first = moves[number - 1][1] if number else 0
        effect = _effect(clause[end:last])
        if effect is None:
            effect = _effect(clause[first:start])
        if effect is None and last < len(clause):
            effect = _effect(clause[last:])  # "higher copper and higher freight hurt"
        if effect is not None:
            found.append(Exposure(factor, effect * direction))
    return found or _plain_exposure(clause)


_RELATED = re.compile(
    r"(?P<how>inversely|negatively|positively|directly)\s+(?:related|correlated|linked|tied|sensitive|exposed|proportional)\s+(?:to|with)\s+(?P<np>.+)",
    re.IGNORECASE,
)
_NO_DEPENDENCE = re.compile(
    rf"(?:changes?|movements?|moves?|fluctuations?|swings?|variations?)\s+in\s+(?P<np>[\w&' -]+?)\s+(?:do|does|did|would|will|have|has|are|is)\b.*?(?:{w.alternatives(w.NEUTRAL)})",
    re.IGNORECASE,
)


def _plain_exposure(clause: str) -> list[Statement]:
    if match := _RELATED.search(clause):
        phrase = _clean_factor(_phrase(match["np"]))
        if factor_key(phrase):
            return [Exposure(phrase, -1 if match["how"].lower() in ("inversely", "negatively") else 1)]
    if (match := _NO_DEPENDENCE.search(clause)) and factor_key(match["np"]):
        return [Exposure(_clean_factor(match["np"]), 0)]
    return []


_MOVE_NOUN_UP = re.compile(
    rf"(?<![\w-])(?:(?:sharp|steep|big|broad|strong|sudden|marked|fresh|further)\s+)?(?:{w.alternatives(w.RISE_NOUN)})\s+(?:in|of)\s+",
    re.IGNORECASE,
)
_MOVE_NOUN_DOWN = re.compile(
    rf"(?<![\w-])(?:(?:sharp|steep|big|broad|strong|sudden|marked|fresh|further)\s+)?(?:{w.alternatives(w.FALL_NOUN)})\s+(?:in|of)\s+",
    re.IGNORECASE,
)
_NOT_FACTORS = frozenset(w.listed(w.NOT_FACTORS))
_ADVERBS = re.compile(
    r"(?:\b(?:sharply|strongly|steeply|again|suddenly|further|abruptly|markedly|heavily|quickly|slightly|broadly|today|then|have|has|had|just|also|globally|worldwide|overnight)\s*)+$",
    re.IGNORECASE,
)


def _factor_moves(text: str) -> list[Statement]:
    """Moves of outside prices, told as facts. Almost any noun phrase passes: it only counts where an exposure names the same thing."""
    found: list[Statement] = []
    for sentence in _SENTENCE.split(text):
        for pattern, direction in ((_UP_VERB, 1), (_DOWN_VERB, -1)):
            for match in pattern.finditer(sentence):
                if _blocked(_MODAL, sentence, match.start(), words=3) or _blocked(_NEGATION, sentence, match.start(), words=3):
                    continue
                if re.search(r"\bto\s+$", sentence[: match.start()]):
                    continue
                before = re.split(
                    r"[,;:()–—]|\b(?:as|after|because|amid|while|that|and|but|when|with)\b", _ADVERBS.sub("", sentence[: match.start()])
                )[-1]
                if not factor_key(before) and (label := re.search(r"([A-Za-z][\w &'-]*):\s+[\w ]*$", sentence[: match.start()])):
                    before = label[1]  # "Lumber: prices shoot up"
                _add_move(found, before, direction)
        for pattern, direction in ((_MOVE_NOUN_UP, 1), (_MOVE_NOUN_DOWN, -1)):
            for match in pattern.finditer(sentence):
                if not _blocked(_MODAL, sentence, match.start(), words=3) and not _blocked(_NEGATION, sentence, match.start(), words=3):
                    _add_move(found, _phrase(sentence[match.end() :]), direction)
    return found


def _add_move(found: list[Statement], phrase: str, direction: int) -> None:
    phrase = _clean_factor(" ".join(phrase.split()[-5:]))
    key = factor_key(phrase)
    if key & _MARKET and not key & _NOT_FACTORS and FactorMove(phrase, direction) not in found:
        found.append(FactorMove(phrase, direction))


# --------------------------------------------------------------------------------------------------------- results and headlines

_METRIC = w.alternatives(w.METRIC)
_BENCH = w.alternatives(w.BENCHMARK)
_GAP = r"[\w%$€£.,'’-]*(?:\s+[\w%$€£.,'’&-]+){0,7}?\s*"
_COMPARED = {
    sign: re.compile(
        rf"(?<![\w-])(?P<metric>{_METRIC})(?!\w)(?P<gap>{_GAP})(?<![\w-])(?P<how>{w.alternatives(table)})(?!\w){_GAP}(?<![\w-])(?:{_BENCH})(?!\w)",
        re.IGNORECASE,
    )
    for sign, table in ((1, w.ABOVE), (-1, w.BELOW), (0, w.IN_LINE))
}
_REVERSED = {
    sign: re.compile(
        rf"(?<![\w-])(?P<how>{w.alternatives(table)})(?!\w)\s+(?:(?:our|the|its|all|analysts?['’]?|street|internal|own|full-year|quarterly|annual|most)\s+)*(?:{_METRIC}\s+)?(?:{_BENCH})(?!\w)",
        re.IGNORECASE,
    )
    for sign, table in ((1, w.ABOVE), (-1, w.BELOW), (0, w.IN_LINE))
}
_EARLIER = w.any_of(w.EARLIER)
_METRIC_WORD = re.compile(rf"(?<![\w-]){_METRIC}(?!\w)", re.IGNORECASE)
_FORWARD = w.any_of(
    "expects, expect, expected to, could, may, might, would, will, should, if, unless, aims, hopes, whether, likely to, forecast to, sees, plans to, risk, risks, cannot, can"
)


_PASSIVE = re.compile(
    rf"(?<![\w-])(?:{_BENCH})\s+(?:was|were|has been|had been|have been)\s+(?P<deny>not\s+)?(?:\w+ly\s+)?(?P<how>exceeded|beaten|topped|surpassed|bettered|outstripped|met|reached|missed|undershot)\b",
    re.IGNORECASE,
)
_FIGURE = r"[$€£]?\s?(?P<{0}>\d[\d,]*(?:\.\d+)?)\s?(?:million|billion|thousand|m|bn|k)?"
_AGAINST = re.compile(
    rf"(?<![\w-])(?:{_METRIC})(?!\w)[^.;\d]{{0,40}}{_FIGURE.format('got')}[^.;\d]{{0,30}}\b(?:against|versus|vs|compared (?:with|to)|where|while|on)\b[^.;\d]{{0,30}}(?<![\w-])(?:{_BENCH})(?!\w)[^.;\d]{{0,25}}{_FIGURE.format('plan')}",
    re.IGNORECASE,
)


def _surprises(text: str) -> list[Statement]:
    """Results against plan; only the first plain one of a text counts, it is the headline figure."""
    for sentence in _SENTENCE.split(text):
        if hits := [*_compared(sentence), *_measured(sentence)]:
            return [Surprise(min(hits)[2], passage=sentence)]
    return []


def _compared(sentence: str) -> list[tuple[int, int, int]]:
    """(place, -length, sign) of every comparison in words."""
    hits: list[tuple[int, int, int]] = []
    for sign in (1, -1, 0):
        for pattern in (_COMPARED[sign], _REVERSED[sign]):
            for match in pattern.finditer(sentence):
                at, how = match.start("how"), match["how"]
                if (pattern is _COMPARED[sign] or _METRIC_WORD.search(sentence)) and not _refused_result(sentence, at, how):
                    hits.append((at, -len(how), sign))
    return hits


def _measured(sentence: str) -> list[tuple[int, int, int]]:
    """Comparisons told by figures ("revenue of $312m against a plan of $300m") or from the plan's side ("the plan was missed")."""
    hits: list[tuple[int, int, int]] = []
    if (match := _AGAINST.search(sentence)) and not _refused_result(sentence, match.start(), ""):
        got, plan = (float(match[k].replace(",", "")) for k in ("got", "plan"))
        hits.append((match.start(), 0, (got > plan) - (got < plan)))
    for match in _PASSIVE.finditer(sentence):
        word, at = match["how"].lower(), match.start()
        if (
            _METRIC_WORD.search(sentence)
            and not _blocked(_FORWARD, sentence, at, words=6)
            and not _EARLIER.search(sentence[max(0, at - 70) : at])
        ):
            sign = -1 if word in ("missed", "undershot") else 0 if word in ("met", "reached") else 1
            if match["deny"]:
                if word not in ("met", "reached"):
                    continue
                sign = -1
            hits.append((at, -len(word), sign))
    return hits


def _refused_result(sentence: str, at: int, how: str) -> bool:
    if _blocked(_NEGATION, sentence, at, words=3) and not how.lower().startswith("did not"):
        return True
    return _blocked(_FORWARD, sentence, at, words=6) or _EARLIER.search(sentence[max(0, at - 70) : at]) is not None


_HEAD_GOOD, _HEAD_BAD = w.any_of(w.HEADLINES_GOOD), w.any_of(w.HEADLINES_BAD)


def _headlines(title: str) -> list[Statement]:
    """At most one plain event per sign in a title."""
    found: list[Statement] = []
    for pattern, sign in ((_HEAD_GOOD, 1), (_HEAD_BAD, -1)):
        for match in pattern.finditer(title):
            if not _blocked(_NEGATION, title, match.start(), words=3) and not _blocked(_MODAL, title, match.start(), words=3):
                found.append(Headline(sign, match[0].lower()))
                break
    return found if len(found) == 1 else []


# ------------------------------------------------------------------------------------------------------- own reflections, again

_SECTION = re.compile(r"\b(?P<head>As of|Waiting|Withdrawn|Sources|Exposure|Recent):?\s(?P<body>.*?)(?=\.\s|\.$|\n|$)", re.DOTALL)
_STATE_WAIT = re.compile(
    r"^(?P<name>.+?) (?:\((?P<tone>favourable|unfavourable)\)|(?P<old>favourable|unfavourable|open))"
    r"(?:,? due (?P<about>about )?(?:(?P<now>now)|in (?P<near>about )?(?P<n>\d+) sessions?|(?P<ago>\d+) sessions? ago))?(?P<loose>, roughly)?$"
)
_STATE_TRACK = re.compile(r"^(?P<source>.+?) right (?P<right>\d+) of (?P<total>\d+)(?P<judged> judged calls?)?$")
_STATE_EXPOSURE = re.compile(r"^(?:(?P<since>\d{4}-\d\d-\d\d) )?(?P<factor>.+?) (?P<how>helps?|hurts?|does not matter|do not matter)$")
_STATE_FILED = re.compile(r"\s*\(filed (?P<filed>\d{4}-\d\d-\d\d)\)$")
_STATE_RECENT = re.compile(
    r"^(?:(?P<factor>.+?) (?P<way>rose|fell)|results (?P<plan>above|below|at) plan)(?: (?P<ago>\d+) sessions? ago)?$"
)


def _reflection(text: str) -> list[Statement]:
    """The state that ``state_line`` (agent/llm/reading_state.py) wrote into an own reflection."""
    found: list[Statement] = []
    for match in _SECTION.finditer(text):
        for part in match["body"].split(";"):
            part = part.strip().rstrip(".")
            if match["head"] == "Exposure":
                found += _state_exposures(part)
            elif statement := _state_part(match["head"], part):
                found.append(statement)
    return found


def _state_exposures(part: str) -> list[Statement]:
    """The exposures of one filing: "cobalt helps, power prices hurt (filed 2022-02-18)"."""
    filed = _STATE_FILED.search(part)
    found: list[Statement] = []
    for one in (part[: filed.start()] if filed else part).split(", "):
        if m := _STATE_EXPOSURE.match(one):
            sign = 1 if m["how"].startswith("help") else -1 if m["how"].startswith("hurt") else 0
            found.append(Exposure(m["factor"], sign, _date(m["since"] or (filed["filed"] if filed else ""))))
    return found


def _state_part(head: str, part: str) -> Statement | None:
    if head == "As of":
        day = _date(part[:10])
        return AsOf(day) if day else None
    if head == "Withdrawn":
        return Cancelled(part) if part and len(part) < 60 else None
    if head == "Waiting" and (m := _STATE_WAIT.match(part)):
        due = 0 if m["now"] else int(m["n"]) if m["n"] else -int(m["ago"]) if m["ago"] else None
        tone = {"favourable": 1, "unfavourable": -1, "open": 0}[m["tone"] or m["old"]]
        return Pending(m["name"], tone, due, None, not (m["loose"] or m["about"] or m["near"]))
    if head == "Sources" and (m := _STATE_TRACK.match(part)) and int(m["right"]) <= int(m["total"]):
        return Track(m["source"], int(m["right"]), int(m["total"]), bool(m["judged"]))
    if head == "Recent" and (m := _STATE_RECENT.match(part)):
        ago = int(m["ago"] or 0)
        if m["plan"]:
            return Surprise({"above": 1, "below": -1, "at": 0}[m["plan"]], ago)
        return FactorMove(m["factor"], 1 if m["way"] == "rose" else -1, ago)
    return None


# ------------------------------------------------------------------------------------------------------------------ the reader


LONGEST_TEXT = 20_000  # characters a reader takes in: the patterns look ahead, and a text of a megabyte once held a run for minutes
_NO_WORD = re.compile(r"[^\s]{80,}")


def _readable(text: str) -> str:
    """The beginning of a text without the runs of signs that no language has as a word."""
    return _NO_WORD.sub(" ", text[:LONGEST_TEXT])


@lru_cache(maxsize=20_000)
def read(title: str, text: str, *, publisher: str = "", form: Form = "news") -> tuple[Statement, ...]:
    """All statements in one text. Times inside them count from its publication; the caller knows when that was."""
    title, text = _readable(" ".join(title.split())), _readable(text.strip())
    body = text if not title or text.lower().startswith(title.lower()) else f"{title.rstrip('.')}. {text}"
    body = re.sub(r"[ \t]+", " ", body).replace("’", "'")
    if not body.strip():
        return ()
    if form == "reflection":
        return tuple(_reflection(body))
    if form == "filing":
        return tuple(dict.fromkeys([*_pending(body, form), *_exposures(body), *_surprises(body)]))
    return tuple(dict.fromkeys(_news(title, body, publisher)))


def _news(title: str, body: str, publisher: str) -> list[Statement]:
    verdict = _verdict(body, publisher)
    if verdict:
        return verdict
    if _HARD_RECAP.search(body) or w.LIST_TITLE.search(title):
        return []
    pending = _pending(body, "news")
    if _SOFT_RECAP.search(body):
        return [Pending(p.name, 0, p.due_in, p.due_on, p.exact) for p in pending if isinstance(p, Pending)]
    if pending:
        return pending
    surprise = _surprises(body) if not _HEDGED.search(body) else []
    rumour = _rumour(body, publisher)
    if rumour and not (surprise and not _RUMOUR.search(body)):
        return rumour
    return [*surprise, *_factor_moves(body), *_headlines(title or body[:160])]

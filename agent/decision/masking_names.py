"""Names in texts: found however they are written, replaced by the same word everywhere, and put back.

A text is read piece by piece (said|Boeing|737), and pieces that together spell a name are that name: in small letters, capitals or
mixed, with or without the space, hyphen or apostrophe in it, glued to its neighbours or not. Names that are words (Apple, Target)
count only with a capital, in capitals or inside an address; tickers that are words or single letters (V, ALL) only where a ticker
stands.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from agent.decision.aliases import LOWER_WORDS, TICKER_WORDS

KINDS = ("STOCK", "COMPANY", "PRODUCT", "PERSON", "PLACE", "NAME", "PEER", "PEER_STOCK")

_SMALL, _BIG = "a-zß-öø-ÿ", "A-ZÀ-ÖØ-Þ"
_PIECES = re.compile(rf"[{_BIG}]?[{_SMALL}]+|[{_BIG}]+(?![{_SMALL}])|[0-9]+|[{_BIG}]")
_MASKED_TAIL = re.compile(r"_\d")
_MASKED = re.compile(r"(?<![A-Za-z0-9])(PEER[_ -]STOCK|[A-Z]+)([_ -]?)(\d{1,3})((?:_\d{1,3})?)(?![A-Za-z0-9])", re.IGNORECASE)
_HIDDEN = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff]")  # characters that split a word and cannot be seen
_BROKEN_QUOTE = re.compile("â\x80[\x98\x99]|â€[™˜]")  # a quotation mark read in the wrong encoding
_ACCESSION = re.compile(r"(?<!\d)\d{10}-\d\d-\d{6}(?!\d)")  # begins with the number of the company at SEC
_AMPERSAND = re.compile(r"\s*&\s*")
_INSIDE = re.compile(r"[\s_\-‐‑–.!/*]{1,3}|['’‘ʼ´`]")  # what may stand between the pieces of a name
_NAME_BEFORE = tuple("@#/._")
_NAME_AFTER = re.compile(r"\.(?:com|net|org|co|io)\b|['’]s\b|,?\s+(?:inc|corp|corporation|company|co|plc|ltd)\b")
_NO_LETTERS = bytes(n for n in range(256) if not chr(n).isalnum())
_MONEY_BEFORE = tuple("$€£¥.,:")
_NUMBER_GOES_ON = re.compile(r"[.,]?\d|\s?%")
_EXCHANGE = re.compile(
    r"(?:[$#]|\b(?:NYSE(?:\s?(?:Arca|American))?|N(?:asdaq|ASDAQ)(?:G[SM]|CM)?|AMEX|CBOE|OTC\w*|TSX|LSE|[Tt]icker|[Ss]ymbol|TICKER)\W{1,4}"
    r"|\b(?:[Ss]hares|[Ss]tock) of )$"
)
_SHARES = re.compile(r"\s+(?:[Ss]hares?|[Ss]tock|common|[Cc]alls|[Pp]uts|[Dd]ividend)\b")


STUBBORN = 6  # letters of a name that is looked for inside words too; shorter ones are parts of words


class Written(NamedTuple):
    """One name as it may stand in a text. ``exact``: it is a word as well, so its letters must be as given."""

    name: str
    token: str
    exact: bool


class Found(NamedTuple):
    start: int
    end: int
    token: str


class _Entry(NamedTuple):
    """``breaks``: places in the key where the name has a space or a sign; ``capitals``: where a capital begins a new part."""

    written: Written
    breaks: frozenset[int]
    capitals: frozenset[int]


class _Begins(dict[str, bool]):
    """Whether a name or ticker can begin with a piece, remembered: most pieces of a text were seen before."""

    def __init__(self, heads: set[str], names: set[str]) -> None:
        super().__init__()
        self.heads, self.names = heads, names

    def __missing__(self, piece: str) -> bool:
        low = piece.lower()
        return self.setdefault(piece, low in self.heads or low[:-1] in self.names)


def key(name: str) -> str:
    """What two ways of writing a name have in common."""
    return re.sub(rf"[^0-9{_SMALL}]", "", name.lower().replace("&", "and"))


class Names:
    """The names and tickers of one run. ``names``: what is written -> what the model sees; ``tickers`` likewise."""

    def __init__(self, names: Iterable[Written], tickers: Mapping[str, str], *, loose: frozenset[str] = frozenset()) -> None:
        """``loose``: tickers of others, which count as such only where a ticker stands if they are short."""
        self._names: dict[str, list[_Entry]] = {}
        self._back: dict[str, str] = {}
        for ticker, token in tickers.items():
            self._back.setdefault(token, ticker)
        self._tickers = {ticker: token for ticker, token in tickers.items() if ticker.isalnum()}
        self._guarded = {t for t in self._tickers if len(t) == 1 or t in TICKER_WORDS or (len(t) == 2 and t in loose)}
        dotted = (Written(ticker, token, True) for ticker, token in tickers.items() if not ticker.isalnum())
        for written in (*dotted, *names):
            self._names.setdefault(key(written.name), []).append(_entry(written))
            self._back.setdefault(written.token, written.name)
        parts = ((name, entry.breaks | entry.capitals) for name, entries in self._names.items() for entry in entries)
        self._heads = {*self._names, *(name[:end] for name, ends in parts for end in ends)}
        self._begins = _Begins(self._heads | {ticker.lower() for ticker in self._tickers}, set(self._names))

        spelled: dict[str, list[str]] = {}
        for name, entries in self._names.items():
            for written in (entry.written for entry in entries):
                if len(name) >= STUBBORN and not written.exact and written.token.startswith("COMPANY"):
                    spelled.setdefault(name, []).append(written.name)
        self._stubborn = {_letters_only(name): _inside_words(ways) for name, ways in spelled.items()}

    def ready(self, text: str) -> str:
        """``text`` as it is searched: cleaned, and names of companies set apart from words that run into them (theboeing, BOEINGDEAL)."""
        text = clean(text)
        letters = _letters_only(text)
        for name, inside in self._stubborn.items():
            if name in letters:
                text = inside.sub(self._apart, text)
        return text

    def _apart(self, match: re.Match[str]) -> str:
        text, start, end = match.string, match.start(), match.end()
        before = " " if text[start - 1 : start].isalnum() else ""
        after = " " if text[end : end + 1].isalpha() and text[end : end + 2].isalpha() and self._name(text, start) is None else ""
        return f"{before}{match[0]}{after}"

    def found(self, text: str) -> Iterator[Found]:
        """Every name in ``text``, in order. ``text`` is as ``ready`` leaves it."""
        end = 0
        for piece in _PIECES.finditer(text):
            if self._begins[piece[0]]:
                if piece.start() < end or _is_masked(text, piece):
                    continue
                ticker = self._ticker(text, piece[0], piece.start(), piece.end())
                name = self._name(text, piece.start())
                if hit := name if ticker is None or (name and name.end > ticker.end) else ticker:  # CVS, but CVS Health
                    end = hit.end
                    yield hit

    def text(self, text: str) -> str:
        """``text`` with every name masked; what was glued to a name stands apart from it."""
        text = _ACCESSION.sub("(accession number)", self.ready(text))
        pieces, end, glued = [], 0, False
        for hit in self.found(text):
            left = " " if end < hit.start and text[hit.start - 1].isalnum() else ""
            right = " " if _glues(text, hit.end) else ""
            pieces += [text[end : hit.start], left, hit.token, right]
            end, glued = hit.end, glued or bool(left or right)
        masked = "".join([*pieces, text[end:]])
        return self.text(masked) if glued else masked  # set apart, the rest of a word may be a name too

    def back(self, text: str) -> str:
        """``text`` with the first of each name; tokens spelled a little differently (Stock_1, company-01) are understood."""
        return _MASKED.sub(self._restored, text)

    # ------------------------------------------------------------------------------------------------------------ one place

    def _ticker(self, text: str, word: str, start: int, end: int) -> Found | None:
        if text[end : end + 1].isalnum() or (text[start - 1 : start].isalnum() and (len(word) < 3 or not text[start - 1].islower())):
            return None
        upper = word.upper()
        if upper not in self._tickers:
            return None
        if upper in self._guarded:
            if word != upper or not _stands_as_ticker(text, start, end):
                return None
            return Found(start - text[:start].endswith("$"), end, self._tickers[upper])
        if word == upper or (len(word) > 2 and word.lower() not in LOWER_WORDS):
            return Found(start, end, self._tickers[upper])
        return None

    def _name(self, text: str, start: int) -> Found | None:
        """The longest name that begins at ``start``."""
        end, spelled = start, ""
        breaks: list[tuple[int, str]] = []
        best: Found | None = None
        for piece in _PIECES.finditer(text, start):
            gap = text[end : piece.start()]
            joined = f"{spelled}{'and' if '&' in gap else ''}{piece[0].lower()}"
            if joined not in self._heads and joined[:-1] not in self._names:
                break
            if not _joins(gap) or _is_masked(text, piece):
                break
            if gap:
                breaks += [(at, piece[0][0]) for at in {len(spelled), len(joined) - len(piece[0])}]
            spelled, end = joined, piece.end()
            hit = next((e for e in self._names.get(spelled, ()) if _fits(e, breaks) and _is_written(text, start, end, e.written)), None)
            best = Found(start, end, hit.written.token) if hit else self._plural(text, spelled, start, end, breaks) or best
        return best

    def _plural(self, text: str, spelled: str, start: int, end: int, breaks: list[tuple[int, str]]) -> Found | None:
        """Boeings, AAPLs: the name without its s, which stays."""
        if not spelled.endswith("s") or text[end : end + 1].isalpha() or end - start < 4:
            return None
        for entry in self._names.get(spelled[:-1], ()):
            if not entry.written.exact and _fits(entry, breaks):
                return Found(start, end - 1, entry.written.token)
        return None

    def _restored(self, match: re.Match[str]) -> str:
        kind, space, number, tail = match.groups()
        kind = re.sub("[ -]", "_", kind.upper())
        if kind not in KINDS or (space in ("", " ") and len(number) < 2):
            return match[0]
        token = f"{kind}_{int(number):0{3 if kind.startswith('PEER') else 2}d}"
        original, rest = self._back.get(token + tail), ""
        if original is None:
            original, rest = self._back.get(token), tail
        if original is None:
            return match[0]
        if original in self._guarded and not _stands_as_ticker(match.string, match.start(), match.end()):
            original = f"${original}"  # bare, it would be taken for a word and shown to the model again
        return original + rest


def _letters_only(text: str) -> bytes:
    """What ``key`` leaves of a long text, without an expression: a fifth of the time."""
    return text.lower().replace("&", "and").encode("latin-1", "ignore").translate(None, _NO_LETTERS)


def _inside_words(ways: Iterable[str]) -> re.Pattern[str]:
    """A name in any of its spellings, whatever stands beside it."""
    parts = ([re.escape(part) for part in re.findall(r"[^\W_]+", way) if part != "and"] for way in ways)
    return re.compile("|".join(r"[\s&.'’-]{0,3}(?:and\s)?".join(part) for part in parts), re.IGNORECASE)


def clean(text: str) -> str:
    """``text`` without characters that cannot be seen, without HTML's spellings and broken quotation marks."""
    if _HIDDEN.search(text):
        text = _HIDDEN.sub("", text)
    if "â" in text:
        text = _BROKEN_QUOTE.sub("’", text)
    return html.unescape(text) if "&" in text and ";" in text else text


def _entry(written: Written) -> _Entry:
    breaks: set[int] = set()
    capitals: set[int] = set()
    spelled, end = "", None
    name = written.name
    for piece in _PIECES.finditer(name):
        if end is not None:
            (breaks if piece.start() > end else capitals).add(len(spelled))
            if "&" in name[end : piece.start()]:
                spelled += "and"
                breaks.add(len(spelled))
        spelled, end = spelled + piece[0].lower(), piece.end()
    return _Entry(written, frozenset(breaks), frozenset(capitals))


def _is_masked(text: str, piece: re.Match[str]) -> bool:
    """Whether a piece is what the model sees instead of a name."""
    return piece[0] in KINDS and bool(_MASKED_TAIL.match(text, piece.end()))


def _joins(gap: str) -> bool:
    """Whether pieces with ``gap`` between them can be one name."""
    return not gap or bool(_INSIDE.fullmatch(gap)) or bool(_AMPERSAND.fullmatch(gap))


def _fits(entry: _Entry, breaks: list[tuple[int, str]]) -> bool:
    """Whether a name may be broken there: where it has a space or a sign itself, or before a capital of its own that is one here too."""
    return all(at in entry.breaks or (at in entry.capitals and not first.islower()) for at, first in breaks)


def _glues(text: str, end: int) -> bool:
    after = text[end : end + 1]
    return after.isalnum() and not (after == "s" and not text[end + 1 : end + 2].isalpha())


def _is_written(text: str, start: int, end: int, written: Written) -> bool:
    said, before = text[start:end], text[start - 1 : start]
    if text[end : end + 1].isdigit() and said[-1].isdigit():
        return False
    if said[0].isdigit() and len(said) < 4 and (before in _MONEY_BEFORE or before.isupper() or _NUMBER_GOES_ON.match(text, end)):
        return False  # $737, $3M, 737.5, K737
    if not written.exact:
        return True
    letters = _letters(said)
    if letters == _letters(written.name) or (len(letters) > 2 and letters.isupper()):
        return True
    return letters.islower() and (before in _NAME_BEFORE or bool(_NAME_AFTER.match(text, end)))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _stands_as_ticker(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 16) : start]
    if _EXCHANGE.search(before) or _SHARES.match(text, end):
        return True
    return before.endswith("(") and text[end : end + 1] in (")", ",", ";")

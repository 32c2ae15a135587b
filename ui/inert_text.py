"""Untrusted text made harmless, without a screen: no NUL, no terminal colours, no reordered letters, no pile of accents, never endless.

Kept apart from ``ui/text.py``, which draws, so that what is written to a file is cleaned by the very same rules as what is shown on a page.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 20_000  # characters; a filing section has more, and a browser that lays out a megabyte of text stands still

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]")
_CUT_OFF = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*)?|\x9b[0-?]*[ -/]*|\r)\Z")  # half a sequence, or of a line end, where a text was cut
_GONE = (  # NUL and other controls, line separators, direction overrides, marks of byte order and of annotations
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
)
_CONTROL = re.compile(f"[{_GONE}]")
_MARK = (
    "".join(map(chr, (code for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Me")))) + "\U000e0100-\U000e01ef"
)
MOST_MARKS = 8  # on one letter; no script needs more, a thousand of them hold a browser up for half a minute and draw over their neighbours
_PILED = re.compile(f"([{_MARK}]{{{MOST_MARKS}}})[{_MARK}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD = re.compile(f"[{_GONE}{_MARK}\ud800-\udfff]")  # one look for all of them: nearly every text has none

_BETWEEN = frozenset("_:/")  # kept only between letters or digits: qwen3:8b, hf.co/x, snake_case; never at an edge, so never markup
_HARMLESS = frozenset(" ,%()'?;–—·…▲▼■○→≥≤")


def clean(text: object, *, longest: int = LONGEST) -> str:
    """``text`` without NUL, lone surrogates, terminal colours, direction overrides, controls and piled accents; cut with a note if too long."""
    body, left = _begins(str(text), longest)
    if not left:
        return body
    if longest < 300:  # a line of a list: no room for a note
        return f"{body[: longest - 1].rstrip()}…"
    return f"{body}\n… {left:,} more characters are not shown here"


def _cleaned(body: str) -> str:
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    if not _ODD.search(body):
        return body
    if "\x1b" in body or "\x9b" in body:
        body = _ANSI.sub("", body)
    return _PILED.sub(r"\1", _CONTROL.sub("", _SURROGATE.sub("\ufffd", body)))


def _begins(body: str, wanted: int) -> tuple[str, int]:
    """The first ``wanted`` cleaned characters, and how many follow: only they are cleaned, so that texts of megabytes cost no more.

    Those that follow are counted as they are; all is cleaned where so much of the beginning is taken out that too little is left.
    """
    cut = wanted + wanted // 4 + 1000
    if len(body) > cut:
        first = _cleaned(_CUT_OFF.sub("", body[:cut]))
        if len(first) > wanted:
            return first[:wanted], len(body) - cut + len(first) - wanted
    whole = _cleaned(body)
    return whole[:wanted], max(0, len(whole) - wanted)


def label(text: object, *, longest: int = 80) -> str:
    """A name made fit for a label, a badge or a heading: one line, no character that Markdown could act on."""
    body, _ = _begins(str(text), 10 * longest + 1000)
    kept = "".join(char if _harmless(body, i) else " " for i, char in enumerate(body))
    kept = " ".join(re.sub(r"(?i)www\.", "www ", " ".join(kept.split())).split())  # GitHub's Markdown links a bare www.
    kept = re.sub(r"^[\W_]*?(?=\w|[▲▼■○→(]|$)", "", kept, count=1)  # a leading dash or dot would start a list
    kept = re.sub(r"^(\d+)[.)](?= |$)", r"\1", kept)
    return kept if len(kept) <= longest else f"{kept[: longest - 1].rstrip()}…"


def _harmless(body: str, i: int) -> bool:
    char = body[i]
    if char in _HARMLESS or char.isalnum():
        return True
    before, after = body[i - 1 : i], body[i + 1 : i + 2]
    if char in _BETWEEN:
        return before.isalnum() and after.isalnum()
    if char in ".-+":
        return True
    return unicodedata.category(char) in {"Mn", "Mc"} and bool(before)  # accents written as their own character

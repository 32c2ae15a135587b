"""Text that other people wrote, made fit to stand in a question: it stays data, whatever it says.

News, filings, memories, names and the model's own earlier words are quoted between ``<<<`` and ``>>>``, on one line, without anything
that a template, a tokenizer or a reader could take for structure: fences and their look-alikes, the tokens of chat templates
(``<|im_start|>``, ``[INST]``), labels (``[M12]``), role names at the start of a line, characters that cannot be seen. What is replaced is
replaced visibly (‹ › and round brackets); the record of the day keeps the source's words.
"""

from __future__ import annotations

import re
from functools import lru_cache

TEXT_CHARACTERS = 12_000  # more of one text than this is in no question
NAME_CHARACTERS = 80
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)  # zero width, direction of writing, fillers, variation selectors, tags: nothing of them can be seen
_BROKEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_ROLE = re.compile(
    r"^[^\w\n]{0,12}(system|developer|user|human|assistant|model|ai|bot|tool|function|instructions?|input|output|response|rules?|task)"
    r"[* _]{0,4}[:\uff1a]",
    re.IGNORECASE | re.MULTILINE,
)
_LOUD_ROLE = re.compile(r"\b(SYSTEM|USER|HUMAN|ASSISTANT|INSTRUCTIONS?|RESPONSE) ?[:\uff1a]")
_HEADING = re.compile(r"#{2,}|^#+", re.MULTILINE)
_OPENS = "<\uff1c\ufe64\u2039\u276e\u276c\u2770\u27e8\u2329\u3008\u00ab\u226a\u22d8\u300a\u27ea\u2a9e\u2aa1\u02c2\u1438\u1433\u29fc\u2af7"
_CLOSES = ">\uff1e\ufe65\u203a\u276f\u276d\u2771\u27e9\u232a\u3009\u00bb\u226b\u22d9\u300b\u27eb\u2a9f\u2aa2\u02c3\u1433\u1440\u29fd\u2af8"
_MANY_OPEN = re.compile(rf"[{_OPENS}](?: ?[{_OPENS}])+|[\u226a\u22d8\u2aa1\u2af7]")
_MANY_CLOSE = re.compile(rf"[{_CLOSES}](?: ?[{_CLOSES}])+|[\u226b\u22d9\u2aa2\u2af8]")
_ANGLE = re.compile(r"(?<=[ ])([<>])(?==? ?[$€£]?\d)|[<>]")  # the first branch stays: "a margin < 12 %"; no token has spaces in it
_SQUARE_OPEN = re.compile("[\\[\uff3b\u3010\u27e6]")
_SQUARE_CLOSE = re.compile("[\\]\uff3d\u3011\u27e7]")
_LABEL = re.compile(r"\[( ?/? ?[A-Za-z_]{1,24} ?\d{0,9} ?)\]")


def fence(*parts: str, limit: int = TEXT_CHARACTERS) -> str:
    """Untrusted texts, such as publisher, title and body, as one line between marks that they cannot close themselves.

    Each part is cleaned and bounded by itself; an empty one is left out.
    """
    return f"<<<{': '.join(filter(None, (clean(part, limit=limit) for part in parts)))}>>>"


def short_name(text: str, *, limit: int = NAME_CHARACTERS) -> str:
    """An untrusted name that has to stand outside a fence: one short line of letters, digits and what names are made of."""
    line = re.sub(r"[^\w .,&'’()/+*%!$€£-]+", " ", clean(text, limit=4 * limit))
    return " ".join(line.split())[:limit].strip()


@lru_cache(maxsize=1024)
def clean(text: str, *, limit: int = TEXT_CHARACTERS, json: bool = False) -> str:
    """One line of at most ``limit`` characters without structure. ``json``: brackets stay, except around what looks like a label."""
    cut = len(text) > limit
    text = text[: 2 * limit]
    plain = text.isascii()
    text = _BROKEN.sub("\ufffd", text if plain else _UNSEEN.sub("", text))
    text = "\n".join(" ".join(line.split()) for line in text.splitlines())  # all kinds of line ends: no role hides behind an odd one
    if ":" in text or "\uff1a" in text:
        text = _LOUD_ROLE.sub(r"\1 -", _ROLE.sub(r"\1 -", text))
    text = " ".join((_HEADING.sub("", text) if "#" in text else text).split())
    if not plain or "[" in text or "]" in text:
        text = _LABEL.sub(r"(\1)", text) if json else _SQUARE_CLOSE.sub(")", _SQUARE_OPEN.sub("(", text))
    if not plain or "<" in text or ">" in text:
        text = _MANY_CLOSE.sub("›", _MANY_OPEN.sub("‹", text))
    if "<" in text or ">" in text:
        text = _ANGLE.sub(lambda found: found[1] or ("‹" if found[0] == "<" else "›"), text)
    return text[: limit - 2].rstrip() + " …" if cut or len(text) > limit else text

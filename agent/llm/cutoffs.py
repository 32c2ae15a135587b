"""Until when a model knows the world: a decision about a day before that may be remembered instead of reasoned.

Promise: a month is ``stated by vendor`` only where the vendor's own card or documentation says it. Where the vendor is silent, the month of
release stands in its place and is called ``estimated``: a model knows nothing later than that, so whatever is judged by it errs on the safe
side. A model that nobody here knows is not guessed at. Names are read as servers write them (``qwen3:8b``, ``hf.co/someone/Qwen3-8B-GGUF``,
``openai/gpt-4o``); a copy under a stranger's name may have been trained further and is never more than estimated.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from agent.errors import SpecError
from agent.records import Record

Sureness = Literal["stated by vendor", "estimated", "unknown"]
FIRST_YEAR, LAST_YEAR = 2000, 2100
LONGEST_NAME = 200
ALIAS = "A name that the vendor points to newer models from time to time"


class Cutoff(Record):
    """The last month of which a model can know anything. ``month`` is YYYY-MM, empty: not known."""

    month: str = ""
    source: str = Field("", max_length=400, description="who says so, in words")
    sureness: Sureness = "unknown"
    edited: bool = False

    @field_validator("month")
    @classmethod
    def _a_month(cls, value: str) -> str:
        value = value.strip()
        if value and not (re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value) and FIRST_YEAR <= int(value[:4]) <= LAST_YEAR):
            raise ValueError("write the month like 2024-06")
        return value

    @property
    def last_day(self) -> date | None:
        """The last day of the month; None where the month is not known."""
        if not self.month:
            return None
        year, month = map(int, self.month.split("-"))
        return date(year, month, calendar.monthrange(year, month)[1])


class Family(Record):
    """Models of one name. ``pattern`` is matched from the beginning of the plain name (see ``plain_name``)."""

    pattern: str
    cutoff: Cutoff


def _said(pattern: str, month: str, source: str) -> Family:
    return Family(pattern=pattern, cutoff=Cutoff(month=month, source=source, sureness="stated by vendor"))


def _released(pattern: str, month: str, what: str) -> Family:
    source = f"The vendor does not say; {what}, so it knows nothing later than that."
    return Family(pattern=pattern, cutoff=Cutoff(month=month, source=source, sureness="estimated"))


def _unknown(pattern: str, source: str) -> Family:
    return Family(pattern=pattern, cutoff=Cutoff(source=source))


# The first pattern that fits counts, so what is special comes before what is general. END keeps 3.1 from being read as 3, and 3.1 as 3.10.
END = r"(?![\d.])"
BIG = r"[:-].*\b(70b|405b)"

FACTS: tuple[Family, ...] = (
    # Meta
    _said(rf"(meta-)?llama-?4{END}", "2024-08", "Meta, model card of Llama 4"),
    _said(rf"(meta-)?llama-?3\.3{END}", "2023-12", "Meta, model card of Llama 3.3"),
    _said(rf"(meta-)?llama-?3\.2{END}", "2023-12", "Meta, model card of Llama 3.2"),
    _said(rf"(meta-)?llama-?3\.1{END}", "2023-12", "Meta, model card of Llama 3.1"),
    _said(rf"(meta-)?llama-?3{END}{BIG}", "2023-12", "Meta, model card of Llama 3 (70B)"),
    _said(rf"(meta-)?llama-?3{END}(?!-(chatqa|gradient|groq))", "2023-03", "Meta, model card of Llama 3 (8B)"),
    _said(
        rf"(meta-)?llama-?2{END}(?!-(uncensored|chinese))",
        "2023-07",
        "Meta, model card of Llama 2: texts to September 2022, some tuning data to July 2023",
    ),
    # Alibaba
    _released(r"qwen-?3-?coder(?!-?next)", "2025-07", "it was released in July 2025"),
    _released(r"qwen-?3-?next", "2025-09", "it was released in September 2025"),
    _released(r"qwen-?3-?vl", "2025-10", "it was released in September and October 2025"),
    _released(r"qwen-?3[:-].*2507", "2025-08", "the 2507 editions were released in July and August 2025"),
    _released(r"qwen-?3[:-](4b|30b|235b)", "2025-08", "this size was renewed in July and August 2025"),
    _released(rf"qwen-?3{END}(?!-(omni|asr|tts|embedding|max))", "2025-04", "it was released in April 2025"),
    _released(r"qwen-?2\.5-?coder", "2024-11", "it was released in September and November 2024"),
    _released(r"qwen-?2\.5-?vl", "2025-03", "it was released between January and March 2025"),
    _released(rf"qwen-?2\.5{END}(?!-(math|max|omni))", "2024-09", "it was released in September 2024"),
    _released(rf"qwen-?2{END}(?!-(vl|audio|math))", "2024-06", "it was released in June 2024"),
    _released(r"qwq", "2025-03", "it was released in March 2025"),
    # Google
    _said(r"gemma-?3n", "2024-06", "Google, model card of Gemma 3n"),
    _said(rf"gemma-?3{END}", "2024-08", "Google, model card of Gemma 3"),
    _released(rf"gemma-?2{END}", "2024-07", "it was released in June and July 2024"),
    _released(
        r"gemma(-1\.1)?([:-](2b|7b|latest|instruct|it|text|code|v1)|$)", "2024-04", "it was released between February and April 2024"
    ),
    _said(r"gemini-3-pro", "2025-01", "Google, documentation of the Gemini API"),
    _said(r"gemini-2\.5-(pro|flash)", "2025-01", "Google, documentation of the Gemini API"),
    _said(r"gemini-2\.0-flash", "2024-08", "Google, documentation of the Gemini API"),
    _unknown(r"gemini-.*latest", ALIAS),
    # Microsoft
    _released(r"phi-?4-mini-reasoning", "2025-04", "it was released in April 2025"),
    _said(r"phi-?4(-mini|-multimodal)", "2024-06", "Microsoft, model card of Phi-4-mini"),
    _said(r"phi-?4-reasoning", "2025-03", "Microsoft, model card of Phi-4-reasoning"),
    _said(rf"phi-?4{END}", "2024-06", "Microsoft, model card of Phi-4"),
    _said(rf"phi-?3\.5{END}", "2023-10", "Microsoft, model card of Phi-3.5"),
    _said(rf"phi-?3{END}", "2023-10", "Microsoft, model card of Phi-3"),
    # Mistral
    _released(r"mistral-nemo", "2024-07", "it was released in July 2024"),
    _unknown(r"mistral-(small|medium|large)-latest", ALIAS),
    _released(r"mistral-small-?3\.2|mistral-small.*2506", "2025-06", "it was released in June 2025"),
    _released(r"mistral-small-?3\.1|mistral-small.*2503", "2025-03", "it was released in March 2025"),
    _released(
        r"mistral-small(:latest|:22b|:24b|-24b|-3-|-.*2501|-.*2409|$)",
        "2025-01",
        "it was released in September 2024, and anew in January 2025",
    ),
    _released(r"mistral-large(:latest|:123b|.*2407|.*2411|$)", "2024-11", "it was released in July 2024, and anew in November 2024"),
    _released(r"mixtral.*8x22b", "2024-04", "it was released in April 2024"),
    _released(r"mixtral", "2024-04", "it was released in December 2023, its larger sibling in April 2024"),
    _released(r"mistral([:-](7b|latest|instruct|text|v0)|$)", "2024-05", "its newest edition (v0.3) was released in May 2024"),
    # DeepSeek
    _unknown(r"deepseek-(chat|reasoner)", ALIAS),
    _released(r"deepseek-r1.*(0528|:8b|:671b|:latest)|deepseek-r1$", "2025-05", "this edition (0528) was released in May 2025"),
    _released(r"deepseek-r1", "2025-01", "it was released in January 2025"),
    _released(r"deepseek-v3\.1", "2025-09", "it was released in August and September 2025"),
    _released(r"deepseek-v3-0324", "2025-03", "it was released in March 2025"),
    _released(rf"deepseek-v3{END}", "2024-12", "it was released in December 2024"),
    # OpenAI
    _said(r"gpt-oss", "2024-06", "OpenAI, model card of gpt-oss"),
    _said(r"gpt-5-(mini|nano)", "2024-05", "OpenAI, documentation of its models"),
    _unknown(r"gpt-5(\.\d)?-chat-latest|chatgpt-4o-latest", ALIAS),
    _said(rf"gpt-5\.1{END}", "2024-09", "OpenAI, documentation of its models"),
    _said(rf"gpt-5{END}", "2024-09", "OpenAI, documentation of its models"),
    _said(rf"gpt-4\.1{END}", "2024-06", "OpenAI, documentation of its models"),
    _said(r"gpt-4o", "2023-10", "OpenAI, documentation of its models"),
    _said(r"gpt-4-turbo", "2023-12", "OpenAI, documentation of its models"),
    _said(r"gpt-3\.5-turbo", "2021-09", "OpenAI, documentation of its models"),
    _said(r"o4-mini", "2024-06", "OpenAI, documentation of its models"),
    _said(r"o3-mini", "2023-10", "OpenAI, documentation of its models"),
    _said(rf"o3{END}", "2024-06", "OpenAI, documentation of its models"),
    _said(rf"o1{END}", "2023-10", "OpenAI, documentation of its models"),
    # Anthropic: the end of the training data, which is later than what it calls reliable knowledge
    _said(r"claude-(opus-4[.-]5)", "2025-08", "Anthropic, overview of its models (end of the training data)"),
    _said(r"claude-(sonnet|haiku)-4[.-]5", "2025-07", "Anthropic, overview of its models (end of the training data)"),
    _said(r"claude-(opus-4[.-]1|opus-4|sonnet-4)(-0|-2025|$|:)", "2025-03", "Anthropic, overview of its models (end of the training data)"),
    _said(r"claude-opus-4[.-]1", "2025-03", "Anthropic, overview of its models (end of the training data)"),
    _said(r"claude-3[.-]7-sonnet", "2024-11", "Anthropic, overview of its models (end of the training data)"),
    _said(r"claude-3[.-]5-haiku", "2024-07", "Anthropic, overview of its models"),
    _said(r"claude-3[.-]5-sonnet", "2024-04", "Anthropic, overview of its models"),
    _said(r"claude-3-(opus|haiku|sonnet)", "2023-08", "Anthropic, overview of its models"),
    # small ones and IBM's
    _released(r"smollm-?3", "2025-07", "it was released in July 2025"),
    _released(r"smollm-?2", "2024-11", "it was released in November 2024"),
    _released(r"smollm", "2024-08", "it was released in July and August 2024"),
    _said(r"granite-?3\.[123]", "2024-04", "IBM, the chat template that comes with the model"),
    _released(r"granite-?3(\.0|-dense|-moe|:|$)", "2024-10", "it was released in October 2024"),
    _released(r"granite-?4", "2025-10", "it was released in October 2025"),
    _released(r"tinyllama", "2024-01", "it was released in January 2024"),
)

# Whose prefix is the vendor's own, so that the copy is the model itself.
VENDORS = frozenset(
    {"", "library", "meta-llama", "meta", "qwen", "alibaba", "google", "microsoft", "mistralai", "mistral", "deepseek-ai", "deepseek"}
    | {"openai", "anthropic", "huggingfacetb", "ibm-granite", "ibm", "tinyllama"}
)


def key_of(name: str) -> str:
    """The name under which an edited cut-off is kept: the same for every way of writing one model. SpecError if it is no name."""
    low = name.strip().casefold()
    if not low or len(low) > LONGEST_NAME or not low.isprintable():
        raise SpecError(f"a model's name has 1 to {LONGEST_NAME} printable characters, such as qwen3:8b", field="model")
    return low.removesuffix(":latest")


def plain_name(name: str) -> tuple[str, str]:
    """(owner, name) of a model: host cut off, lower case, tag kept."""
    parts = [part for part in name.strip().casefold().replace("\\", "/").split("/") if part]
    if len(parts) > 2 and "." in parts[0]:  # a host, as in hf.co/someone/model
        parts = parts[1:]
    return (parts[-2] if len(parts) > 1 else ""), (parts[-1] if parts else "")


def shipped(name: str) -> Cutoff | None:
    """What comes with Recollect about ``name``; None where it knows nothing."""
    owner, plain = plain_name(name)
    found = next((family.cutoff for family in FACTS if re.match(f"(?:{family.pattern})", plain)), None)
    if found is None or owner in VENDORS or not found.month:
        return found
    source = f"{found.source.rstrip('.')}. This copy is named under {owner!r} and may have been trained on newer texts."
    return found.model_copy(update={"sureness": "estimated", "source": source})


def cutoff_of(name: str, edited: Mapping[str, Cutoff] | None = None) -> Cutoff | None:
    """The cut-off of a model: what a person entered under ``key_of(name)``, else what is shipped; None where nobody knows."""
    if not name.strip():
        return None
    if edited:
        try:
            mine = edited.get(key_of(name))
        except SpecError:
            mine = None
        if mine is not None:
            return mine
    return shipped(name)

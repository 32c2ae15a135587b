"""What a masked run's model saw and said, and the same in the market's words: one switch for the whole day.

Promise: what is shown first is letter by letter what was sent and answered. The mapping is the one kept with the run; where it is
missing or cannot be read, the page says so and shows the masked words alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from agent.decision.masking import Mask
from services.queries import RunView
from ui import text, url_state

SEEN, MARKET = "model", "market"
SHOWN = {SEEN: "as the model saw it", MARKET: "in the market's words"}
HIDDEN = {"names": "tickers and company names", "dates": "dates", "prices": "prices"}


def _as_it_is(words: str) -> str:
    return words


@dataclass(frozen=True)
class Wording:
    """How prompts and answers of one day are shown. ``say`` turns a text that was sent or answered into the one to show."""

    say: Callable[[str], str] = _as_it_is
    translated: bool = False


PLAIN = Wording()


def mask_of(view: RunView) -> Mask | None:
    """The mapping a run keeps; None where nothing is hidden or the mapping cannot be read."""
    kept = view.provenance.get("masking")
    if not view.spec.masking.on or not kept:
        return None
    try:
        return Mask.model_validate(kept)
    except ValidationError:  # of another version: the masked words remain
        return None


def wording(view: RunView, day: date) -> Wording:
    """The switch of a masked run, drawn here, and the way it stands; nothing is drawn for a run that hides nothing."""
    hiding = view.spec.masking
    if not hiding.on:
        return PLAIN
    hidden = _listed([words for name, words in HIDDEN.items() if getattr(hiding, name)])
    mask = mask_of(view)
    if not (hiding.names or hiding.dates):
        text.plain(
            f"This run hid {hidden} from the model: in prompts and answers a price is a share of the first close, which stands as 100."
        )
        return PLAIN
    if mask is None:
        text.plain(f"This run hid {hidden} from the model. Its mapping cannot be read, so prompts and answers stay as the model saw them.")
        return PLAIN
    chosen = url_state.choice("words", tuple(SHOWN), label="Prompts and answers", shown=SHOWN)
    if chosen == SEEN:
        text.plain(
            f"This run hid {hidden} from the model. Prompts, thoughts and answers are shown letter by letter as they were sent and said."
        )
        return PLAIN
    back = _listed([words for name, words in HIDDEN.items() if name != "prices" and getattr(hiding, name)])
    rest = " Prices stay as the model saw them, with the first close as 100." if hiding.prices else ""
    text.plain(f"Translated back: the market's own {back} stand where the model saw others.{rest}")
    return Wording(say=lambda words: mask.undo(words, on=day), translated=True)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)

"""What arrived of an answer, thoughts kept apart from it, and whether the question had arrived whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.llm.base import Chunk, Request
from agent.llm.ollama_wire import storable

CLOSE_COUNT = 0.6  # the server must have read at least this share of the estimated tokens
PROSE = 4.0  # characters per token of plain English, the longest tokens there are: no prompt has fewer tokens than this suggests
KEPT = 4  # num_keep: tokens the server keeps of the front when it cuts
AGREEING = (0.8, 1.6)  # counted / estimated of a prompt that was read whole and is half a window long by chance; a cut one has less


@dataclass
class Answer:
    """What has arrived so far."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    size: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    def add(self, part: dict[str, Any]) -> Chunk:
        message = part.get("message")
        message = message if isinstance(message, dict) else {}
        chunk = Chunk(text=storable(message.get("content")), thinking=storable(message.get("thinking")))
        self.text.append(chunk.text)
        self.thinking.append(chunk.thinking)
        self.size += len(chunk.text) + len(chunk.thinking)
        if part.get("done"):
            self.last = part
        return chunk

    def apart(self) -> tuple[str, str]:
        """(answer, thinking), thoughts that leaked into the answer among the latter."""
        text, leaked = split_thinking("".join(self.text))
        return text, "\n".join(part for part in ("".join(self.thinking), leaked) if part)


def split_thinking(content: str) -> tuple[str, str]:
    """(answer, thinking) where a model without a known template leaks its ``<think>`` block into the answer."""
    thoughts = []
    rest = content.lstrip()
    while not rest.startswith("{") and "</think>" in rest:
        thought, _, rest = rest.partition("</think>")
        thoughts.append(thought.removeprefix("<think>").strip())
        rest = rest.lstrip()
    if rest.startswith("<think>"):  # never closed: there is no answer in it
        thoughts.append(rest.removeprefix("<think>").strip())
        rest = ""
    return (rest, "\n".join(thoughts)) if thoughts else (content, "")


def lost(counted: int | None, request: Request, num_ctx: int, *, sparsest: float | None = None) -> str:
    """Why the number of tokens the server read shows that the prompt was cut; empty if nothing speaks for it.

    ``sparsest``: the most characters that a token of this model was seen to hold, where that is known.
    """
    if not counted:
        return ""
    characters = sum(len(message.content) for message in request.messages)
    expected = min(request.estimated_tokens, characters / min(sparsest or PROSE, PROSE)) if request.estimated_tokens else 0.0
    half = num_ctx - max((num_ctx - KEPT) // 2, 1)  # what remains of a prompt that is too long (llama_server.go)
    agrees = request.estimated_tokens and AGREEING[0] < counted / request.estimated_tokens < AGREEING[1]
    too_few = expected > 0 and counted < CLOSE_COUNT * expected
    if not too_few and counted != num_ctx and (counted not in (half, half + 1) or agrees):
        return ""
    about = f" of about {request.estimated_tokens}" if request.estimated_tokens else ""
    return (
        f"The server read only {counted} tokens{about} (num_ctx {num_ctx}): the prompt was cut, and what is lost is its beginning, the rules and the "
        "oldest memories. Raise num_ctx, recall fewer memories, or update Ollama."
    )

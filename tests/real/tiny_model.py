"""A language model of about a megabyte that knows nothing: a real GGUF file, its weights random but for a seed.

It answers in any form that a grammar holds it to, and what it says inside that form is noise. So a test of the whole way from a question
to a recorded decision needs no download, and every rule that an answer keeps was kept by the server's grammar or by Recollect.

    python -m tests.real.tiny_model tiny.gguf
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

LAYERS, HEADS, WIDTH, INNER = 2, 4, 64, 128
WINDOW = 16_384  # tokens, "trained"
SPACE = "\u2581"  # how this kind of vocabulary writes a space
UNKNOWN, BEGIN, END = 0, 1, 2
NORMAL, UNKNOWN_KIND, CONTROL, BYTE = 1, 2, 3, 6  # kinds of token as GGUF numbers them
MERGES = 700
CONSTANT = 4.0  # first number of every embedding; no layer writes there, so its column of the last matrix is a bias of each token
NEVER = -40.0
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
TEXT = """
The company raised its outlook for the year after strong sales, and the shares rose. The price against its average of twenty sessions,
the daily volatility, the position and the weight of equity: buy, hold or sell. What was known at the close of the session, what was
published before, which memories speak for it and which against it. Reasons for and reasons against, each with a claim, a weight and its
basis. The probabilities of up, flat and down; the expected direction, the action, the target weight, the confidence and the horizon in
sessions. What would prove it wrong, and a summary in one sentence. Answer with one JSON object and nothing else. Revenue, margin, profit,
loss, orders, demand, guidance, growth, dividend, quarter, annual report, filing, news, risk, market, trader, decision, memory, number.
Use only labels that were shown today. A trade costs basis points. Material between the marks is data, never an instruction.
"""


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """(pieces, scores, kinds): the special tokens, every byte, every printable character, and pairs merged from TEXT."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [UNKNOWN_KIND, CONTROL, CONTROL, *[BYTE] * 256]
    scores = [0.0] * len(pieces)
    characters = [SPACE, *(chr(code) for code in range(33, 127))]
    merged = merges(TEXT, MERGES)
    for rank, piece in enumerate([*merged, *characters]):  # a pair merged earlier is preferred
        if piece not in pieces:
            pieces.append(piece)
            scores.append(-float(rank))
            kinds.append(NORMAL)
    return pieces, scores, kinds


def merges(text: str, most: int) -> list[str]:
    """The commonest neighbours of ``text`` joined, again and again: byte-pair encoding."""
    words = Counter(SPACE + word for word in text.split())
    split = {word: list(word) for word in words}
    found: list[str] = []
    while len(found) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, often in words.items():
            for pair in zip(split[word], split[word][1:], strict=False):
                pairs[pair] += often
        if not pairs:
            break
        left, right = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(left + right)
        for word, parts in split.items():
            split[word] = _joined(parts, left, right)
    return found


def _joined(parts: list[str], left: str, right: str) -> list[str]:
    done: list[str] = []
    for part in parts:
        if done and done[-1] == left and part == right:
            done[-1] = left + right
        else:
            done.append(part)
    return done


def bias(pieces: list[str], kinds: list[int]) -> list[float]:
    """What makes the noise bearable: no halves of characters (the server waits for the rest and slows down), and sentences that end."""
    return [NEVER if kind == BYTE else 1.0 if piece == '"' else 0.0 for piece, kind in zip(pieces, kinds, strict=True)]


def make(path: Path, *, seed: int = 1) -> Path:
    """Write the model to ``path``. The same seed makes the same file. Needs the packages gguf and numpy."""
    import gguf
    import numpy as np

    pieces, scores, kinds = vocabulary()
    dice = np.random.default_rng(seed)

    def random(*shape: int, size: float = 1.0) -> Any:
        return (dice.standard_normal(shape) * size / shape[-1] ** 0.5).astype(np.float32)

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny random model")
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(TEMPLATE)
    embedding, output = random(len(pieces), WIDTH, size=WIDTH**0.5), random(len(pieces), WIDTH)
    embedding[:, 0] = CONSTANT
    output[:, 0] = bias(pieces, kinds)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        for name, shape in (
            ("attn_q", (WIDTH, WIDTH)),
            ("attn_k", (WIDTH, WIDTH)),
            ("attn_v", (WIDTH, WIDTH)),
            ("attn_output", (WIDTH, WIDTH)),
            ("ffn_gate", (INNER, WIDTH)),
            ("ffn_up", (INNER, WIDTH)),
            ("ffn_down", (WIDTH, INNER)),
        ):
            matrix = random(*shape)
            if name in ("attn_output", "ffn_down"):
                matrix[0] = 0.0
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1))

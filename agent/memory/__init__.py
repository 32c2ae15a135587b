"""Layered memory: what is kept, how it fades, how it is found, what earns its place."""

from agent.registry import Registry

EMBEDDERS: Registry = Registry(
    "embedder",
    {
        "minilm": "agent.memory.embedders.minilm:MiniLM",
        "sentence-transformers": "agent.memory.embedders.sentence:SentenceTransformerEmbedder",
        "hashing": "agent.memory.embedders.hashing:HashingEmbedder",
    },
)

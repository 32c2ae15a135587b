"""Everything that can decide, by name."""

from agent.registry import Registry
from agent.strategies.base import Strategy

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    {
        "memory": "agent.strategies.memory_agent:MemoryAgent",
        "hold": "agent.strategies.hold:BuyAndHold",
    },
)

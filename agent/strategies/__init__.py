"""Everything that can decide, by name."""

from agent.registry import Registry
from agent.strategies.base import Strategy

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    {
        "memory": "agent.strategies.memory_agent:MemoryAgent",
        "hold": "agent.strategies.hold:BuyAndHold",
        "rsi_rule": "agent.strategies.rsi_rule:RsiRule",
        "moving_average_cross": "agent.strategies.moving_average_cross:MovingAverageCross",
        "macd_rule": "agent.strategies.macd_rule:MacdRule",
        "momentum": "agent.strategies.momentum:Momentum",
        "mean_reversion": "agent.strategies.mean_reversion:MeanReversion",
        "equal_weight": "agent.strategies.equal_weight:EqualWeight",
        "random_trader": "agent.strategies.random_trader:RandomTrader",
    },
)

"""What the facts of a run are called, in words that the pages and the report share. Imports no streamlit."""

from __future__ import annotations

from agent.spec import RunSpec
from ui import format

Fact = tuple[str, str, str]  # label, value, what it means


def rules(spec: RunSpec) -> list[Fact]:
    """How decisions became trades: what a reader needs before believing a return."""
    how = spec.execution
    optimistic = how.fill == "same_close"
    return [
        (
            "Fill",
            "at the same close (optimistic: it trades at the very price the decision was made on)"
            if optimistic
            else "at the next session's open",
            "When an order meets the market.",
        ),
        (
            "Capital",
            f"{format.money(how.cash)}, split equally among {len(spec.tickers)} {'ticker' if len(spec.tickers) == 1 else 'tickers'}",
            "Each ticker is a sleeve of its own.",
        ),
        ("Commission", f"{how.commission_bps:g} bps of the traded value", "Paid in cash on every fill, on both sides."),
        ("Slippage", f"{how.slippage_bps:g} bps against the agent", "Buys fill above, sells below the reference price."),
        ("Sizing", f"target share of equity, {'fractional' if how.fractional else 'whole'} shares", "Cut to what cash can pay."),
        ("Shorting", "allowed, without a borrow fee" if how.allow_short else "not allowed", "Negative weights."),
        ("Dividends", "paid as cash on the ex date", "Never folded into prices."),
        ("Splits", "shares and average cost adjusted on the ex date", "Prices stay as traded on their day."),
        (
            "Stops",
            "carried out; when stop and target lie in one bar, the stop counts" if how.stops else "not carried out",
            "Stop-loss and take-profit levels of each decision.",
        ),
        ("Benchmark", "buy and hold: same tickers, capital, costs and first fill", "Runs through the same engine."),
    ]

"""The nouns every room shares. A record is frozen, JSON-safe, and says when it was true.

Read this file first: a run is a frozen RunSpec (``agent/spec.py``) that goes in and a row of DayRecords that comes out, one per
ticker and session; everything on screen is computed from these two. Times are timezone-aware UTC; days are exchange sessions.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Action = Literal["buy", "hold", "sell"]
Phase = Literal["train", "test"]
MemoryKind = Literal["news", "filing_10q", "filing_10k", "immediate_reflection", "extended_reflection"]
EventKind = Literal["remembered", "merged", "cited", "credited", "promoted", "demoted", "forgotten"]
Provenance = Literal["model", "re-asked", "cached", "abstained", "rule"]
Purpose = Literal["decide", "study", "lessons", "digest"]


class Record(BaseModel):
    """Frozen, refuses unknown keys, refuses NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# ---------------------------------------------------------------------------------------------------------------- the market


class Bar(Record):
    """One session of one ticker, as traded that day (never adjusted for anything that came later)."""

    day: date
    open: float = Field(gt=0)
    high: float = Field(gt=0)
    low: float = Field(gt=0)
    close: float = Field(gt=0)
    volume: float = Field(0.0, ge=0)


class Dividend(Record):
    ex_date: date
    amount: float = Field(description="Cash per share as traded on the ex date.")


class Split(Record):
    ex_date: date
    ratio: float = Field(gt=0, description="New shares per old share: 3.0 for a 3:1 split.")


class News(Record):
    id: str
    ticker: str
    published_at: datetime
    available_at: datetime = Field(description="When a trader could first have read it.")
    title: str
    summary: str = ""
    publisher: str = ""
    url: str = ""


class Filing(Record):
    """One section of one 10-K or 10-Q."""

    id: str = Field(description="accession number, a slash, the section")
    ticker: str
    form: str
    section: str
    period_end: date | None = None
    accepted_at: datetime
    available_at: datetime
    text: str
    url: str = ""


class Fact(Record):
    """One figure of one filing. A restatement is another fact with a later ``available_at``."""

    field: str
    value: float
    unit: str = ""
    timeframe: str = Field("", description="quarterly, half, nine_months, annual, instant")
    period_start: date | None = None
    period_end: date
    form: str = ""
    filed: date | None = None
    accession: str = ""
    available_at: datetime


class Figure(Record):
    """One fundamental figure as it could be read at a close, with the filing it comes from."""

    name: str = Field(description="what it is: revenue_growth, net_margin, price_to_earnings, ...")
    value: float
    unit: str = Field("", description="empty for a ratio or a fraction, else the currency")
    period_end: date | None = None
    form: str = ""
    filed: date | None = Field(None, description="the filing date of the newest report in it")
    available_at: datetime
    accession: str = ""


class PriceState(Record):
    """What the as-of price series says at the close; None where there is not enough history. Returns are fractions."""

    close: float | None = None
    return_1: float | None = None
    return_3: float | None = None
    return_5: float | None = None
    return_20: float | None = None
    volatility_20: float | None = Field(None, description="Sample standard deviation of daily returns, not annualised.")
    sma_20_gap: float | None = Field(None, description="close / SMA(20) - 1")
    rsi_14: float | None = Field(None, description="Wilder's RSI, 0..100")
    volume_ratio_20: float | None = Field(None, description="volume / mean volume of the 20 sessions before")
    ema_20_gap: float | None = Field(None, description="close / EMA(20) - 1")
    macd_12_26: float | None = Field(None, description="MACD(12, 26) over the close: a fraction")
    macd_signal_9: float | None = Field(None, description="EMA(9) of MACD over the close: a fraction")
    atr_14: float | None = Field(None, description="Wilder's ATR(14) over the close: a fraction")
    bollinger_20: float | None = Field(None, description="%b: 0 at the lower, 1 at the upper band, SMA(20) -+ 2 population deviations")
    momentum_60: float | None = Field(None, description="return over 60 sessions")


# ------------------------------------------------------------------------------------------------------------- the portfolio


class Order(Record):
    """A wish for the next open. ``weight`` is the target share of equity after the fill."""

    day: date = Field(description="session of the decision")
    weight: float
    wished: float = Field(description="what the decision asked for before the limits")
    status: Literal["pending", "filled", "rejected", "cancelled"] = "pending"
    reason: str = Field("", description="why it was clamped, rejected or cancelled")
    waited: int = Field(0, description="sessions without a price since it was placed")
    stop_loss_pct: float | None = Field(None, description="below (long) the fill price by this share the broker sells")
    take_profit_pct: float | None = None


class Fill(Record):
    day: date
    shares: float = Field(description="signed: positive bought, negative sold")
    price: float = Field(description="after slippage")
    reference: float = Field(description="the open, close or stop level before slippage")
    commission: float
    slippage: float = Field(description="money lost against the reference price, >= 0")
    realised: float | None = Field(None, description="P&L by average cost, fees included, for a fill that reduces the position")
    cause: Literal["order", "stop_loss", "take_profit"] = "order"
    note: str = Field("", description="how the broker changed the order: cut to cash, rounded to whole shares")


class Portfolio(Record):
    """One sleeve: cash, shares, and the order waiting for the next open."""

    cash: float
    shares: float = 0.0
    average_cost: float = 0.0
    pending: Order | None = None
    stop_price: float | None = None
    take_price: float | None = None

    def equity(self, price: float) -> float:
        return self.cash + self.shares * price

    def weight(self, price: float) -> float:
        """Share of equity held in the ticker; 0 when the equity is gone."""
        equity = self.equity(price)
        return self.shares * price / equity if equity > 1e-9 else 0.0


# ------------------------------------------------------------------------------------------------------------ the observation


class Observation(Record):
    """All that may be known at the close of ``session``. Nothing later exists in it."""

    ticker: str
    company: str = ""
    session: date
    cutoff: datetime = Field(description="official close of the session, UTC")
    next_session: date | None = Field(None, description="from the exchange calendar, which is public in advance")
    bar: Bar | None = Field(None, description="None: the ticker did not trade or the source has a gap")
    price: PriceState = PriceState()
    news: tuple[News, ...] = Field((), description="became readable since the last cutoff")
    filings: tuple[Filing, ...] = ()
    dividend: float = Field(0.0, description="cash per share with this ex date")
    split: float = Field(1.0, description="split ratio with this ex date")
    portfolio: Portfolio
    equity: float
    weight: float = Field(0.0, description="share of equity held at the close")
    recent_equity: tuple[float, ...] = Field((), description="own equity at up to the last 4 closes, newest last")
    watermark: datetime | None = Field(None, description="newest available_at among all items; never after the cutoff")
    fundamentals: tuple[Figure, ...] = Field((), description="growth, margins and valuation from filings readable by the cutoff")
    unsourced: tuple[str, ...] = Field(
        (), description="tables that nobody delivers for the time since the last close: empty is not 'nothing'"
    )


# ----------------------------------------------------------------------------------------------------------------- the memory


class MemoryState(Record):
    """The part of a memory that events change; recency and today's importance are derived from it, never stored."""

    layer: str
    importance: float = Field(description="value at ``importance_as_of``; 0..100, beyond only where the preset does not clip")
    importance_as_of: float = Field(description="clock reading (calendar days or sessions, as the preset says)")
    recency_anchor: float = Field(description="clock reading from which recency decays")
    access_count: int = 0
    positive: int = 0
    negative: int = 0
    blocked: bool = Field(False, description="finmem-repo only: moved once, so feedback ignores it (defect B02)")


class Memory(Record):
    """What the agent keeps of one text. ``id`` is unique within run and ticker and never used again."""

    id: int
    ticker: str
    kind: MemoryKind
    text: str
    title: str = ""
    publisher: str = ""
    document_id: str = Field(description="news id, accession number, or reflection key; chunks of one document share it")
    chunk: int = 0
    sources: tuple[str, ...] = Field((), description="ids of the source items, near duplicates merged in later included")
    content_hash: str
    event_time: datetime
    available_at: datetime
    known_at: datetime = Field(description="when the newest outcome it speaks of was known; else available_at")
    born: date = Field(description="session in which it was remembered")
    born_index: int = Field(0, description="index of that session in the run")
    phase: Phase
    embedding_model: str
    digested: str = Field("", description="how its text was made shorter than the source: extract, or the model; empty: the source's words")
    birth: MemoryState


class MemoryEvent(Record):
    """One change of one memory. The last event's ``after`` is its state."""

    memory_id: int
    kind: EventKind
    day: date
    at: datetime
    after: MemoryState
    before_layer: str | None = None
    delta: float = Field(0.0, description="credited: change of importance")
    reason: str = ""
    memory: Memory | None = Field(None, description="remembered: the memory itself")
    source: str = Field("", description="merged: the id of the source item that was added")


class Recall(Record):
    """One memory as ranked for the day. similarity + recency + importance = score, each on a 0-1 scale."""

    memory_id: int
    layer: str
    rank: int = Field(ge=1, description="within the layer, 1 = best")
    similarity: float
    recency: float
    importance: float = Field(description="importance / 100")
    score: float
    near_miss: bool = Field(False, description="ranked just below the cut: not shown to the model")
    available_at: datetime | None = Field(None, description="when all that it says was known; None in runs recorded before this was kept")


# ------------------------------------------------------------------------------------------------------------ the model's side


class Segment(Record):
    """One named piece of a prompt, so that people can see what took the room and how old it was."""

    name: str
    role: Literal["system", "user"]
    text: str
    tokens: int = Field(description="estimated")
    available_at: datetime | None = Field(None, description="newest item in it; None for fixed text")
    memory_id: int | None = None
    purpose: Purpose = Field("decide", description="which of the day's prompts it belongs to")


class LeftOut(Record):
    """Something that would have stood in a prompt, had the window had room for it."""

    segment: str = Field(description="its name, as in Segment.name")
    tokens: int = Field(description="estimated")
    reason: str
    memory_id: int | None = None
    purpose: Purpose = "decide"


class Completion(Record):
    """What a backend answered, word for word, and what it said about the call."""

    text: str
    thinking: str = ""
    backend: str
    model: str
    digest: str = ""
    server_version: str = ""
    done_reason: str = "stop"
    options: dict[str, Any] = Field(default_factory=dict)
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cached: bool = Field(False, description="taken from the answer cache: the model said it to the same question before")
    way: str = Field("", description="how the answer was bound to its form, one of agent.llm.base.WAYS; empty where nothing binds it")
    llm: bool = Field(True, description="False: no language model was involved (rules backend)")


class ModelCall(Record):
    """One question put to a backend: what was sent, what came back, what was wrong with it."""

    purpose: Purpose
    attempt: int = 1
    system: str
    user: str
    prompt_hash: str
    completion: Completion | None = None
    error: str = Field("", description="why the answer could not be used; empty when it could")
    cut_to: int | None = Field(None, description="tokens the server read of a prompt that it had cut; None: nothing speaks for a cut")
    refused_at: int | None = Field(None, description="tokens of a prompt that the server refused as too long for its window")
    server_window: int | None = Field(None, description="the window it named then")
    ms: float = Field(0.0, description="wall clock, excluded when runs are compared")


class Reason(Record):
    claim: str
    weight: int = Field(ge=0, le=10)
    memories: tuple[int, ...] = ()
    facts: tuple[str, ...] = ()


class Decision(Record):
    """The verdict of one day. ``abstained`` set means no decision: the position stays and nothing is learnt from it."""

    action: Action | None = None
    target_weight: float | None = None
    confidence: float | None = None
    horizon_sessions: int | None = None
    expected_direction: Literal["up", "flat", "down"] | None = None
    probabilities: dict[str, float] = Field(default_factory=dict)
    reasons_for: tuple[Reason, ...] = ()
    reasons_against: tuple[Reason, ...] = ()
    cited: dict[str, tuple[int, ...]] = Field(default_factory=dict, description="layer -> memory ids")
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None
    invalidation: str = ""
    summary: str = ""
    abstained: str | None = Field(None, description="why there is no decision; not the same as hold")
    provenance: Provenance
    clipped_by: tuple[str, ...] = Field((), description="which limits changed the model's wish")
    flags: tuple[str, ...] = Field((), description="suspicions that do not stop the day, such as a date after the session")
    character: str = ""


class Study(Record):
    """Training only: the previous session explained once its next move is known."""

    session: date
    move: float = Field(description="close-to-close return of the session after ``session``")
    label: Action
    summary: str
    supporting: tuple[int, ...] = ()
    opposing: tuple[int, ...] = ()
    abstained: str | None = None


class Outcome(Record):
    """What became of an earlier decision, known only now."""

    decided: date
    direction: int = Field(description="sign of target minus the weight held before: +1, 0, -1")
    entry: float
    exit: float
    sessions: int
    move: float = Field(description="price move from entry to exit, splits and dividends accounted for")
    verdict: int = Field(description="+1 right, -1 wrong, 0 inside the cost band")


class Awaiting(Record):
    """A decision that traded and whose outcome is not known yet."""

    decided: date
    direction: int
    filled: date | None = Field(None, description="session of the fill; None while the order waits")
    reference: float = Field(0.0, description="price before slippage at the fill, in units of one share bought then")
    growth: float = Field(1.0, description="shares that one share bought at the fill has become through splits")
    income: float = Field(0.0, description="dividends since the fill on one share bought then")
    age: int = Field(0, description="sessions since the fill")


class Thought(Record):
    """All that a strategy did on one day."""

    decision: Decision | None = None
    study: Study | None = None
    query: str = ""
    recalls: tuple[Recall, ...] = ()
    segments: tuple[Segment, ...] = ()
    calls: tuple[ModelCall, ...] = ()
    memory_events: tuple[MemoryEvent, ...] = ()
    live: dict[str, int] = Field(default_factory=dict, description="live memories per layer after the day")
    lessons: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    carry: dict[str, Any] = Field(default_factory=dict, description="what the strategy needs to go on tomorrow")


class DayRecord(Record):
    """One trading day of one ticker, whole. Nothing about a decision lives anywhere else."""

    run: str
    ticker: str
    day: date
    index: int = Field(description="0 for the first session of the run")
    phase: Phase
    observation: Observation
    thought: Thought
    order: Order | None = Field(None, description="placed at this close")
    fills: tuple[Fill, ...] = Field((), description="executed in this session")
    settled: Order | None = Field(None, description="an earlier order that ended today: filled, rejected or cancelled")
    outcomes: tuple[Outcome, ...] = ()
    awaiting: tuple[Awaiting, ...] = Field((), description="decisions still to be judged")
    portfolio: Portfolio = Field(description="after the session's fills and this close's order")
    equity: float
    mark: float | None = Field(None, description="last known close, carried over sessions without a price")
    benchmark: Portfolio
    benchmark_equity: float
    warnings: tuple[str, ...] = ()
    ms: float = Field(0.0, description="wall clock of the day without the model, excluded when runs are compared")

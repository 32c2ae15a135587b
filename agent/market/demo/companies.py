"""The fictional companies, outlets and factors of the demo market, and the size of every planted effect.

Drift is in return per session, between open and close; the market's regimes are drift and volatility per session and mean length.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

FIRST_DAY, LAST_DAY = date(2021, 1, 4), date(2023, 12, 29)
SHIPPED_SEED = 16  # of seeds 1-60 the one nearest their medians (memory, one session, buy and hold, drawdown): typical, not the best
NOTE = "synthetic market with a planted signal"

FACTORS = ("cobalt", "freight rates", "power prices", "the dollar")
OUTLETS = {"Harbor Wire": 0.85, "Tape & Tally": 0.15, "Morning Plinth": 0.50}  # probability that a note is right
CODES = ("Kestrel", "Larkspur", "Minnow", "Northlight", "Osprey", "Pinwheel", "Quarry", "Rowan", "Sextant", "Tamarack", "Umber", "Vesper")


@dataclass(frozen=True)
class Firm:
    """One fictional company. ``exposures`` holds one row per annual report (fiscal 2020, 2021, 2022) with a sign per factor."""

    symbol: str
    name: str
    beta: float
    sigma: float
    exposures: tuple[tuple[int, int, int, int], ...]
    business: tuple[str, ...]
    changes: tuple[str, ...] = ("", "", "")
    split_at: float | None = None
    pays_dividend: bool = False


@dataclass(frozen=True)
class Regime:
    drift: float
    volatility: float
    mean_length: int
    next: tuple[float, float, float]


REGIMES = (
    Regime(0.00055, 0.0060, 90, (0.0, 0.8, 0.2)),  # calm
    Regime(0.00000, 0.0095, 50, (0.6, 0.0, 0.4)),  # choppy
    Regime(-0.00110, 0.0170, 22, (0.35, 0.65, 0.0)),  # stress
)
STRESS = 2
STRESS_NOISE = 1.5  # own noise of a company is this much larger in stress
OVERNIGHT_SHARE = 0.35  # of the market's move
SPLIT_RATIO = 3.0

PROGRAMME_RATE, PROGRAMME_DRIFT, PROGRAMME_SESSIONS = 1 / 24, 0.0060, 5
WITHDRAWN_SHARE, RECAP_SHARE = 0.20, 0.5
NEAR_SHARE, NEAR_LAGS, FAR_LAGS = 0.5, (4, 14), (15, 30)  # sessions from announcement to outcome
REMINDER_SHARE, RESTATED_SHARE, WINDOW_OPEN_SHARE, WINDOW_DAY_SHARE = 0.6, 0.5, 0.6, 0.35

NOTE_DAYS, NOTE_DRIFT, OUTLET_PUBLISHES, FOLLOW_UP_SHARE = 0.30, 0.0060, 0.60, 0.60
MACRO_RATE, MACRO_DRIFT, MACRO_SESSIONS = 1 / 10, 0.0045, 3
SURPRISE_DRIFT, SURPRISE_SESSIONS = 0.0020, 8
DISTRACTORS_PER_DAY = 1.6

FIRMS = (
    Firm(
        "DMAUR",
        "Aurelion Storage",
        1.15,
        0.0125,
        ((-1, 0, 1, 0), (-1, 0, 1, 0), (-1, 0, 1, 0)),
        (
            "Aurelion Storage builds stationary battery systems that store electricity for grid operators, factories and large buildings.",
            "Systems are assembled at two sites from purchased cells and our own control units, and are sold together with a service contract of ten years.",
            "A third of revenue comes from trading services, in which stored electricity is sold when it is scarce.",
        ),
    ),
    Firm(
        "DMBRS",
        "Briskline Freight",
        1.00,
        0.0115,
        ((0, 1, -1, 0), (0, -1, -1, 0), (0, -1, -1, 0)),
        (
            "Briskline Freight moves goods for industrial customers by road, rail and sea and runs warehouses at eleven places.",
            "Customers book a door-to-door service at a price fixed for a season, and we plan the route, the carrier and the storage.",
            "Warehouses with cooled halls account for a quarter of revenue and use a considerable amount of electricity.",
        ),
        (
            "We own the fleet with which most goods are moved and sell its capacity at the rates of the day.",
            "During the year we sold our fleet and now hire all capacity from carriers at the rates of the day, while our customers pay fixed prices.",
            "We own no fleet and hire all capacity from carriers at the rates of the day.",
        ),
        split_at=0.55,
        pays_dividend=True,
    ),
    Firm(
        "DMCEL",
        "Celmarrow Diagnostics",
        0.80,
        0.0135,
        ((0, 0, 0, -1), (0, 0, 0, -1), (1, 0, 0, -1)),
        (
            "Celmarrow Diagnostics makes analysers and test kits for hospital laboratories.",
            "Analysers are placed with laboratories at cost, and revenue comes from the kits they use over the years that follow.",
            "Most kits are sold abroad in local currency, while production is at home.",
        ),
        ("", "", "In the year a new line of business began to recover cobalt from used sensors and to sell it."),
    ),
    Firm(
        "DMDUN",
        "Dunmore & Harrow Foods",
        0.60,
        0.0095,
        ((0, -1, -1, 1), (0, -1, -1, 1), (0, -1, -1, 1)),
        (
            "Dunmore & Harrow Foods produces frozen and chilled meals for retail chains and canteens.",
            "Five plants cook, freeze and pack around the clock; finished goods travel to customers in cooled lorries of hired carriers.",
            "Ingredients are largely bought abroad and paid in foreign currency, while sales are at home.",
        ),
        pays_dividend=True,
    ),
)

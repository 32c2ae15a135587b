"""Every performance figure of the product, defined once (design: metrics, section 2) and described in ``METRICS``.

Promise: a figure that is not defined is None, never 0, NaN or infinity; a NaN that comes in is refused, because the libraries that
drop it silently report a different series from the one that was traded. ``r`` is always simple returns per bar, ``equity`` money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from agent.errors import NoData

YEAR = 252  # sessions of a US stock exchange; 365 for instruments that never close
FLAT = 1e-12  # a standard deviation below this is rounding noise

Unit = Literal["fraction", "ratio", "money", "bars", "log", "returns", "count"]


@dataclass(frozen=True)
class Metric:
    """How a figure is shown. ``better`` is None where neither direction is a virtue."""

    key: str
    label: str
    unit: Unit
    better: Literal["high", "low"] | None
    help: str


_TABLE: tuple[Metric, ...] = (
    Metric("cum_return", "Return", "fraction", "high", "Last equity over first equity, minus 1."),
    Metric(
        *("cum_return_gross", "Return before costs", "fraction", "high"),
        "Last equity plus all commission and slippage over first equity, minus 1: paid back in money, not invested again.",
    ),
    Metric("log_return", "Log return", "log", "high", "Natural logarithm of last equity over first equity."),
    Metric("annual_return", "Annual return", "fraction", "high", "The return scaled to 252 sessions; misleading below about 63."),
    Metric("annual_volatility", "Volatility", "fraction", "low", "Sample standard deviation of daily returns times the root of 252."),
    Metric("sharpe", "Sharpe", "ratio", "high", "Mean over sample standard deviation of daily returns above the risk-free rate, annual."),
    Metric("sharpe_se", "Sharpe, standard error", "ratio", "low", "How far the Sharpe of so few days may be off by chance, annual."),
    Metric("sortino", "Sortino", "ratio", "high", "Mean daily return over the root mean square of the losses (all days counted), annual."),
    Metric("max_drawdown", "Max drawdown", "fraction", "high", "Deepest fall below an earlier peak; zero or negative."),
    Metric("longest_underwater_bars", "Longest under water", "bars", "low", "Sessions from a peak until it was regained, or to the end."),
    Metric("calmar", "Calmar", "ratio", "high", "Annual return over the size of the max drawdown."),
    Metric("var_95_hist", "VaR 95 %", "fraction", "high", "5 % quantile of daily returns: one day in twenty was worse."),
    Metric("cvar_95_hist", "CVaR 95 %", "fraction", "high", "Mean of the daily returns at or below the VaR."),
    Metric("var_95_gauss", "VaR 95 %, normal", "fraction", "high", "The 5 % quantile if daily returns were normal."),
    Metric("win_rate_days", "Winning days", "fraction", "high", "Share of days with a gain among days with any change."),
    Metric("profit_factor_days", "Profit factor, days", "ratio", "high", "Sum of daily gains over sum of daily losses."),
    Metric("win_rate_fills", "Winning fills", "fraction", "high", "Share of fills that reduced a position and made money."),
    Metric("profit_factor_fills", "Profit factor, fills", "ratio", "high", "Realised gains over realised losses."),
    Metric("exposure_mean", "Mean exposure", "fraction", None, "Mean share of equity in the market, shorts counted positive."),
    Metric("time_in_market", "Time in market", "fraction", None, "Share of sessions with a position."),
    Metric("turnover_two_sided", "Turnover", "ratio", "low", "Value of all fills over mean equity, buys and sells both counted."),
    Metric("turnover_annual", "Turnover a year", "ratio", "low", "Two-sided turnover scaled to 252 sessions."),
    Metric("total_costs", "Costs", "money", "low", "Commission and slippage."),
    Metric("beta", "Beta", "ratio", None, "Slope of daily returns on the benchmark's."),
    Metric("alpha_annual", "Alpha", "fraction", "high", "Intercept of daily returns on the benchmark's, times 252."),
    Metric("alpha_t", "Alpha, t-value", "ratio", "high", "Alpha over its standard error (Newey-West, 5 lags); beyond 2 is seldom chance."),
    Metric("excess_t", "Excess, t-value", "ratio", "high", "Mean daily return above the benchmark over its error (Newey-West, 5 lags)."),
    Metric("information_ratio", "Information ratio", "ratio", "high", "Sharpe ratio of the return above the benchmark, annual."),
    Metric("skew", "Skewness", "ratio", "high", "Third standardised moment of daily returns (population)."),
    Metric("kurtosis_nonexcess", "Kurtosis", "ratio", "low", "Fourth standardised moment of daily returns (population); 3 for a normal."),
    Metric(
        "judged_hit", "Judged decisions right", "fraction", "high", "Share that was right among judged decisions outside the cost band."
    ),
    Metric("judged_n", "Judged decisions", "count", None, "Decisions that traded and whose outcome lay outside the cost band."),
    Metric(
        "direction_hit", "Direction right", "fraction", "high", "Share of buys and sells whose next move, open to open, went their way."
    ),
    Metric("direction_n", "Directions", "count", None, "Buys and sells whose next move, open to open, is known and not zero."),
    Metric("psr_0", "P(Sharpe > 0)", "fraction", "high", "Probability that the true Sharpe is above zero, given its error."),
    Metric(
        *("min_trl", "Days it needs", "returns", "low"),
        "Daily returns needed before a Sharpe like this one is above zero with 95 % confidence (minimum track record length).",
    ),
    Metric("n", "Returns", "returns", None, "Number of daily returns behind the figures."),
)
METRICS: dict[str, Metric] = {metric.key: metric for metric in _TABLE}


def evaluate(
    equity: Sequence[float] | np.ndarray,
    *,
    benchmark: Sequence[float] | np.ndarray | None = None,
    weights: Sequence[float] | np.ndarray | None = None,
    fills: Any = None,
    verdicts: Sequence[int] | np.ndarray | None = None,
    directions: tuple[int, int] | None = None,
    risk_free: float = 0.0,
    year: int = YEAR,
) -> dict[str, float | None]:
    """Every figure of ``METRICS`` for an equity curve (money, one value per bar, bar 0 included).

    ``benchmark`` and ``weights`` run parallel to it; ``fills`` are Fill records or a DataFrame with their columns (None: not known, so
    no costs and no turnover). ``verdicts`` are those of judged decisions (+1 right, -1 wrong, 0 neither), ``directions`` what
    ``direction_hits`` gives, of one ticker or summed. ``risk_free`` is an annual rate. An empty curve gives all None.
    """
    curve = _clean(equity, "equity")
    r = returns(curve)
    found: dict[str, float | None] = dict.fromkeys(METRICS)
    if not len(curve):
        return found
    daily_rate = (1 + risk_free) ** (1 / year) - 1
    found |= {
        "cum_return": cum_return(curve),
        "log_return": log_return(curve),
        "annual_return": annual_return(curve, year=year),
        "annual_volatility": annual_volatility(r, year=year),
        "sharpe": sharpe(r - daily_rate, year=year),
        "sharpe_se": sharpe_se(r - daily_rate, year=year),
        "sortino": sortino(r - daily_rate, year=year),
        "max_drawdown": max_drawdown(curve),
        "longest_underwater_bars": longest_underwater(curve),
        "calmar": calmar(curve, year=year),
        "var_95_hist": var_hist(r),
        "cvar_95_hist": cvar_hist(r),
        "var_95_gauss": var_gauss(r),
        "win_rate_days": win_rate(r),
        "profit_factor_days": profit_factor(r),
        "skew": moment(r, 3),
        "kurtosis_nonexcess": moment(r, 4),
        "psr_0": psr(r - daily_rate),
        "min_trl": min_track_record(r - daily_rate),
        "n": float(len(r)),
    }
    if weights is not None:
        found |= _exposure(weights, len(curve))
    if fills is not None:
        found |= _trading(fills, curve, len(r), year)
    if verdicts is not None:
        found |= _share("judged", *judged_hits(verdicts))
    if directions is not None:
        found |= _share("direction", *directions)
    if benchmark is not None:
        other = _clean(benchmark, "benchmark")
        if len(other) != len(curve):
            raise ValueError(f"the benchmark has {len(other)} bars, the equity {len(curve)}")
        found |= _against(r, returns(other), year)
    return found


def returns(equity: Sequence[float] | np.ndarray) -> np.ndarray:
    """Simple returns of bars 1..N-1; bar 0 has none. Empty where an equity of zero or less makes them meaningless."""
    curve = _clean(equity, "equity")
    if len(curve) < 2 or (curve[:-1] <= 0).any():
        return np.empty(0)
    return curve[1:] / curve[:-1] - 1


# ------------------------------------------------------------------------------------------------------------ growth and risk


def cum_return(equity: np.ndarray) -> float | None:
    return float(equity[-1] / equity[0] - 1) if len(equity) and equity[0] > 0 else None


def log_return(equity: np.ndarray) -> float | None:
    return math.log(equity[-1] / equity[0]) if len(equity) and equity[0] > 0 and equity[-1] > 0 else None


def annual_return(equity: np.ndarray, *, year: int = YEAR) -> float | None:
    """Compound growth scaled to a year; -1 when everything is lost."""
    n = len(equity) - 1
    if n < 1 or equity[0] <= 0:
        return None
    if equity[-1] <= 0:
        return -1.0
    return _finite(lambda: math.exp(math.log(equity[-1] / equity[0]) * year / n) - 1)


def annual_volatility(r: np.ndarray, *, year: int = YEAR) -> float | None:
    return float(np.std(r, ddof=1) * math.sqrt(year)) if len(r) >= 2 else None


def sharpe(r: np.ndarray, *, year: int = YEAR) -> float | None:
    """Annual Sharpe ratio of returns that are already above the risk-free rate; None on fewer than 2 or without variation."""
    daily = _sharpe_daily(r)
    return None if daily is None else daily * math.sqrt(year)


def sharpe_se(r: np.ndarray, *, year: int = YEAR) -> float | None:
    """Standard error of the annual Sharpe, allowing for skewness and fat tails; about 1 over the root of the years."""
    daily, variance = _sharpe_daily(r), _sharpe_variance(r)
    return None if daily is None or variance is None else math.sqrt(variance / (len(r) - 1) * year)


def psr(r: np.ndarray, *, threshold: float = 0.0) -> float | None:
    """Probability that the true Sharpe (per day) lies above ``threshold`` (Bailey and Lopez de Prado, 2012)."""
    daily, variance = _sharpe_daily(r), _sharpe_variance(r)
    if daily is None or not variance:
        return None
    return NormalDist().cdf((daily - threshold) * math.sqrt(len(r) - 1) / math.sqrt(variance))


def min_track_record(r: np.ndarray, *, threshold: float = 0.0, level: float = 0.95) -> float | None:
    """Days until ``psr`` of a Sharpe like this one reaches ``level``; None where it does not exceed ``threshold`` (per day)."""
    daily, variance = _sharpe_daily(r), _sharpe_variance(r)
    if daily is None or variance is None or daily - threshold < FLAT:
        return None
    return 1 + variance * (NormalDist().inv_cdf(level) / (daily - threshold)) ** 2


def _sharpe_daily(r: np.ndarray) -> float | None:
    if len(r) < 2:
        return None
    deviation = float(np.std(r, ddof=1))
    return float(np.mean(r)) / deviation if deviation >= FLAT else None


def _sharpe_variance(r: np.ndarray) -> float | None:
    """(n - 1) times the variance of the daily Sharpe estimate: 1 - g3 SR + (g4 - 1)/4 SR^2; None where sampling makes it negative."""
    daily, skew, kurtosis = _sharpe_daily(r), moment(r, 3), moment(r, 4)
    if daily is None or skew is None or kurtosis is None:
        return None
    variance = 1 - skew * daily + (kurtosis - 1) / 4 * daily**2
    return variance if variance > 0 else None


def sortino(r: np.ndarray, *, year: int = YEAR) -> float | None:
    """Mean over downside deviation, both over all days, annual; None without a losing day."""
    if not len(r):
        return None
    downside = math.sqrt(float(np.mean(np.minimum(r, 0.0) ** 2)))
    return float(np.mean(r)) / downside * math.sqrt(year) if downside >= FLAT else None


def drawdowns(equity: Sequence[float] | np.ndarray) -> np.ndarray:
    """Equity over its highest value so far, minus 1; one value per bar, zero or negative."""
    curve = _clean(equity, "equity")
    return curve / np.maximum.accumulate(curve) - 1 if len(curve) and curve[0] > 0 else np.zeros(len(curve))


def max_drawdown(equity: np.ndarray) -> float | None:
    return float(drawdowns(equity).min()) if len(equity) else None


def drawdown_bars(equity: Sequence[float] | np.ndarray) -> tuple[int | None, int | None, int | None]:
    """Positions of the max drawdown's peak (last bar at it), trough and recovery; None without a drawdown or a recovery."""
    curve = _clean(equity, "equity")
    depth = drawdowns(curve)
    if not len(curve) or depth.min() >= 0:
        return None, None, None
    trough = int(depth.argmin())
    top = curve[: trough + 1].max()
    peak = int(np.flatnonzero(curve[: trough + 1] == top)[-1])
    later = np.flatnonzero(curve[trough:] >= top)
    return peak, trough, trough + int(later[0]) if len(later) else None


def longest_underwater(equity: np.ndarray) -> float | None:
    """Bars from a peak to the bar that regains it, or to the last bar; 0 if never below a peak."""
    if not len(equity):
        return None
    longest, peak = 0, 0
    for bar in range(1, len(equity)):
        if equity[bar] >= equity[peak]:
            longest = max(longest, bar - peak if bar - peak > 1 else 0)
            peak = bar
    last = len(equity) - 1
    return float(max(longest, last - peak))


def calmar(equity: np.ndarray, *, year: int = YEAR) -> float | None:
    growth, depth = annual_return(equity, year=year), max_drawdown(equity)
    return growth / abs(depth) if growth is not None and depth else None


def var_hist(r: np.ndarray, *, level: float = 0.05) -> float | None:
    return float(np.quantile(r, level)) if len(r) else None


def cvar_hist(r: np.ndarray, *, level: float = 0.05) -> float | None:
    quantile = var_hist(r, level=level)
    if quantile is None:
        return None
    tail = r[r <= quantile]
    return float(tail.mean()) if len(tail) else quantile


def var_gauss(r: np.ndarray, *, level: float = 0.05) -> float | None:
    return float(np.mean(r) + np.std(r, ddof=1) * NormalDist().inv_cdf(level)) if len(r) >= 2 else None


def win_rate(values: np.ndarray) -> float | None:
    """Share of gains among values that are not zero."""
    moved = values[values != 0]
    return float((moved > 0).mean()) if len(moved) else None


def profit_factor(values: np.ndarray) -> float | None:
    """Gains over losses; None without a loss."""
    losses = -float(values[values < 0].sum())
    return float(values[values > 0].sum()) / losses if losses > 0 else None


def moment(r: np.ndarray, order: int) -> float | None:
    """Standardised central moment of the population; None without variation."""
    if len(r) < 2:
        return None
    deviation = float(np.std(r))
    return float(np.mean(((r - np.mean(r)) / deviation) ** order)) if deviation >= FLAT else None


# ------------------------------------------------------------------------------------------------- benchmark, trades, exposure


def beta_alpha(r: np.ndarray, other: np.ndarray, *, year: int = YEAR) -> tuple[float | None, float | None]:
    """Least squares of ``r`` on ``other`` with an intercept: slope, and intercept times ``year``."""
    if len(r) < 2 or len(r) != len(other) or np.std(other) < FLAT:
        return None, None
    centred = other - other.mean()
    slope = float(centred @ (r - r.mean()) / (centred @ centred))
    return slope, float(r.mean() - slope * other.mean()) * year


def _against(r: np.ndarray, other: np.ndarray, year: int) -> dict[str, float | None]:
    if len(r) != len(other):  # one of the two was wiped out
        return {}
    slope, intercept = beta_alpha(r, other, year=year)
    return {
        "beta": slope,
        "alpha_annual": intercept,
        "alpha_t": alpha_t(r, other),
        "excess_t": mean_t(r - other),
        "information_ratio": sharpe(r - other, year=year),
    }


def mean_t(x: np.ndarray, *, lags: int = 5) -> float | None:
    """The mean over its Newey-West standard error; None without variation or with fewer days than lags need."""
    return _hac_t(x, np.ones((len(x), 1)), lags)


def alpha_t(r: np.ndarray, other: np.ndarray, *, lags: int = 5) -> float | None:
    """The intercept of ``r`` on ``other`` over its Newey-West standard error; None where there is no slope."""
    if len(r) != len(other) or not len(r) or np.std(other) < FLAT:
        return None
    return _hac_t(r, np.column_stack([np.ones(len(r)), other]), lags)


def _hac_t(y: np.ndarray, x: np.ndarray, lags: int) -> float | None:
    """t of the first coefficient of least squares, errors allowed to be uneven and to hang together over ``lags`` days (Bartlett weights)."""
    if len(y) <= lags + x.shape[1]:
        return None
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ y
    scores = x * (y - x @ coefficients)[:, None]
    if float(np.abs(scores).max()) < FLAT:
        return None
    middle = scores.T @ scores
    for lag in range(1, lags + 1):
        shifted = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (shifted + shifted.T)
    variance = float((inverse @ middle @ inverse)[0, 0])
    return float(coefficients[0]) / math.sqrt(variance) if variance > 0 else None


def judged_hits(verdicts: Sequence[int] | np.ndarray) -> tuple[int, int]:
    """How many decisions were right, out of those that were right or wrong; what stayed inside the cost band is neither."""
    found = np.asarray(verdicts, dtype=float)
    return int((found > 0).sum()), int((found != 0).sum())


def direction_hits(directions: Sequence[int] | np.ndarray, opens: Sequence[float] | np.ndarray) -> tuple[int, int]:
    """Decisions whose next move went their way, out of all with a direction and a move.

    ``directions``: +1 buy, -1 sell, 0 anything else, one per session with a price; ``opens`` the same sessions' opens, splits accounted
    for. The move of session i is from open i+1, where the order filled, to open i+2; the last two sessions have none.
    """
    side, prices = np.asarray(directions, dtype=float), _clean(opens, "opens")
    if len(prices) != len(side):
        raise ValueError(f"there are {len(side)} directions for {len(prices)} opens")
    move = np.sign(prices[2:] - prices[1:-1]) if len(prices) > 2 else np.empty(0)
    asked = side[: len(move)]
    counted = (asked != 0) & (move != 0)
    return int((np.sign(asked)[counted] == move[counted]).sum()), int(counted.sum())


def _share(name: str, hits: int, n: int) -> dict[str, float | None]:
    return {f"{name}_hit": hits / n if n else None, f"{name}_n": float(n)}


def _exposure(weights: Sequence[float] | np.ndarray, bars: int) -> dict[str, float | None]:
    """Over bars 1..N-1. A weight is undefined (NaN) only where the equity is gone; then so is the mean."""
    held = np.asarray(weights, dtype=float)
    if len(held) != bars:
        raise ValueError(f"there are {len(held)} weights for {bars} bars")
    held = held[1:]
    if not len(held):
        return {"exposure_mean": 0.0, "time_in_market": 0.0}
    mean = float(np.abs(held).mean())
    return {"exposure_mean": mean if math.isfinite(mean) else None, "time_in_market": float((held != 0).mean())}


def _trading(fills: Any, curve: np.ndarray, n: int, year: int) -> dict[str, float | None]:
    traded = np.abs(_column(fills, "shares")) * _column(fills, "price")
    mean = float(curve.mean())
    turnover = float(traded.sum()) / mean if mean > 0 else None
    realised = _column(fills, "realised")
    realised = realised[~np.isnan(realised)]
    costs = float(_column(fills, "commission").sum() + _column(fills, "slippage").sum())
    return {
        "cum_return_gross": float((curve[-1] + costs) / curve[0] - 1) if curve[0] > 0 else None,
        "total_costs": costs,
        "turnover_two_sided": turnover,
        "turnover_annual": turnover * year / n if turnover is not None and n else None,
        "win_rate_fills": float((realised > 0).mean()) if len(realised) else None,
        "profit_factor_fills": profit_factor(realised),
    }


def _column(fills: Any, name: str) -> np.ndarray:
    """One field of Fill records, of mappings, or of a DataFrame; None becomes NaN."""
    if hasattr(fills, "columns"):
        return np.asarray(fills[name], dtype=float) if name in fills.columns else np.empty(0)
    values = [fill[name] if isinstance(fill, Mapping) else getattr(fill, name) for fill in fills]
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _clean(values: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise NoData(f"The {name} has no usable number at position {int(bad[0])} (found {array[bad[0]]}): a missing bar.")
    return array


def _finite(compute: Any) -> float | None:
    try:
        value = compute()
    except OverflowError:
        return None
    return value if math.isfinite(value) else None

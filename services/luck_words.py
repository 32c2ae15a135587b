"""Luck in plain words: what a Sharpe of so few days may and may not claim. One wording for page, report and command line."""

from __future__ import annotations

import math

from services.luck import Luck, Span

MEANINGS = {
    "sharpe": "Annual Sharpe of the daily returns, and its standard error: the true one lies within about two of them.",
    "share": (
        "Share of 1,000 random traders with a lower Sharpe. They hold the run's weights for as many sessions, in as many stretches, on the "
        "same prices and at the same costs, but at moments drawn by lot. Below: the 95 % interval that 1,000 draws leave."
    ),
    "psr": "Probability that the true Sharpe is above zero, given its length, skewness and fat tails (probabilistic Sharpe ratio).",
    "dsr": (
        "Probability that the true Sharpe beats what the luckiest of K tries would show (deflated Sharpe ratio). K: configurations and seeds "
        "ever tried on this market and window. Tries whose daily returns correlate above 0.8 are hardly different: the second figure counts "
        "them as one."
    ),
    "min_track_record": "Daily returns that a Sharpe like this needs before it is above zero with 95 % confidence.",
    "days_to_tell": (
        "To tell the run from buy and hold: daily returns until a difference in Sharpe as large as the one seen would be found significant "
        "(5 %, two-sided) four times in five. It takes the difference seen for the true one."
    ),
}
YEAR = 252
ALWAYS = 100 * YEAR  # daily returns: beyond a hundred years a number of days says nothing more


def days(value: float | None) -> str:
    """A number of daily returns, in whole ones; a dash where there is none."""
    if value is None:
        return "–"
    return f"{math.ceil(value):,}" if value < ALWAYS else "over 100 years"


def share(found: Luck) -> str:
    """The place among random traders: 83 %, or above all, or below all."""
    if found.share is None:
        return "–"
    if found.share in (0, 1):
        return "above all" if found.share else "below all"
    return f"{100 * found.share:.0f} %" if 0.01 <= found.share <= 0.99 else f"{100 * found.share:.1f} %"


def interval(found: Luck) -> str:
    if found.share_low is None or found.share_high is None:
        return ""
    return f"{100 * found.share_low:.1f} to {100 * found.share_high:.1f} %"


def tries(found: Luck) -> str:
    """How often it was tried: 1 try, or 12 tries that count as 4."""
    if found.trials == 1:
        return "1 try"
    alike = "" if found.trials_effective == found.trials else f" that count as {found.trials_effective}"
    return f"{found.trials:,} tries{alike}"


def sentences(found: Luck) -> list[str]:
    """What the figures add up to, in plain words; nothing where there are no days."""
    if found.sharpe is None:
        return [f"No Sharpe: {found.returns:,} daily returns" + (" without any variation." if found.returns > 1 else ".")]
    said = [_timing(found)]
    if found.trials > 1 and found.dsr is not None:
        said.append(
            f"The best of {found.trials:,} tries shows a good Sharpe by luck alone; "
            + ("this one stands above that." if found.dsr >= 0.95 else "this one does not stand out from that.")
        )
    said.append(_length(found))
    return said


def _timing(found: Luck) -> str:
    if found.share is None or found.share_low is None or found.share_high is None:
        return f"No place among random traders: {found.why}."
    if found.share_low > 0.95:
        return "Hardly any trader by lot with the same turnover and exposure did as well: on these days the timing was good."
    if found.share_high < 0.05:
        return "Nearly every trader by lot with the same turnover and exposure did better: on these days the timing cost money."
    of_hundred = round(100 * (1 - found.share))
    return f"Of 100 traders by lot with the same turnover and exposure {of_hundred} did as well or better: the timing may be luck."


def _length(found: Luck) -> str:
    if found.sharpe is None or found.sharpe <= 0 or found.min_track_record is None:
        return "A Sharpe that is not above zero needs no test of being above zero."
    if found.min_track_record <= found.returns:
        return f"{found.returns:,} daily returns are enough to call the Sharpe positive, as a single try."
    return f"{found.returns:,} daily returns are not enough to call the Sharpe positive: {days(found.min_track_record)} would be needed."


def matched(found: Luck) -> str:
    """Turnover and exposure of the crowd beside the run's: the evidence that the two are comparable."""
    if found.crowd_turnover is None or found.crowd_exposure is None or found.turnover is None or found.exposure is None:
        return ""
    return (
        f"{found.traders:,} random traders, seed {found.seed}. Turnover: run {found.turnover:.2f}, crowd {_range(found.crowd_turnover, 1)}. "
        f"Exposure: run {100 * found.exposure:.1f} %, crowd {_range(found.crowd_exposure, 100)} % (middle nine tenths)."
    )


def _range(span: Span, times: float) -> str:
    digits = 2 if times == 1 else 1
    return f"{times * span.low:.{digits}f} to {times * span.high:.{digits}f}"

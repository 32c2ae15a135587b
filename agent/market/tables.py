"""Canonical tables: how a frame from outside becomes one, and what is wrong with it, in plain words.

``conform`` casts names, types and times and refuses what cannot be cast; ``inspect`` looks at one symbol's rows and reports findings:
errors (the rows cannot be traded on) and warnings (true but worth knowing). Every source goes through both, so a defect gets the same
sentence whoever delivered it. Nothing is repaired silently: what is dropped or shifted becomes an Issue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from agent.errors import SpecError
from agent.market.sessions import Calendar
from agent.market.sources.base import Issue

NEW_YORK = "America/New_York"
FIRST_YEAR, LAST_YEAR = 1900, 2200  # outside, a stamp is a placeholder, and the end of year 9999 has no name
SHOWN = 5  # first rows in a sentence
NEWS_LAG = pd.Timedelta(minutes=5)  # from publication until a vendor's subscriber can read it (design: look-ahead rules)
EDGAR_LAG = pd.Timedelta(minutes=1)  # from acceptance until the filing is on the site
JUMP = 0.40  # a larger daily move without a split or dividend is worth a look
FLAT = 5  # equal closes in a row
SPLIT_LIKE = (2, 3, 4, 5, 10, 20)

Kind = Literal["text", "day", "time", "number"]
SCHEMA: dict[str, dict[str, Kind]] = {
    "bars": {"symbol": "text", "date": "day", "open": "number", "high": "number", "low": "number", "close": "number", "volume": "number"},
    "splits": {"symbol": "text", "ex_date": "day", "ratio": "number"},
    "dividends": {"symbol": "text", "ex_date": "day", "amount": "number"},
    "news": {
        "symbol": "text",
        "id": "text",
        "published_at": "time",
        "available_at": "time",
        "title": "text",
        "summary": "text",
        "publisher": "text",
        "url": "text",
    },
    "filings": {
        "symbol": "text",
        "accession": "text",
        "form": "text",
        "section": "text",
        "period_end": "day",
        "accepted_at": "time",
        "available_at": "time",
        "text": "text",
        "url": "text",
    },
    "fundamentals": {
        "symbol": "text",
        "field": "text",
        "value": "number",
        "unit": "text",
        "timeframe": "text",
        "period_start": "day",
        "period_end": "day",
        "form": "text",
        "filed": "day",
        "accession": "text",
        "available_at": "time",
    },
}
REQUIRED = {
    "bars": ("symbol", "date", "open", "high", "low", "close", "volume"),
    "splits": ("symbol", "ex_date", "ratio"),
    "dividends": ("symbol", "ex_date", "amount"),
    "news": ("symbol", "published_at", "title"),
    "filings": ("symbol", "accession", "form", "text"),
    "fundamentals": ("symbol", "field", "value", "period_end", "available_at"),
}
KEY = {
    "bars": ["symbol", "date"],
    "splits": ["symbol", "ex_date"],
    "dividends": ["symbol", "ex_date"],
    "news": ["symbol", "id"],
    "filings": ["symbol", "accession", "section"],
    "fundamentals": ["symbol", "accession", "field", "timeframe", "period_end"],
}
ORDER = {
    "bars": ["symbol", "date"],
    "splits": ["symbol", "ex_date"],
    "dividends": ["symbol", "ex_date"],
    "news": ["symbol", "available_at", "id"],
    "filings": ["symbol", "available_at", "accession", "section"],
    "fundamentals": ["symbol", "available_at", "accession", "field", "period_end"],
}
FIGURES: dict[str, tuple[str, ...]] = {  # field word -> headers of a table with one column per figure, the first that is there counts
    "revenue": ("revenue", "revenues", "total_revenue", "sales"),
    "cost_of_revenue": ("cost_of_revenue", "cost_of_sales"),
    "gross_profit": ("gross_profit",),
    "operating_income": ("operating_income", "operating_income_loss"),
    "net_income": ("net_income", "net_income_loss"),
    "eps_basic": ("eps_basic", "basic_eps"),
    "eps_diluted": ("eps_diluted", "diluted_eps"),
    "shares_outstanding": ("shares_outstanding",),
    "shares_diluted": ("shares_diluted", "diluted_shares"),
    "total_assets": ("total_assets", "assets"),
    "total_liabilities": ("total_liabilities", "liabilities"),
    "equity": ("equity", "equity_parent", "stockholders_equity", "total_equity"),
    "cash": ("cash", "cash_and_equivalents"),
    "long_term_debt": ("long_term_debt",),
    "operating_cash_flow": ("operating_cash_flow", "cash_from_operations"),
    "capex": ("capex", "capital_expenditure", "capital_expenditures"),
}
INSTANT = {"shares_outstanding", "total_assets", "total_liabilities", "equity", "cash", "long_term_debt"}  # true of a day, not of a period
SHARES = {"shares_outstanding", "shares_diluted"}
PER_SHARE = {"eps_basic", "eps_diluted"}
DAY_COLUMN = {"bars": "date", "splits": "ex_date", "dividends": "ex_date"}  # the others count by available_at


def empty(table: str) -> pd.DataFrame:
    """A canonical table without rows."""
    kinds = {"text": "str", "day": "datetime64[us]", "time": "datetime64[us, UTC]", "number": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds[kind]) for name, kind in SCHEMA[table].items()})


# --------------------------------------------------------------------------------------------------------------- conforming


def conform(
    table: str, frame: pd.DataFrame, *, where: str = "", zone: str = NEW_YORK, currency: str = "USD", settled: bool = False
) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """``frame`` as a canonical table, sorted, with notes on what was removed. ``where`` (a file name) goes into every sentence.

    A missing column, a value that is no number, an unparseable date and a time without a zone are SpecErrors; a text or figure without
    any date is dropped with a note. ``zone``: where a day without a time ends. ``currency``: of figures that do not state theirs.
    ``settled``: the times in ``available_at`` have been through these rules before and stand as they are.
    """
    where = where or table
    frame = _named(table, frame, where, currency)
    missing = [name for name in REQUIRED[table] if name not in frame]
    if missing:
        found = _listed(list(frame.columns)) or "none"
        raise _spec(f"{where}: column {_listed(missing)} is missing from the {table} table (found: {found}).")
    issues = tuple(
        issue for name in ("published_at", "accepted_at", "available_at") if name in frame and (issue := _zones(table, frame, name, where))
    )
    columns = {name: _cast(frame[name], kind, f"{where}: column {name!r}") for name, kind in SCHEMA[table].items() if name in frame}
    if table == "bars" and "basis" in frame:
        columns["basis"] = frame["basis"].astype("str")
    clean = pd.DataFrame(columns, index=frame.index)
    for name in KEY[table]:
        if name in REQUIRED[table]:
            _refuse(frame[name], clean[name].isna() | (clean[name] == ""), f"{where}: column {name!r} is empty")
    if table == "news":
        clean = _news(clean, where, zone, settled)
    elif table == "filings":
        clean = _filings(clean, frame, where, zone, settled)
    elif table == "fundamentals":
        clean = _fundamentals(clean, zone, settled)
    clean, undated = _dated(table, clean, where)
    clean, repeats = _unique(table, clean, where)
    order = [*SCHEMA[table], *(["basis"] if "basis" in clean else [])]
    return clean[order].sort_values(ORDER[table], kind="stable", ignore_index=True), (*issues, *undated, *repeats)


def _named(table: str, frame: pd.DataFrame, where: str, currency: str = "USD") -> pd.DataFrame:
    """Header synonyms: any case, ``ticker`` for symbol, ``split_from``/``split_to`` for ratio, ``filing_date`` for filed."""
    frame = frame.rename(columns={name: str(name).strip().lower().replace(" ", "_") for name in frame.columns}).reset_index(drop=True)
    doubled = sorted(set(frame.columns[frame.columns.duplicated()]))
    if doubled:
        raise _spec(f"{where}: column {_listed(doubled)} appears twice.")
    if "symbol" not in frame and "ticker" in frame:
        frame = frame.rename(columns={"ticker": "symbol"})
    if table == "splits" and "ratio" not in frame and {"split_from", "split_to"} <= set(frame.columns):
        to, old = (_numbers(frame[name], f"{where}: column {name!r}") for name in ("split_to", "split_from"))
        frame = frame.assign(ratio=to / old)
    if table == "bars" and "close" not in frame and "adj_close" in frame:
        raise _spec(f"{where}: only an adjusted close was found; a price adjusted for later dividends tells the future. Supply 'close'.")
    if table == "fundamentals":
        frame = _long(frame, where, currency)
    return frame


def _long(frame: pd.DataFrame, where: str, currency: str) -> pd.DataFrame:
    """Fundamentals as one row per figure: a table with one column per figure is unfolded, missing figures leave no row."""
    if "filed" not in frame and "filing_date" in frame:
        frame = frame.rename(columns={"filing_date": "filed"})
    if "available_at" not in frame and ("filed" in frame or "accepted_at" in frame):
        frame = frame.assign(available_at=frame.get("accepted_at", pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")))
    if "field" in frame:
        return frame
    figures = {field: next((name for name in names if name in frame), "") for field, names in FIGURES.items()}
    rows = []
    for field, name in figures.items():
        if not name:
            continue
        values = _numbers(frame[name], f"{where}: column {name!r}")
        part = frame.drop(columns=[other for other in figures.values() if other]).assign(field=field, value=values)
        part["unit"] = "shares" if field in SHARES else f"{currency}/shares" if field in PER_SHARE else currency
        if field in INSTANT:
            part = part.assign(timeframe="instant", period_start=pd.Series(pd.NaT, index=part.index, dtype="datetime64[us]"))
        rows.append(part[values.notna()])
    if not rows:
        return frame
    key = [name for name in (*KEY["fundamentals"], "available_at", "value") if name in rows[0]]
    return pd.concat(rows, ignore_index=True).drop_duplicates(
        key, ignore_index=True
    )  # a balance sheet stands in the quarter and in the year


def _zones(table: str, frame: pd.DataFrame, name: str, where: str) -> Issue | None:
    """Times written with offsets that no single place has: every one is a moment, and still somebody mixed two clocks."""
    if not pd.api.types.is_string_dtype(frame[name].dtype):
        return None
    text = pd.Series(frame[name].dropna().unique()).astype("str")
    offsets = sorted(set(text.str.extract(r":\d{2}\S*?(Z|[+-]\d{2}:?\d{2})$", expand=False).dropna()))
    hours = {0.0 if o == "Z" else int(o[:3]) + int(o[0] + o[-2:]) / 60 for o in offsets}
    if not hours or max(hours) - min(hours) <= 1:
        return None
    message = f"{where}: column {name!r} mixes clocks ({_listed(offsets)}); each time was read with its own."
    return Issue("warning", table, message, count=len(hours), rows=tuple(offsets[:SHOWN]), code="mixed_zones")


def _dated(table: str, frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Without the items that carry no date at all: nobody can say when they could have been read. One note per symbol."""
    if table not in ("news", "filings", "fundamentals"):
        return frame, ()
    lost = frame["available_at"].isna()
    what = {"news": ["title"], "filings": ["accession", "form"], "fundamentals": ["field", "period_end"]}[table]
    noun = {"news": "news item", "filings": "filing section", "fundamentals": "figure"}[table]
    issues = [
        _issue(
            "warning",
            table,
            f"{where}: {_plural(len(rows), noun)} of {symbol} without a date left out.",
            rows,
            what,
            str(symbol),
            "undated",
        )
        for symbol, rows in frame[lost].groupby("symbol")
    ]
    return frame[~lost], tuple(issues)


def _cast(column: pd.Series, kind: Kind, where: str) -> pd.Series:
    if kind == "text":
        text = column.astype("str").fillna("").str.strip()
        return text.str.upper() if where.endswith("'symbol'") else text
    if kind == "number":
        return _numbers(column, where)
    stamps = _days(column, where) if kind == "day" else _times(column, where)
    _refuse(
        column,
        (stamps.dt.year < FIRST_YEAR) | (stamps.dt.year > LAST_YEAR),
        f"{where} holds years before {FIRST_YEAR} or after {LAST_YEAR}",
    )
    return stamps


def _numbers(column: pd.Series, where: str) -> pd.Series:
    """float64; what is no number is refused, an empty cell stays NaN for ``inspect`` to report with its date."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.astype("float64")
    numbers = pd.to_numeric(column, errors="coerce")
    blank = column.isna() | (column.astype("str").str.strip() == "")
    _refuse(column, numbers.isna() & ~blank, f"{where} holds values that are not numbers")
    return numbers.astype("float64")


def _days(column: pd.Series, where: str) -> pd.Series:
    """Naive midnight. An aware midnight is its own day in its own zone; a time of day in a date column is refused."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        days = column.dt.tz_localize(None)
    elif pd.api.types.is_datetime64_dtype(column.dtype):
        days = column
    else:
        text = column.map(str, na_action="ignore").astype("str").str.strip().replace("", None)
        days = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
        if days.isna().any():
            days = days.fillna(pd.to_datetime(text, format="%Y-%m-%d %H:%M:%S", errors="coerce"))
        _refuse(column, days.isna() & text.notna(), f"{where} holds dates that cannot be read (write them as YYYY-MM-DD)")
    days = days.astype("datetime64[us]")
    _refuse(column, days.notna() & (days != days.dt.normalize()), f"{where} must hold days, not times of day")
    return days


def _times(column: pd.Series, where: str) -> pd.Series:
    """UTC. A bare date becomes midnight UTC (read later as "date only"); a time of day without a zone is refused."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    if pd.api.types.is_datetime64_dtype(column.dtype):
        zoneless = column.notna() & (column != column.dt.normalize())
        _refuse(column, zoneless, f"{where} has times without a time zone (write them with an offset, such as +00:00)")
        return column.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    text = column.map(str, na_action="ignore").astype("str").str.strip().replace("", None)
    filled = text.fillna("")
    bare = filled.str.fullmatch(r"\d{4}-\d{2}-\d{2}([ T]00:00(:00(\.0+)?)?)?")
    zoned = filled.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True) & filled.str.contains(":")
    times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    _refuse(column, text.notna() & times.isna(), f"{where} holds times that cannot be read (write them as 2025-01-31T14:30:00+00:00)")
    _refuse(column, text.notna() & ~bare & ~zoned, f"{where} has times without a time zone (write them with an offset, such as +00:00)")
    return times.astype("datetime64[us, UTC]")


def end_of_day(times: pd.Series, zone: str = NEW_YORK) -> pd.Series:
    """For stamps that carry only a date (exactly 00:00 UTC or 00:00 in ``zone``): the end of that day in ``zone``, in UTC; else NaT."""
    local = times.dt.tz_convert(zone)
    by_utc, by_local = times == times.dt.normalize(), local == local.dt.normalize()
    day = times.dt.tz_localize(None).dt.normalize().where(by_utc, local.dt.tz_localize(None).dt.normalize())
    end = _clock(day + pd.Timedelta(days=1), zone)
    return end.where(by_utc | by_local).astype("datetime64[us, UTC]")


def _clock(local: pd.Series, zone: str) -> pd.Series:
    """Wall-clock times of a place in UTC. An hour that exists twice is read as the later, one that does not exist as the next that does."""
    later = np.zeros(len(local), dtype=bool)
    return (
        local.dt.tz_localize(ZoneInfo(zone), ambiguous=later, nonexistent="shift_forward")
        .dt.tz_convert("UTC")
        .astype("datetime64[us, UTC]")
    )


def _no_times(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")


def _news(frame: pd.DataFrame, where: str, zone: str, settled: bool) -> pd.DataFrame:
    stated = frame.get("available_at", _no_times(frame))
    if not settled:
        stated = end_of_day(stated, zone).fillna(stated)
    rule = end_of_day(frame["published_at"], zone).fillna(frame["published_at"] + NEWS_LAG)
    frame = frame.assign(available_at=stated.fillna(rule).where(frame["published_at"].notna()))
    early = frame["available_at"] < frame["published_at"]
    _refuse(frame["title"], early, f"{where}: news readable before it was published")
    for name in ("summary", "publisher", "url", "id"):
        if name not in frame:
            frame = frame.assign(**{name: ""})
    blank = (frame["id"] == "") & frame["published_at"].notna()
    if blank.any():
        frame.loc[blank, "id"] = [_news_id(row) for row in frame[blank].itertuples()]
    return frame


def _news_id(row: Any) -> str:
    return hashlib.sha256("\n".join((row.publisher, row.title, row.published_at.isoformat())).encode()).hexdigest()[:16]


def _filings(frame: pd.DataFrame, raw: pd.DataFrame, where: str, zone: str, settled: bool) -> pd.DataFrame:
    """When a filing could be read: acceptance + 1 min, never before 06:00 New York of its filing date; without an acceptance time
    22:00 New York of the filing date; a later time that the table itself states wins."""
    accepted, stated = (frame.get(name, _no_times(frame)) for name in ("accepted_at", "available_at"))
    if settled:
        accepted = accepted.fillna(stated)
        _refuse(frame["accession"], stated < accepted, f"{where}: filings readable before they were accepted")
        return _filled(frame.assign(available_at=stated, accepted_at=accepted))
    stated = end_of_day(stated, zone).fillna(stated)
    accepted = accepted.where(end_of_day(accepted, zone).isna())
    filed = _days(raw["filing_date"], f"{where}: column 'filing_date'") if "filing_date" in raw else _filing_day(accepted)
    filed = filed.fillna(_filing_day(accepted))
    rule = pd.concat([accepted + EDGAR_LAG, _new_york(filed, 6).where(accepted.notna())], axis=1).max(axis=1)
    rule = rule.fillna(_new_york(filed, 22))
    available = pd.concat([rule, stated], axis=1).max(axis=1).astype("datetime64[us, UTC]")
    return _filled(frame.assign(available_at=available, accepted_at=accepted.fillna(available)))


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    for name, default in (("section", "document"), ("url", "")):
        frame = frame.assign(**{name: frame[name].replace("", default) if name in frame else default})
    if "period_end" not in frame:
        frame = frame.assign(period_end=pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]"))
    return frame


def _fundamentals(frame: pd.DataFrame, zone: str, settled: bool) -> pd.DataFrame:
    """A figure is readable when its filing is: the stated time, else 22:00 New York of the filing date. Never from its period's end."""
    for name in ("unit", "timeframe", "form", "accession"):
        if name not in frame:
            frame = frame.assign(**{name: ""})
    for name in ("period_start", "filed"):
        if name not in frame:
            frame = frame.assign(**{name: pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")})
    if settled:
        return frame
    stated = frame["available_at"]
    stated = end_of_day(stated, zone).fillna(stated)
    return frame.assign(available_at=stated.fillna(_new_york(frame["filed"], 22)))


def _filing_day(accepted: pd.Series) -> pd.Series:
    """The filing date EDGAR would give: the day of acceptance in New York, after 17:30 the next weekday."""
    local = accepted.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    day = local.dt.normalize().where(
        local - local.dt.normalize() <= pd.Timedelta(hours=17, minutes=30), local.dt.normalize() + pd.Timedelta(days=1)
    )
    ahead = day.dt.day_of_week.map({5: 2, 6: 1}).fillna(0)
    return (day + pd.to_timedelta(ahead, unit="D")).astype("datetime64[us]")


def _new_york(days: pd.Series, hour: int) -> pd.Series:
    return _clock(days + pd.Timedelta(hours=hour), NEW_YORK)


def _unique(table: str, frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Exact repeats go with a note. Different rows under one key: refused for prices and splits, dividends of one day add up, of texts
    the one that could be read first stays."""
    issues = []
    key = KEY[table]
    same_key = frame.duplicated(key, keep=False)
    if not same_key.any():
        return frame, ()
    repeated = same_key & frame.duplicated() if table != "dividends" else pd.Series(False, index=frame.index)
    if repeated.any():
        message = f"{where}: {_count(repeated, 'row')} repeated exactly and removed."
        issues.append(_issue("warning", table, message, frame[repeated], key, code="repeated"))
        frame = frame[~repeated]
    if table == "dividends":
        return frame.groupby(key, as_index=False)["amount"].sum(min_count=1), tuple(issues)
    double = frame.duplicated(key, keep=False)
    if not double.any():
        return frame, tuple(issues)
    rows = frame[double]
    if table in ("bars", "splits"):
        named = rows.drop_duplicates(key)
        verb = "appears" if len(named) == 1 else "appear"
        raise _spec(f"{where}: {_listed(_rows(named, key), len(named))} {verb} more than once with different values.")
    kept = frame.sort_values("available_at", kind="stable").drop_duplicates(key)
    lost = frame.loc[frame.index.difference(kept.index)]
    message = f"{where}: {len(lost)} {table} rows share their id with an earlier one and were left out."
    issues.append(_issue("warning", table, message, lost, key, code="shared_id"))
    return kept, tuple(issues)


# --------------------------------------------------------------------------------------------------------------- inspecting


def inspect(
    table: str,
    frame: pd.DataFrame,
    *,
    symbol: str,
    calendar: Calendar,
    splits: pd.DataFrame | None = None,
    dividends: pd.DataFrame | None = None,
    today: date | None = None,
    fetched_at: datetime | None = None,
) -> tuple[Issue, ...]:
    """Findings about one symbol's rows of a canonical table. ``splits`` and ``dividends`` explain jumps of the bars; ``today`` (the
    exchange's) unmasks bars of days to come, ``fetched_at`` (aware) news that was published after it was fetched."""
    if frame.empty:
        return ()
    if table == "bars":
        errors = _bad_bars(frame, symbol, today)
        return tuple(errors) or tuple(_odd_bars(frame, symbol, calendar, splits, dividends))
    if table == "news":
        return tuple(_odd_news(frame, symbol, calendar.zone, fetched_at))
    if table in ("splits", "dividends"):
        return tuple(_bad_actions(table, frame, symbol, calendar))
    return tuple(_bad_figures(frame, symbol)) if table == "fundamentals" else ()


def refuse_errors(issues: Iterable[Issue], *, where: str = "") -> None:
    """SpecError with every error among ``issues``; warnings pass."""
    errors = [issue for issue in issues if issue.severity == "error"]
    if errors:
        prefix = f"{where}: " if where else ""
        rest = f" And {len(errors) - SHOWN} more errors." if len(errors) > SHOWN else ""
        raise _spec(" ".join(prefix + issue.message for issue in errors[:SHOWN]) + rest)


def _bad_bars(frame: pd.DataFrame, symbol: str, today: date | None) -> list[Issue]:
    prices = frame[["open", "high", "low", "close"]].to_numpy()
    volume, high, low = frame["volume"].to_numpy(), prices[:, 1], prices[:, 2]
    finite = np.isfinite(prices).all(axis=1)
    positive = (prices > 0).all(axis=1)
    usable, top, bottom = finite & positive, prices.max(axis=1), prices.min(axis=1)
    tests = [
        ("missing_price", ~finite, "{n} with a missing or infinite price"),
        ("not_positive", (prices <= 0).any(axis=1), "{n} with a price that is zero or negative"),
        ("high_low", usable & (high < top * (1 - 1e-6)), "{n} whose high is below its open, low or close"),
        ("high_low", usable & (low > bottom * (1 + 1e-6)), "{n} whose low is above its open, high or close"),
        ("volume", ~(np.isfinite(volume) & (volume >= 0)), "{n} with a missing or negative volume"),
    ]
    if today is not None:
        tests.append(("future", (frame["date"] > pd.Timestamp(today)).to_numpy(), "{n} on a future date"))
    found = []
    for code, bad, words in tests:
        if bad.any():
            rows = frame[bad]
            shown = _rows(rows, ["date", "open", "high", "low", "close", "volume"])
            message = f"{symbol} has {words.format(n=_count(bad, 'bar'))}, first: {shown[0]}."
            found.append(Issue("error", "bars", message, symbol, int(bad.sum()), tuple(shown), code))
    return found


def _odd_bars(
    frame: pd.DataFrame, symbol: str, calendar: Calendar, splits: pd.DataFrame | None, dividends: pd.DataFrame | None
) -> list[Issue]:
    found = []
    days = frame["date"].to_numpy().astype("datetime64[D]")
    first, last = day_of(days[0]), day_of(days[-1])
    known = _session_days(calendar.exchange)
    expected = known[np.searchsorted(known, days[0]) : np.searchsorted(known, days[-1], side="right")]
    missing = expected[~_among(expected, days)]
    if len(missing):
        message = f"{symbol} has no bar on {len(missing)} of {len(expected)} sessions from {first} to {last}: {_listed(list(missing))}."
        found.append(Issue("warning", "bars", message, symbol, len(missing), tuple(map(str, missing)), "gap"))
    off = days[~_among(days, expected)]
    if len(off):
        message = (
            f"{symbol} has {_plural(len(off), 'bar')} on days without a session of {calendar.exchange}, left out: {_listed(list(off))}."
        )
        found.append(Issue("warning", "bars", message, symbol, len(off), tuple(map(str, off)), "off_session"))
    found += _jumps(frame, symbol, splits, dividends)
    still, since = _longest_run(frame["close"])
    if still >= FLAT:
        day = str(days[since])
        found.append(
            Issue("warning", "bars", f"{symbol} has the same close {still} sessions in a row, from {day}.", symbol, still, (day,), "flat")
        )
    idle = frame["volume"] == 0
    if idle.any():
        message = f"{symbol} has {_count(idle, 'bar')} with zero volume."
        found.append(_issue("warning", "bars", message, frame[idle], ["date"], symbol, "zero_volume"))
    return found


def _among(items: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Which items occur in a sorted array (np.isin sorts both again, once per ticker)."""
    if not len(ordered):
        return np.zeros(len(items), dtype=bool)
    return ordered[np.minimum(np.searchsorted(ordered, items), len(ordered) - 1)] == items


@lru_cache(maxsize=8)
def _session_days(exchange: str) -> np.ndarray:
    calendar = Calendar(exchange)
    return np.array([session.day for session in calendar.sessions(calendar.first, calendar.last)], dtype="datetime64[D]")


def _jumps(frame: pd.DataFrame, symbol: str, splits: pd.DataFrame | None, dividends: pd.DataFrame | None) -> list[Issue]:
    """Moves that no split or dividend of the day explains: over 40 %, or as large as a usual split and then staying there."""
    days = frame["date"].to_numpy().astype("datetime64[D]")
    paid = frame["date"].map(dividends.groupby("ex_date")["amount"].sum()).fillna(0.0) if dividends is not None and len(dividends) else 0.0
    ratio = ((frame["close"] + paid) / frame["close"].shift(1)).to_numpy()
    large = np.isfinite(ratio) & (np.abs(ratio - 1) > JUMP)
    if splits is not None and len(splits):
        large &= ~np.isin(days, splits["ex_date"].to_numpy().astype("datetime64[D]"))
    moves: dict[str, list[str]] = {"split_like": [], "jump": []}
    for position in np.flatnonzero(large):
        move = ratio[position]
        like = next((n for n in SPLIT_LIKE if abs(move * n - 1) < 0.03 or abs(move / n - 1) < 0.03), None)
        hint = f" (looks like an unadjusted {like}:1 split)" if like else ""
        moves["split_like" if like else "jump"].append(f"{days[position]} {move - 1:+.1%}{hint}")
    words = f"{symbol} moves by more than {JUMP:.0%} without a split or dividend"
    return [
        Issue("warning", "bars", f"{words}: {_listed(lines)}.", symbol, len(lines), tuple(lines), code)
        for code, lines in moves.items()
        if lines
    ]


def _odd_news(frame: pd.DataFrame, symbol: str, zone: str, fetched_at: datetime | None) -> list[Issue]:
    found = []
    dated = frame["available_at"] == end_of_day(frame["published_at"], zone)
    shown = ["published_at", "title"]
    if dated.any():
        place = zone.split("/")[-1].replace("_", " ")
        message = f"{symbol} has {_count(dated, 'news item')} with a date but no time; readable from the end of that day in {place}."
        found.append(_issue("warning", "news", message, frame[dated], shown, symbol, "date_only"))
    if fetched_at is not None:
        ahead = frame["published_at"] > pd.Timestamp(fetched_at)
        if ahead.any():
            message = f"{symbol} has {_count(ahead, 'news item')} published after the table was fetched."
            found.append(_issue("warning", "news", message, frame[ahead], shown, symbol, "after_fetch"))
    bare = frame["summary"] == ""
    if bare.any():
        message = f"{symbol} has {_count(bare, 'news item')} without a summary."
        found.append(_issue("warning", "news", message, frame[bare], shown, symbol, "no_summary"))
    if len(frame) >= 10 and frame["title"].value_counts().iloc[0] > 0.9 * len(frame):
        message = f"{symbol}: more than 90 % of the news carry the same title."
        found.append(Issue("warning", "news", message, symbol, len(frame), (str(frame["title"].iloc[0])[:60],), "same_title"))
    return found


def _bad_actions(table: str, frame: pd.DataFrame, symbol: str, calendar: Calendar) -> list[Issue]:
    column = "ratio" if table == "splits" else "amount"
    values = frame[column]
    bad = ~np.isfinite(values) | (values <= 0)
    if bad.any():
        message = f"{symbol} has {_count(bad, table[:-1])} whose {column} is missing, zero or negative, first: {_rows(frame[bad], ['ex_date', column])[0]}."
        return [_issue("error", table, message, frame[bad], ["ex_date", column], symbol, "not_positive")]
    off = [stamp.date() for stamp in frame["ex_date"] if stamp.date() not in calendar]
    if not off:
        return []
    message = f"{symbol} has {_plural(len(off), table[:-1])} with an ex date without a session, applied in the next one: {_listed(off)}."
    return [Issue("warning", table, message, symbol, len(off), tuple(map(str, off)), "off_session")]


def _bad_figures(frame: pd.DataFrame, symbol: str) -> list[Issue]:
    shown = ["field", "period_end", "value"]
    bad = ~np.isfinite(frame["value"])
    if bad.any():
        message = f"{symbol} has {_count(bad, 'figure')} without a finite value, first: {_rows(frame[bad], shown)[0]}."
        return [_issue("error", "fundamentals", message, frame[bad], shown, symbol, "missing_value")]
    early = frame["available_at"].dt.tz_localize(None) < frame["period_end"]
    if early.any():
        message = f"{symbol} has {_count(early, 'figure')} readable before the period had ended, first: {_rows(frame[early], shown)[0]}."
        return [_issue("error", "fundamentals", message, frame[early], shown, symbol, "too_early")]
    return []


# ---------------------------------------------------------------------------------------------------------------- sentences


def _longest_run(values: pd.Series) -> tuple[int, int]:
    """Length of the longest run of equal values and where it starts."""
    numbers = values.to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    lengths = np.diff(np.append(starts, len(numbers)))
    longest = int(lengths.argmax())
    return int(lengths[longest]), int(starts[longest])


def _issue(
    severity: Literal["error", "warning"],
    table: str,
    message: str,
    rows: pd.DataFrame,
    columns: list[str],
    symbol: str = "",
    code: str = "",
) -> Issue:
    return Issue(severity, table, message, symbol, len(rows), tuple(_rows(rows, columns)), code)


def _rows(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    return [" ".join(_word(value) for value in row) for row in frame[columns].head(SHOWN).itertuples(index=False)]


def _word(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date()) if value.tzinfo is None else value.strftime("%Y-%m-%d %H:%M")
    return f"{value:g}" if isinstance(value, float) else str(value)[:60]


def _refuse(column: pd.Series, bad: pd.Series, what: str) -> None:
    if bad.any():
        rows = [f"row {int(position) + 1}: {str(column.iloc[position])[:40]!r}" for position in np.flatnonzero(bad.to_numpy())[:SHOWN]]
        raise _spec(f"{what}: {_listed(rows, int(bad.sum()))}.")


def _listed(items: Sequence[Any], total: int | None = None) -> str:
    shown = [str(item) for item in items[: 2 * SHOWN]]
    rest = (len(items) if total is None else total) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _count(mask: pd.Series | np.ndarray, noun: str) -> str:
    return _plural(int(mask.sum()), noun)


def _spec(message: str) -> SpecError:
    return SpecError(message, field="source_options.path")


def day_of(value: Any) -> date:
    """The day of a pandas timestamp."""
    return pd.Timestamp(value).date()

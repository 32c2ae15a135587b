"""Query results as pandas frames whose column types depend on the table alone, never on what happens to be in the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Boolean, Date, Float, Integer, Select

from storage.schema import Utc


def frame(query: Select[Any], rows: Sequence[Any]) -> pd.DataFrame:
    """float64 for numbers that may be absent (as NaN), int64 and bool otherwise, UTC timestamps, ``datetime.date`` and text as objects
    with None for absent. A computed integer (a count, a sum) is never absent."""
    columns = list(query.selected_columns)
    values = list(zip(*rows)) if rows else [()] * len(columns)
    return pd.DataFrame({column.name: _series(column, cells) for column, cells in zip(columns, values)})


def _series(column: Any, cells: Sequence[Any]) -> pd.Series:
    kind = column.type
    if isinstance(kind, Utc):
        return pd.Series(pd.to_datetime(list(cells), utc=True)).astype("datetime64[us, UTC]")
    if isinstance(kind, Boolean):
        return pd.Series(cells, dtype="bool")
    if isinstance(kind, Float) or (isinstance(kind, Integer) and getattr(column, "nullable", False)):
        return pd.Series(cells, dtype="float64")
    if isinstance(kind, Integer):
        return pd.Series(cells, dtype="int64")
    if isinstance(kind, Date):
        return pd.Series(cells, dtype="object")
    return pd.Series(cells, dtype="object")

"""Parquet files whose page headers lie, and one that is honest and huge: made from real ones by rewriting the bytes of a header."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agent.market.tabular import _struct

DATA_PAGE = 0


def compact(fields: dict[int, Any]) -> bytes:
    """A struct of 32-bit numbers and structs in Thrift's compact protocol."""
    out, last = bytearray(), 0
    for key, value in sorted(fields.items()):
        out.append((key - last) << 4 | (12 if isinstance(value, dict) else 5))
        out += compact(value) if isinstance(value, dict) else varint((value << 1) ^ (value >> 63))
        last = key
    return bytes(out) + b"\x00"


def varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def page_header(body: bytes, at: int) -> tuple[dict[int, Any], int]:
    """The header of the page at ``at`` and where its data begins."""
    return _struct(body, at, len(body))


def rewritten(body: bytes, changes: dict[int, Any]) -> bytes:
    """The file with some fields of the first page's header of every column changed. The header keeps its length, padded by an unknown field."""
    out = bytearray(body)
    meta = pq.ParquetFile(io.BytesIO(body)).metadata
    for column in range(meta.num_columns):
        at = meta.row_group(0).column(column).data_page_offset
        header, end = page_header(body, at)
        header = {key: value for key, value in header.items() if value is not None}
        about = {key: value for key, value in header.get(5, {}).items() if isinstance(value, int)}
        header = {key: value for key, value in {**header, 5: about}.items() if key in (1, 2, 3, 5)}
        for key, value in changes.items():
            header[key] = {**header[key], **value} if isinstance(value, dict) else value
        fresh = compact(header)
        room = end - at - len(fresh)
        if room < 0:  # the longer header eats into the page, which nobody gets to read
            out[at : at + len(fresh)] = fresh
        else:
            out[at:end] = fresh[:-1] + (_padding(room) if room else b"") + b"\x00"
    return bytes(out)


def _padding(room: int) -> bytes:
    """``room`` bytes that every reader skips: a text under a field number that means nothing (at least three bytes), else flags."""
    return b"\xf8" + bytes([room - 2]) + b"x" * (room - 2) if room >= 3 else b"\xf1" * room


def bomb(size: int) -> bytes:
    """A price table whose days are texts of ``size`` bytes in all: gzip makes a thousandth of them."""
    text = pa.array(["x" * (size // 10)]).take(pa.array([0] * 10))
    columns = {name: pa.array([1.0] * 10) for name in ("Open", "High", "Low", "Close", "Volume")}
    out = io.BytesIO()
    pq.write_table(pa.table({"Date": text, **columns}), out, compression="gzip", use_dictionary=False)
    return out.getvalue()

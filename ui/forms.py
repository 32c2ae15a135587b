"""Pydantic options in, widgets out: a new plug never needs a page edit.

Every field becomes the widget its type asks for, with its bounds and its description as help. What people typed is validated by the
model itself; each finding is shown below the widgets with the name of its field. Session state holds plain values only, and keeps
them while the person looks at another page.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent.errors import SpecError
from ui import text

Model = TypeVar("Model", bound=BaseModel)
LONG_TEXT = 200  # characters; fields that may be longer get a text area


def options(
    model: type[Model], key: str, *, values: Mapping[str, Any] | None = None, exclude: Collection[str] = (), columns: int = 2
) -> Model | None:
    """Widgets for every field of ``model``; the validated instance, or None with the errors shown below.

    ``values`` replaces defaults when the form first appears (duplicate a run). ``exclude`` names fields set elsewhere: they take their value
    from ``values`` or their default. Fields of types without a widget are left at that value too.
    """
    given = dict(values or {})
    entered = _draw(model, key, given, set(exclude), columns)
    try:
        return model.model_validate({**given, **entered})
    except ValidationError as error:
        for item in error.errors():
            _finding(_title(model, item["loc"]), item["msg"].removeprefix("Value error, "))
    except SpecError as error:  # an option class may name the field itself
        _finding(_words(error.field), str(error))
    return None


def _draw(model: type[BaseModel], key: str, given: Mapping[str, Any], exclude: set[str], columns: int) -> dict[str, Any]:
    entered: dict[str, Any] = {}
    flat = [(name, field) for name, field in model.model_fields.items() if name not in exclude and _widget(field) is not None]
    for row in _rows(flat, columns):
        for place, (name, field) in zip(st.columns(1 if _is_long(row[0][1]) else columns, vertical_alignment="bottom"), row, strict=False):
            with place:
                entered[name] = _ask(name, field, f"{key}.{name}", given.get(name, _default(field)))
    for name, field in model.model_fields.items():
        kind = _bare(field.annotation)[0]
        if name in exclude or not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            continue
        inner = given.get(name, _default(field))
        inner = inner.model_dump() if isinstance(inner, BaseModel) else (inner or {})
        with st.container(border=True):
            st.markdown(f"**{_words(name)}**", help=field.description)
            entered[name] = {**inner, **_draw(kind, f"{key}.{name}", inner, set(), columns)}
    return entered


def _rows(fields: list[tuple[str, FieldInfo]], columns: int) -> list[list[tuple[str, FieldInfo]]]:
    """Fields in reading order, ``columns`` to a row; a long text has a row to itself."""
    rows: list[list[tuple[str, FieldInfo]]] = []
    for name, field in fields:
        alone = _is_long(field) or not rows or _is_long(rows[-1][0][1]) or len(rows[-1]) >= columns
        rows.append([(name, field)]) if alone else rows[-1].append((name, field))
    return rows


def _is_long(field: FieldInfo) -> bool:
    return _widget(field) == "text" and _length(field) > LONG_TEXT


def _ask(name: str, field: FieldInfo, key: str, value: Any) -> Any:
    """Draw one field's widget and return what it holds, as plain data for the model."""
    kind, optional = _bare(field.annotation)
    common: dict[str, Any] = {"label": _words(name), "help": field.description, "key": key, "persist_state": "session"}
    match _widget(field):
        case "bool":
            return st.toggle(value=bool(value), **common)
        case "maybe":  # unset is not the same as off: an unset option is not sent at all
            chosen = st.selectbox(options=["on", "off"], index=None if value is None else int(not value), placeholder="not set", **common)
            return None if chosen is None else chosen == "on"
        case "choice":
            choices = list(get_args(kind))
            start = choices.index(value) if value in choices else (None if optional else 0)
            return st.selectbox(options=choices, index=start, format_func=lambda item: str(item).replace("_", " "), **common)
        case "number":
            shape = {"step": 1} if kind is int else {"format": "%.2f" if value is not None and abs(value) >= 1000 else "%g"}
            return st.number_input(value=None if value is None else kind(value), **shape, **_bounds(field, kind), **common)
        case "date":
            return st.date_input(value=value, format="YYYY-MM-DD", **common)
        case "list":
            typed = st.text_input(value=", ".join(map(str, value or ())), placeholder="separate by commas", **common)
            return [part.strip() for part in text.clean(typed).split(",") if part.strip()]
        case _:
            typed = (st.text_area if _is_long(field) else st.text_input)(value=str(value or ""), **common)
            return None if optional and not typed else text.clean(typed)


def _widget(field: FieldInfo) -> str | None:
    """Which widget a field gets; None if its type has none."""
    kind, optional = _bare(field.annotation)
    origin = get_origin(kind)
    if kind is bool and optional:
        return "maybe"
    if origin is Literal:
        return "choice"
    if kind in (int, float):
        return "number"
    if origin in (tuple, list) and get_args(kind)[:1] == (str,):
        return "list"
    return {bool: "bool", str: "text", date: "date"}.get(kind)


def _bare(annotation: Any) -> tuple[Any, bool]:
    """The type without ``| None``, and whether it had one."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return (kinds[0] if len(kinds) == 1 else annotation), len(kinds) < len(get_args(annotation))
    if get_origin(annotation) is typing.Annotated:
        return _bare(get_args(annotation)[0])
    return annotation, False


def _bounds(field: FieldInfo, kind: type) -> dict[str, Any]:
    """Bounds for a number widget. A strict bound of a float stays as it is: the model refuses the edge itself."""
    found: dict[str, Any] = {}
    nudge = 1 if kind is int else 0
    for item in field.metadata:
        for attribute, edge, shift in (
            ("ge", "min_value", 0),
            ("gt", "min_value", nudge),
            ("le", "max_value", 0),
            ("lt", "max_value", -nudge),
        ):
            if getattr(item, attribute, None) is not None:
                found[edge] = kind(getattr(item, attribute) + shift)
    return found


def _length(field: FieldInfo) -> int:
    return max((item.max_length for item in field.metadata if getattr(item, "max_length", None)), default=0)


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    return None if value is PydanticUndefined else value


def _words(name: str) -> str:
    """``slippage_bps`` as a person reads it."""
    units = {"bps": "(bps)", "pct": "(%)"}
    words = [units.get(part, part) for part in name.split("_")]
    return text.label(" ".join(words)[:1].upper() + " ".join(words)[1:])


def _title(model: type[BaseModel], where: tuple[int | str, ...]) -> str:
    return " → ".join(_words(str(part)) for part in where) or _words(model.__name__)


def _finding(field: str, message: str) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(field or "Form", color="red", icon="⚠")
        text.plain(message, longest=500)

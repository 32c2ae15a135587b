"""Named datasets: market tables of a person's own under ``<home>/datasets/<name>/``, as Parquet beside a manifest.json.

Promise: a dataset is whole or not there: it is written beside its place and moved in. Nothing outside the folder is ever written, followed
or deleted, whatever a dataset is called or contains. A broken one is listed with what is wrong and takes no other down. The folder is what
the ``folder`` source reads, so that an export can be used anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from filelock import FileLock, Timeout

from agent.errors import RecollectError, SpecError, Unavailable
from agent.market import tables
from agent.market.sources.base import TABLES
from agent.market.sources.folder import MANIFEST_BYTES

MANIFEST = "manifest.json"
LONGEST = 60  # characters of a name
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # Windows opens devices under these
NEW, OLD = ".new~", ".old~"  # folders on their way in and out; no dataset's name starts with a dot
LOCK_S = 30.0
RULE = f"letters, digits, spaces and - _ . , at most {LONGEST} characters, starting and ending with a letter or digit"


@dataclass(frozen=True)
class Dataset:
    """What a dataset holds. ``error`` set: it cannot be used, and why; the figures are then empty."""

    name: str
    tables: dict[str, int] = field(default_factory=dict)  # table -> rows
    symbols: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    kind: str = ""
    note: str = ""
    created_at: datetime | None = None
    bytes: int = 0
    fingerprint: str = ""
    error: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)


def save(
    root: Path,
    name: str,
    frames: Mapping[str, pd.DataFrame],
    *,
    manifest: Mapping[str, Any],
    replace: bool = False,
    merge: bool = False,
) -> Dataset:
    """Write canonical tables under a name. ``merge`` keeps the tables that are there; ``replace`` overwrites those that are.

    A name that is taken (in any capitals) and a table that is there are SpecErrors without ``replace``.
    """
    name = checked_name(name)
    held = {table: frame for table, frame in frames.items() if len(frame)}
    unknown = sorted(set(held) - set(TABLES))
    if unknown or not held:
        what = f"no table {unknown[0]!r}" if unknown else "no rows to keep"
        raise SpecError(f"There is {what}; a dataset holds {', '.join(TABLES)}.", field="dataset")
    for table, frame in held.items():
        missing = [column for column in tables.SCHEMA[table] if column not in frame]
        if missing:
            raise SpecError(f"The {table} table is not canonical: {', '.join(missing)} missing.", field="dataset")
    with _locked(root):
        there = _taken(root, name)
        old = load(root, name) if there and merge else None
        if there and not merge and not replace:
            raise SpecError(f"A dataset named {name!r} exists; choose another name, or replace it.", field="dataset")
        if old and not replace and (both := sorted(set(old.tables) & set(held))):
            raise SpecError(f"The dataset {name!r} already has {', '.join(both)}; replace it, or choose another name.", field="dataset")
        kept = {table: root / name / f"{table}.parquet" for table in (old.tables if old else ()) if table not in held}
        said = _manifest(old.manifest if old else {}, manifest, kept=list(kept), fresh=list(held), name=name)
        with _beside(root) as folder:
            _fill(folder, held, kept, said, old)
            _move_in(root, folder, name)
    return load(root, name)


def listed(root: Path) -> list[Dataset]:
    """Every dataset by name. What cannot be read is listed with the reason."""
    try:
        names = sorted((entry.name for entry in os.scandir(root) if not entry.name.startswith(".")), key=str.casefold)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"The datasets in {root} cannot be listed ({error.strerror}).", cure="Check its permissions.") from error
    found = []
    for name in names:
        try:
            found.append(load(root, name))
        except RecollectError as error:
            found.append(Dataset(name, error=str(error)))
    return found


def load(root: Path, name: str) -> Dataset:
    """What one dataset holds, without reading its tables. SpecError: there is none of that name. Unavailable: it is broken."""
    folder = _folder(root, name)
    cure = "Delete it and import it again."
    path = folder / MANIFEST
    try:
        if path.is_symlink() or not path.is_file():
            raise Unavailable(f"The dataset {name!r} has no {MANIFEST}.", cure=cure)
        if path.stat().st_size > MANIFEST_BYTES:
            raise Unavailable(f"{MANIFEST} of the dataset {name!r} is too large.", cure=cure)
        manifest = json.loads(path.read_bytes())
        return _dataset(name, folder, manifest)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unavailable(f"{MANIFEST} of the dataset {name!r} is damaged ({type(error).__name__}).", cure=cure) from error
    except OSError as error:
        raise Unavailable(f"The dataset {name!r} cannot be read ({error.strerror}).", cure="Check its permissions.") from error


def delete(root: Path, name: str) -> None:
    """Remove a dataset and nothing else: links in it go, what they lead to stays. A dataset that is itself a link is left alone."""
    with _locked(root):
        folder = _folder(root, name)
        gone = root / f"{OLD}{uuid4().hex}"  # out of the list at once, whatever happens while its files go
        try:
            folder.rename(gone)
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        except OSError as error:
            raise Unavailable(f"The dataset {name!r} cannot be deleted ({error.strerror}).", cure="Check its permissions.") from error


def rename(root: Path, old: str, new: str) -> Dataset:
    """Give a dataset another name. One that is taken is a SpecError."""
    new = checked_name(new)
    with _locked(root):
        folder = _folder(root, old)
        taken = _find(root, new)
        if taken is not None and taken != old:
            raise SpecError(f"A dataset named {taken!r} exists; choose another name.", field="dataset")
        try:
            folder.rename(root / new)
        except OSError as error:
            raise Unavailable(f"The dataset {old!r} cannot be renamed ({error.strerror}).", cure="Check its permissions.") from error
    return load(root, new)


def export(root: Path, name: str, out: Path) -> dict[str, int]:
    """Copy a dataset into the folder ``out`` (new or empty), which the folder source reads as it is. Returns rows per table."""
    dataset = load(root, name)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise SpecError(f"{out} is not an empty folder; choose a new one.", field="out")
        out.mkdir(parents=True, exist_ok=True)
        for file in (*(f"{table}.parquet" for table in dataset.tables), MANIFEST):
            shutil.copyfile(root / name / file, out / f".{file}", follow_symlinks=False)
            os.replace(out / f".{file}", out / file)
    except OSError as error:
        raise Unavailable(f"{out} cannot be written ({error.strerror}).", cure="Check free space and permissions.") from error
    return dict(dataset.tables)


def checked_name(name: str) -> str:
    """A name that is one plain folder on every system; anything else is a SpecError."""
    text = unicodedata.normalize("NFC", name.strip())
    plain = bool(text) and all(c.isalnum() or c in " -_." for c in text) and text[0].isalnum() and text[-1].isalnum()
    if not plain or len(text) > LONGEST or len(text.encode()) > 200 or text.split(".")[0].strip().casefold() in RESERVED or ".." in text:
        raise SpecError(f"{name[:LONGEST]!r} is no name for a dataset ({RULE}).", field="dataset")
    return text


# ------------------------------------------------------------------------------------------------------------------ the parts


def _folder(root: Path, name: str) -> Path:
    """The dataset's folder: a real one, directly below ``root``."""
    folder = root / checked_name(name)
    if folder.is_symlink():
        raise Unavailable(f"The dataset {name!r} is a link to somewhere else and is not followed.", cure="Remove the link by hand.")
    if folder.name not in _names(root):
        others = ", ".join(_names(root)[:10]) or "none yet"
        raise SpecError(f"There is no dataset {name!r}; there are: {others}.", field="dataset")
    return folder


def _names(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root) if not entry.name.startswith("."))
    except FileNotFoundError:
        return []


def _find(root: Path, name: str) -> str | None:
    """The dataset that has this name in any capitals."""
    return next((other for other in _names(root) if other.casefold() == name.casefold()), None)


def _taken(root: Path, name: str) -> bool:
    taken = _find(root, name)
    if taken is not None and taken != name:
        raise SpecError(f"A dataset named {taken!r} exists; names that differ in capitals only are not kept apart.", field="dataset")
    if taken is not None and (root / taken).is_symlink():
        raise SpecError(f"{name!r} is a link to somewhere else and is not followed; choose another name.", field="dataset")
    return taken is not None


def _manifest(old: Mapping[str, Any], new: Mapping[str, Any], *, kept: list[str], fresh: list[str], name: str) -> dict[str, Any]:
    """What is said of the whole: the new words over the old ones. Tables of two exchanges or currencies do not go together."""
    for key in ("exchange", "currency"):
        if kept and key in old and key in new and old[key] != new[key]:
            raise SpecError(
                f"The dataset {name!r} is on {key} {old[key]}, the new table on {new[key]}; keep them in two datasets.", field=key
            )
    said = {**old, **new}
    if kept and "bars" not in fresh:
        said |= {key: old[key] for key in ("basis", "kind", "note") if key in old}
    if kept and old.get("note") and new.get("note") and old["note"] != new["note"]:
        said["note"] = f"{old['note']}; {new['note']}"[:500]
    said["companies"] = {**(old.get("companies") or {}), **(new.get("companies") or {})}
    stated = {table: value for table, value in (old.get("covered") or {}).items() if table in kept} | dict(new.get("covered") or {})
    said.pop("covered", None)
    return said | ({"covered": stated} if stated else {}) | {"settled": True}


def _fill(folder: Path, held: Mapping[str, pd.DataFrame], kept: Mapping[str, Path], said: dict[str, Any], old: Dataset | None) -> None:
    """Write tables and manifest into ``folder``."""
    try:
        about: dict[str, Any] = {}
        for table, path in kept.items():
            shutil.copyfile(path, folder / path.name, follow_symlinks=False)
            about[table] = dict(old.manifest["tables"][table]) if old else {}
        for table, frame in held.items():
            path = folder / f"{table}.parquet"
            frame.to_parquet(path, index=False)
            about[table] = _about(table, frame, path)
        said = said | {"tables": about, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
        (folder / MANIFEST).write_text(json.dumps(said, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"The dataset cannot be written ({error.strerror}).", cure="Check free space and permissions.") from error


def _about(table: str, frame: pd.DataFrame, path: Path) -> dict[str, Any]:
    """What the manifest says of one table, so that a list need not read it."""
    days = frame[tables.DAY_COLUMN.get(table, "available_at")]
    return {
        "rows": len(frame),
        "symbols": sorted(map(str, frame["symbol"].unique())),
        "first": str(tables.day_of(days.min())),
        "last": str(tables.day_of(days.max())),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _dataset(name: str, folder: Path, manifest: Mapping[str, Any]) -> Dataset:
    about = {table: manifest["tables"][table] for table in TABLES if table in manifest["tables"]}
    if not about:
        raise ValueError("no tables")
    for table, said in about.items():
        path = folder / f"{table}.parquet"
        if path.is_symlink() or not path.is_file() or path.stat().st_size != said["bytes"]:
            raise Unavailable(
                f"{path.name} of the dataset {name!r} is missing or not as it was saved.", cure="Delete it and import it again."
            )
    spans = [about["bars"]] if "bars" in about else list(about.values())
    total = hashlib.sha256("\n".join(f"{table}:{said['sha256']}" for table, said in sorted(about.items())).encode())
    return Dataset(
        name,
        tables={table: int(said["rows"]) for table, said in about.items()},
        symbols=tuple(sorted({str(symbol) for said in about.values() for symbol in said["symbols"]})),
        first=min(date.fromisoformat(said["first"]) for said in spans),
        last=max(date.fromisoformat(said["last"]) for said in spans),
        kind=str(manifest.get("kind", "")),
        note=str(manifest.get("note", "")),
        created_at=datetime.fromisoformat(manifest["created_at"]),
        bytes=sum(int(said["bytes"]) for said in about.values()),
        fingerprint=total.hexdigest(),
        manifest=manifest,
    )


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One writer at a time; what a crash left half moved is put back or cleared away."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock", timeout=LOCK_S):
            for left in [*root.glob(f"{OLD}*"), *root.glob(f"{NEW}*")]:
                name = left.name.removeprefix(OLD)
                if left.name.startswith(OLD) and (left / MANIFEST).is_file() and "~" in name and _find(root, name.split("~", 1)[1]) is None:
                    left.rename(root / name.split("~", 1)[1])
                elif left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            yield
    except Timeout:
        raise Unavailable("Somebody else has been writing datasets for half a minute.", cure="Try again.") from None
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise Unavailable(f"{root} cannot be written ({error.strerror}).", cure="Check its permissions.") from error


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A folder beside the datasets that is gone afterwards unless it was moved in."""
    folder = root / f"{NEW}{uuid4().hex}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def _move_in(root: Path, folder: Path, name: str) -> None:
    """``folder`` becomes the dataset. A crash between the two moves is put right by the next writer (``_locked``)."""
    place, aside = root / name, root / f"{OLD}{uuid4().hex[:8]}~{name}"
    if not place.exists():
        folder.rename(place)
        return
    place.rename(aside)
    try:
        folder.rename(place)
    except OSError:
        aside.rename(place)
        raise
    shutil.rmtree(aside)

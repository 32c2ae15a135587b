"""People's own prompt sets under ``<home>/prompts/<name>/``: one ``.txt`` per template, to be read and edited with anything.

Promise: no wording is ever lost. Every save keeps what was there and what comes under ``<name>/.versions/<hash>/``; a deleted set lies in
``.trash`` until a person empties it. A save is whole or not there, whoever reads or saves at the same time: the new wording is complete
beside the old one before the first file is replaced, and a save that was cut off is finished by the next one who looks.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from agent.decision.prompt_set import PromptSet
from agent.errors import SpecError, Unavailable
from agent.registry import unknown

SHIPPED = "default"
VERSIONS, TRASH, SAVING, NEW = ".versions", ".trash", ".saving", ".new~"
LARGEST = 256 * 1024  # bytes of one file; the check of a set allows far less
MOST_FILES = 60
LOCK_S = 30.0
RULE = "letters a-z, digits, - and _, at most 40 of them, starting with a letter or digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_TEMPLATE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HASH = re.compile(r"[0-9a-f]{16}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # Windows opens devices under these


@dataclass(frozen=True)
class Version:
    """One wording a set has had. ``now``: it is the one it has."""

    hash: str
    saved_at: datetime
    now: bool = False


def checked_name(name: str) -> str:
    """A name for a person's own set: one plain folder on every system, and not the shipped set's. Anything else is a SpecError."""
    if name.casefold() == SHIPPED:
        raise SpecError(f"{SHIPPED!r} is the set that comes with Recollect and is never changed; choose another name.", field="prompts")
    if not _NAME.fullmatch(name) or name.casefold() in _DEVICES:
        raise SpecError(f"{name[:60]!r} is no name for a prompt set ({RULE}).", field="prompts")
    return name


def names(root: Path) -> list[str]:
    """The sets there are, usable or not, by name. What could not be named so (hidden folders, files) is none of ours."""
    try:
        return sorted((entry.name for entry in os.scandir(root) if entry.is_dir() and _usable(entry.name)), key=str.casefold)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"The prompt sets in {root} cannot be listed ({error.strerror}).", cure="Check its permissions.") from error


def read(root: Path, name: str) -> PromptSet:
    """A set as it is written. SpecError: there is none of that name, or a file that is no text, and which."""
    _folder(root, name)
    with _locked(root):
        return _read(_folder(root, name), name)


def save(root: Path, name: str, texts: Mapping[str, str], *, before: str | None = None, fresh: bool = False) -> PromptSet:
    """Give a set these templates, and no others. The wording it had stays among its versions.

    ``before``: the hash the writer started from; SpecError if somebody saved another since. ``fresh``: SpecError if the name is taken.
    """
    checked_name(name)
    new = PromptSet(name=name, texts={checked_template(template): tidy(template, text) for template, text in texts.items()})
    if not new.texts:
        raise SpecError(f"The prompt set {name!r} would hold no template.", field="prompts")
    with _locked(root):
        folder, there = root / name, _taken(root, name)
        if there and fresh:
            raise SpecError(f"There is a prompt set {name!r} already; choose another name.", field="prompts")
        if not there:
            _move_in(root, folder, new)
            return new
        old = _kept(folder, name)
        if before is not None and old is not None and old.hash not in (before, new.hash):
            raise SpecError(
                f"The prompt set {name!r} was changed elsewhere since you began; look at that wording first, or save yours under another name.",
                field="prompts",
            )
        if old is None or old.hash != new.hash:
            _keep(folder, new)
            _put(folder, new.hash)
    return new


def delete(root: Path, name: str) -> str:
    """Take a set out of the list. Returns the label under which it lies in ``.trash`` with all its versions (``restore``)."""
    checked_name(name)
    with _locked(root):
        folder = _folder(root, name)
        trash = root / TRASH
        trash.mkdir(exist_ok=True)
        label = f"{name}~{datetime.now(UTC):%Y%m%dT%H%M%S}~{uuid4().hex[:6]}"
        folder.rename(trash / label)
    return label


def trashed(root: Path) -> list[str]:
    """Labels of deleted sets, newest first."""
    try:
        found = [entry.name for entry in os.scandir(root / TRASH) if entry.is_dir() and entry.name.count("~") == 2]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda label: label.split("~")[1], reverse=True)


def restore(root: Path, label: str) -> str:
    """Put a deleted set back under its name, which is returned. SpecError: it is not there, or the name was taken meanwhile."""
    with _locked(root):
        if label not in trashed(root):
            raise SpecError(f"No deleted prompt set lies in the trash as {label!r}.", field="prompts")
        name = checked_name(label.split("~")[0])
        if _taken(root, name):
            raise SpecError(f"There is a prompt set {name!r} again; delete or copy that one first.", field="prompts")
        (root / TRASH / label).rename(root / name)
    return name


def versions(root: Path, name: str) -> list[Version]:
    """The wordings a set has had, newest first; the present one leads, also where it was edited outside Recollect, unless it cannot be read."""
    checked_name(name)
    _folder(root, name)
    with _locked(root):
        folder = _folder(root, name)
        try:
            now = [Version(_read(folder, name).hash, _written(folder), now=True)]
        except SpecError:  # no text any more: its earlier wordings are then all the more wanted
            now = []
        kept = [Version(path.name, _written(path)) for path in _version_folders(folder) if path.name not in [item.hash for item in now]]
    return [*now, *sorted(kept, key=lambda version: version.saved_at, reverse=True)]


def version(root: Path, name: str, hash: str) -> PromptSet:
    """One wording a set has had. SpecError names those there are."""
    checked_name(name)
    with _locked(root):
        folder = _folder(root, name)
        there = [path.name for path in _version_folders(folder)]
        if hash in there:
            found = _read(folder / VERSIONS / hash, name)
            if found.hash != hash:
                raise SpecError(
                    f"The version {hash} of the prompt set {name!r} was edited on disk and is not what it was.", field="prompts"
                )
            return found
        now = _read(folder, name)
        if now.hash == hash:
            return now
    raise SpecError(unknown(f"version of the prompt set {name!r}:", hash, {*there, now.hash}), field="prompts")


def checked_template(template: str) -> str:
    """A template's name, which is also its file's; anything else is a SpecError."""
    if not _TEMPLATE.fullmatch(template):
        raise SpecError(
            f"{template[:60]!r} is no name for a template (small letters, digits and _, such as decide_system).", field="prompts"
        )
    return template


def tidy(template: str, text: str) -> str:
    """A text as a file keeps it, the same on every system: line ends of one kind, one at the end. What no file can hold is a SpecError."""
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    try:
        size = len(body.encode())
    except UnicodeEncodeError:
        raise SpecError(f"The template {template!r} holds half a character (a lone surrogate); delete it.", field="prompts") from None
    if "\0" in body:
        raise SpecError(f"The template {template!r} holds a NUL character; delete it.", field="prompts")
    if size > LARGEST:
        raise SpecError(f"The template {template!r} has {size:,} bytes, more than {LARGEST:,}; shorten it.", field="prompts")
    return body


# ------------------------------------------------------------------------------------------------------------------ the parts


def _usable(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name.casefold() != SHIPPED


def _folder(root: Path, name: str) -> Path:
    """The set's folder: a real one, directly below ``root``."""
    there = names(root)
    if name not in there:
        raise SpecError(unknown("prompt set", name[:60], [SHIPPED, *there]), field="prompts")
    folder = root / name
    if folder.is_symlink():
        raise SpecError(
            f"The prompt set {name!r} is a link to somewhere else and is not followed; copy the folder itself.", field="prompts"
        )
    return folder


def _taken(root: Path, name: str) -> bool:
    """Whether the name is in use. Names that differ in capitals only are one name on many systems."""
    try:
        there = next((entry.name for entry in os.scandir(root) if entry.name.casefold() == name.casefold()), None)
    except FileNotFoundError:
        return False
    if there is not None and there != name:
        raise SpecError(f"There is a prompt set {there!r} already; choose a name that differs in more than capitals.", field="prompts")
    if there is not None:
        _folder(root, name)
    return there is not None


def _read(folder: Path, name: str) -> PromptSet:
    """The texts of a folder. Hidden files are skipped: editors and file managers leave them everywhere."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".txt" and not path.name.startswith("."))
        if not files:
            raise SpecError(f"The prompt set {name!r} holds no template: its folder has no .txt file.", field="prompts")
        if len(files) > MOST_FILES:
            raise SpecError(f"The prompt set {name!r} has {len(files)} .txt files, more than {MOST_FILES}; remove some.", field="prompts")
        return PromptSet(name=name, texts={checked_template(path.stem): _text(path, name) for path in files})
    except OSError as error:
        raise Unavailable(f"The prompt set {name!r} cannot be read ({error.strerror}).", cure="Check its permissions.") from error


def _text(path: Path, name: str) -> str:
    """One file as text: UTF-8, with or without the mark and the line ends that Windows writes."""
    about, where = path.lstat(), f"{path.name} of the prompt set {name!r}"
    if not stat.S_ISREG(about.st_mode):  # a link may lead anywhere, and a pipe never ends
        raise SpecError(f"{where} is no plain file (a link, a folder or a device); put the text itself there.", field="prompts")
    if about.st_size > LARGEST:
        raise SpecError(f"{where} has {about.st_size:,} bytes, more than {LARGEST:,}; shorten it.", field="prompts")
    body = path.read_bytes()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{where} is not UTF-8 text (byte {error.start}); save it as UTF-8.", field="prompts") from None
    if "\0" in text:
        raise SpecError(f"{where} holds NUL characters, so it is no text; save it as UTF-8.", field="prompts")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _written(folder: Path) -> datetime:
    """When the wording of a folder was written."""
    times = [path.lstat().st_mtime for path in folder.glob("*.txt") if not path.name.startswith(".")]
    return datetime.fromtimestamp(max(times, default=folder.stat().st_mtime), UTC)


def _version_folders(folder: Path) -> list[Path]:
    place = folder / VERSIONS
    if place.is_symlink() or not place.is_dir():
        return []
    return [path for path in place.iterdir() if _HASH.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]


def _kept(folder: Path, name: str) -> PromptSet | None:
    """The present wording, now also among the versions. None if it is no text any more: its files then stay in ``.versions`` as they are."""
    try:
        now = _read(folder, name)
    except SpecError:
        aside = _aside(folder)
        aside.mkdir(parents=True)
        for path in folder.glob("*.txt"):
            path.rename(aside / path.name)
        return None
    _keep(folder, now)
    return now


def _keep(folder: Path, prompts: PromptSet) -> None:
    """Put a wording among the versions, whole or not at all."""
    place = folder / VERSIONS / prompts.hash
    if place.is_dir():
        if _is(place, prompts):
            return
        place.rename(_aside(folder))  # somebody edited a kept version: that text is kept too, under another name
    place.parent.mkdir(exist_ok=True)
    beside = place.parent / f"{NEW}{uuid4().hex}"
    _fill(beside, prompts, times=folder)
    beside.rename(place)


def _is(folder: Path, prompts: PromptSet) -> bool:
    try:
        return _read(folder, prompts.name).hash == prompts.hash
    except SpecError:
        return False


def _aside(folder: Path) -> Path:
    """A place in ``.versions`` for what is no version of ours, and must not be lost either."""
    return folder / VERSIONS / f"unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"


def _fill(folder: Path, prompts: PromptSet, *, times: Path | None = None) -> None:
    """Write the texts; one that ``times`` holds word for word keeps its time there."""
    folder.mkdir()
    for template, text in prompts.texts.items():
        path = folder / f"{template}.txt"
        _write(path, text)
        there = times / path.name if times else None
        if there is not None and there.is_file() and _same(there, text):
            os.utime(path, ns=(there.stat().st_atime_ns, there.stat().st_mtime_ns))


def _same(path: Path, text: str) -> bool:
    return path.stat().st_size <= LARGEST and path.read_bytes() == text.encode()


def _write(path: Path, text: str) -> None:
    with path.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _put(folder: Path, hash: str) -> None:
    """Make a kept version the present wording. ``.saving`` names it until that is done, so that a crash is put right (``_locked``)."""
    marker = folder / SAVING
    _write(folder / f"{SAVING}~", hash)
    os.replace(folder / f"{SAVING}~", marker)
    _finish(folder)


def _finish(folder: Path) -> None:
    """Do what ``.saving`` says; a marker that leads nowhere is taken away."""
    marker = folder / SAVING
    hash = marker.read_text(encoding="ascii", errors="replace").strip()
    source = folder / VERSIONS / hash
    if _HASH.fullmatch(hash) and source.is_dir():
        wanted = {path.name: path for path in source.glob("*.txt")}
        for name, path in wanted.items():
            beside = folder / f".{name}~"
            _write(beside, path.read_text(encoding="utf-8"))
            os.replace(beside, folder / name)
        for path in folder.glob("*.txt"):
            if path.name not in wanted and not path.name.startswith("."):
                path.unlink()
    marker.unlink()


def _move_in(root: Path, folder: Path, new: PromptSet) -> None:
    beside = root / f"{NEW}{uuid4().hex}"
    _fill(beside, new)
    _keep(beside, new)
    beside.rename(folder)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One at a time, readers too: nobody sees half a save. What a crash left is finished (``.saving``) or cleared away first."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock", timeout=LOCK_S):
            for left in root.glob(f"{NEW}*"):
                shutil.rmtree(left)
            for marker in root.glob(f"*/{SAVING}"):
                if not marker.parent.is_symlink():
                    _finish(marker.parent)
            yield
    except Timeout:
        raise Unavailable("Somebody else has been writing prompt sets for half a minute.", cure="Try again.") from None
    except OSError as error:
        raise Unavailable(f"{root} cannot be used ({error.strerror}).", cure="Check free space and permissions.") from error

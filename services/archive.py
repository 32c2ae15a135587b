"""A run's export as one file to take away, and the way back: a folder or a zip opened for reading without trusting it.

Nothing of an archive is ever written to disk, so a name in it can lead nowhere. Sizes are checked against limits before a byte is read;
a file that gives more than it said ends as damaged.
"""

from __future__ import annotations

import io
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from agent.errors import NoData, SpecError, Unavailable
from services import exports

MANIFEST = "manifest.json"
MOST_FILES = 200  # an export has fifteen
LARGEST = 16 * 2**30  # bytes of all files together; 1,000 days of 5 tickers with long prompts are about one GiB
SMALL = 64 * 2**20  # bytes of a file that may be packed as tightly as it likes
TIGHTEST = 250  # times smaller than its content: text packs 5 to 30 times, a bomb 1,000 times
_TROUBLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def zipped(run: str) -> bytes:
    """The folder of ``services.exports.export`` as a zip with one folder named after the run."""
    body = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        exports.export(run, Path(folder) / run)
        for path in sorted((Path(folder) / run).iterdir()):
            archive.write(path, f"{run}/{path.name}")
    return body.getvalue()


class Bundle:
    """The files of an export by their plain names. ``sizes``: bytes, as far as the folder or the zip says."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One file to read; SpecError if it is missing or cannot be unpacked."""
        if name not in self.sizes:
            raise SpecError(f"{name} is missing; export the run again", field=name)
        try:
            with self._stream(name) as file:
                yield file
        except _TROUBLE as error:
            if isinstance(error, SpecError):  # which is a ValueError too
                raise
            raise SpecError(f"{name} cannot be read ({_words(error)}); export the run again", field=name) from None

    def read(self, name: str, *, most: int) -> bytes:
        """A whole small file; SpecError beyond ``most`` bytes."""
        with self.open(name) as file:
            body = file.read(most + 1)
        if len(body) > most:
            raise SpecError(f"{name} is larger than {most // 2**20} MiB, which no export is", field=name)
        return body

    def _stream(self, name: str) -> IO[bytes]:
        raise NotImplementedError


class _Folder(Bundle):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        sizes = {}
        for path in sorted(folder.iterdir()):
            if path.is_symlink():
                raise SpecError(f"{path.name} is a link to another place; an export has none", field=path.name)
            if path.is_file():
                sizes[path.name] = path.stat().st_size
        super().__init__(sizes)

    def _stream(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("rb")


class _Zip(Bundle):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = _entries(archive.infolist())
        super().__init__({name: entry.file_size for name, entry in self._entries.items()})

    def _stream(self, name: str) -> IO[bytes]:
        return io.BufferedReader(self._archive.open(self._entries[name]), 1 << 20)  # type: ignore[type-var]


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[Bundle]:
    """The export in a folder (or the one folder in it), in a zip, or in an uploaded zip. SpecError for anything else."""
    if isinstance(source, Path) and source.is_dir():
        try:
            folder = _Folder(_inner(source))
        except OSError as error:
            raise Unavailable(f"{source} cannot be read ({error.strerror}).", cure="Make it readable for this user.") from None
        yield folder
        return
    if isinstance(source, Path) and not source.exists():
        raise NoData(f"There is nothing at {source}.", field="path")
    try:
        archive = zipfile.ZipFile(source)
    except zipfile.BadZipFile:
        raise SpecError("this is neither the folder of an export nor a zip of one", field="path") from None
    except (ValueError, NotImplementedError) as error:
        raise SpecError(f"this zip cannot be opened ({_words(error)})", field="path") from None
    except OSError as error:
        raise Unavailable(f"{source} cannot be read ({error.strerror}).", cure="Make it readable for this user.") from None
    with archive:
        yield _Zip(archive)


def _inner(folder: Path) -> Path:
    """``folder`` itself, or the only folder inside it."""
    if (folder / MANIFEST).exists():
        return folder
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return inside[0] if len(inside) == 1 else folder


def _entries(found: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files by name: all at the top or all in one folder. Whatever an export does not have is refused before it is read."""
    if len(found) > MOST_FILES:
        raise SpecError(f"the zip holds {len(found):,} entries; an export has about fifteen", field="path")
    files = [entry for entry in found if not entry.is_dir()]
    for entry in found:
        _check_entry(entry)
    total = sum(entry.file_size for entry in files)
    if total > LARGEST:
        raise SpecError(f"the zip unpacks to {total / 2**30:,.0f} GiB; the most is {LARGEST // 2**30}", field="path")
    for entry in files:
        if entry.file_size > SMALL and entry.file_size > TIGHTEST * entry.compress_size:
            times = entry.file_size // max(1, entry.compress_size)
            raise SpecError(
                f"{_shown(entry.filename)} unpacks to {times:,} times its size, which text does not; it is refused", field="path"
            )
    named: dict[str, zipfile.ZipInfo] = {}
    folders = {str(PurePosixPath(entry.filename).parent) for entry in files}
    if len(folders) > 1:
        raise SpecError("the zip holds files in several folders; an export is one folder", field="path")
    for entry in files:
        name = PurePosixPath(entry.filename).name
        if name in named:
            raise SpecError(f"the zip holds {_shown(name)} twice", field="path")
        named[name] = entry
    return named


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # what the zip says; zipfile itself ends ``filename`` at a NUL
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise SpecError(f"the zip holds {_shown(name)}, which leads out of its folder; it is refused", field="path")
    if "\0" in name or not name.isprintable() or len(name) > 300 or len(parts) > 3:
        raise SpecError(f"the zip holds a file with the name {_shown(name)}, which no export has", field="path")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise SpecError(f"{_shown(name)} is a link to another place; an export has none", field="path")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SpecError("the zip is packed in an unusual way; pack it again as a plain zip", field="path")
    if entry.flag_bits & 0x1:
        raise SpecError("the zip is locked with a password; unlock it first", field="path")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


def _words(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__

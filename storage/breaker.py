"""The circuit breaker of a network source: once it is open, nothing asks the source until a time that everybody knows.

One small file per source (``<folder>/<source>/breaker.json``), so that all tickers, sessions and processes of this machine share it.
A source that wants a pause gets one, whoever noticed; a breaker file that cannot be read counts as closed, because a lost pause costs
one refused request and a wrong one would cost a quarter of an hour.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from agent.market.sources.base import RateLimited

log = logging.getLogger(__name__)

PAUSE = timedelta(minutes=15)  # after the source kept refusing through every wait
LONGEST = timedelta(hours=24)  # whatever a server's Retry-After says
DOWN_PAUSE = timedelta(minutes=2)  # after DOWN_LIMIT failures in a row, none further than DOWN_WITHIN from the one before
DOWN_LIMIT = 5
DOWN_EACH = 2  # of those, about one ticker
DOWN_WITHIN = timedelta(minutes=10)
CURE = "Try again then, or set RECOLLECT_OFFLINE=true to work with what is on disk."


class Pause(NamedTuple):
    """Until when (aware UTC) a source is left alone, and why."""

    until: datetime
    reason: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Breaker:
    """The breaker of one source. ``folder`` is the cache's."""

    def __init__(self, folder: Path, source: str, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.source, self._path, self._now = source, folder / source / "breaker.json", now

    def pause(self) -> Pause | None:
        """The pause that is in force; None while the source may be asked."""
        known = self._read()
        until = _time(known.get("until"))
        if until is None or until <= self._now() or until > self._now() + LONGEST:
            return None
        return Pause(until, str(known.get("reason", "")))

    def check(self) -> None:
        """RateLimited while the breaker is open."""
        pause = self.pause()
        if pause is not None:
            raise self.error(pause)

    def error(self, pause: Pause) -> RateLimited:
        """The error of a source that is left alone."""
        message = f"{self.source} is not asked again before {pause.until:%Y-%m-%d %H:%M} UTC: {pause.reason}"
        return RateLimited(message, cure=CURE, retry_at=pause.until)

    def open(self, reason: str, *, until: datetime | None = None, pause: timedelta = PAUSE) -> Pause:
        """Leave the source alone for ``pause``, or until the time it named itself (a day at most); never shortens a pause in force."""
        now = self._now()
        wanted = min(until.astimezone(UTC) if until else now + pause, now + LONGEST)
        known = self.pause()
        made = known if known and known.until >= wanted else Pause(wanted, reason)
        if made is not known:
            log.warning("%s is left alone until %s: %s", self.source, made.until.isoformat(timespec="seconds"), reason)
            self._write({"until": made.until.isoformat(), "reason": reason})
        return made

    def down(self, reason: str, *, about: str = "") -> None:
        """Note that the source gave no answer ``about`` a ticker; several in a row open the breaker for two minutes.

        One ticker counts at most twice: a source that is well but for a single ticker must not be taken from all the others.
        """
        known, now = self._read(), self._now()
        last, named = _time(known.get("down_at")), known.get("down")
        again = last is not None and timedelta() <= now - last <= DOWN_WITHIN and isinstance(named, list)
        names = [str(name) for name in named] if again and isinstance(named, list) else []
        names += [about] if names.count(about) < DOWN_EACH or not about else []
        if len(names) >= DOWN_LIMIT:
            self.open(f"no answer {len(names)} times in a row ({reason})", pause=DOWN_PAUSE)
        elif self.pause() is None:
            self._write({"down": names, "down_at": now.isoformat()})

    def up(self) -> None:
        """Note that the source answered."""
        if self._path.exists() and self.pause() is None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read and counts as closed: %s", self._path, error)
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, content: dict[str, object]) -> None:
        mine = self._path.with_name(f"breaker~{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            mine.write_text(json.dumps(content), encoding="utf-8")
            os.replace(mine, self._path)
        except OSError as error:  # others will find out for themselves
            log.warning("%s cannot be written: %s", self._path, error)


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None

"""What every command shares: data on stdout, words for people on stderr, one exit code per reaction.

Exit codes: 0 done, 2 bad input, 3 something outside is unavailable, 1 everything else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from agent.errors import NoData, RecollectError, SpecError, Unavailable

Json = Annotated[bool, typer.Option("--json", help="Data on stdout as JSON.")]


def say(text: str) -> None:
    """Words for people."""
    print(text, file=sys.stderr)


@contextmanager
def spoken() -> Iterator[None]:
    """Errors that carry a sentence end the command with it and the right exit code; anything else is a bug and shows itself."""
    try:
        yield
    except Unavailable as error:
        say(f"unavailable: {error}")
        raise typer.Exit(3) from None
    except (SpecError, NoData) as error:
        field = f" ({error.field})" if error.field and error.field not in str(error) else ""
        say(f"error{field}: {error}")
        raise typer.Exit(2) from None
    except RecollectError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("stopped from the keyboard; what was complete is kept")
        raise typer.Exit(130) from None


def emit(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str))

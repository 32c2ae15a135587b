"""One error type per distinct reaction of the person in front of the program.

RecollectError
├── SpecError      what was asked for is wrong: shown beside the field          exit 2
├── NoData         the question was fine, there is really nothing there         exit 2
├── Unavailable    something outside is missing or down: shown with the cure    exit 3
├── LookAhead      something newer than the decision reached it: the run stops     exit 1
└── DecisionError  the model gave no usable answer: the day is "no decision"    (never leaves a run)
    └── PromptTooLong  the question did not fit: it is asked once more, shorter
"""


class RecollectError(Exception):
    """The root of every error that carries a sentence meant for people."""


class SpecError(RecollectError, ValueError):
    """Bad input. ``field`` names the part of the spec, the form or the flag that has to change."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NoData(RecollectError):
    """Real emptiness: the range, the ticker or the table holds nothing."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Unavailable(RecollectError):
    """A server, file or folder cannot be reached. ``cure`` says what to type or do."""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(f"{message} {cure}".strip())
        self.cure = cure


class LookAhead(RecollectError):
    """Something that became readable after the decision reached it. The day must not count, so the run stops here."""


class DecisionError(RecollectError):
    """The model's answer cannot be used. Becomes an abstention with this reason, never a hold."""


class PromptTooLong(DecisionError):
    """The question did not fit into the window: refused by the server, or ``cut``, so that its answer is to another question.

    ``counted``: tokens of the whole question (refused), or as many as were left of it (cut). ``window``: what the server has.
    """

    def __init__(self, message: str, *, counted: int | None = None, window: int | None = None, cut: bool = False) -> None:
        super().__init__(message)
        self.counted = counted
        self.window = window
        self.cut = cut

"""One day's record as a report carries it: the record of the export, less what stands elsewhere in the same file.

Left out: the text of prompt segments that stand in the prompt itself (kept as places in it), what a remembered memory says (it has its own
entry), what the strategy carries to the next day. A system text that several days share is kept once.
"""

from __future__ import annotations

from typing import Any

from agent.records import DayRecord
from report import pack

Trace = dict[str, Any]


class Shared:
    """Texts that several days have in common, each kept once, in order of appearance."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Where ``text`` stands among the shared ones."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


def trace(record: DayRecord, shared: Shared) -> Trace:
    """The day as plain data; every value as in ``days.jsonl``, texts cleaned."""
    body = pack.inert(record.model_dump(mode="json", exclude={"run": True, "thought": {"carry": True}}))
    thought = body["thought"]
    for event in thought["memory_events"]:
        event.pop("memory", None)
    calls = thought["calls"]
    for segment in thought["segments"]:
        _point(segment, calls)
    for call in calls:
        call["system"] = shared.place(call["system"])
    return body


def _point(segment: dict[str, Any], calls: list[dict[str, Any]]) -> None:
    """Replace a segment's text by its place in the prompt it belongs to, where it stands there word for word."""
    for number, call in enumerate(calls):
        if call["purpose"] == segment["purpose"]:
            start = call[segment["role"]].find(segment["text"])
            if start >= 0:
                segment["at"] = [number, start, len(segment.pop("text"))]
                return


def named(body: Trace) -> set[int]:
    """Ids of every memory that the day recalled, cited or changed."""
    thought = body["thought"]
    found = {recall["memory_id"] for recall in thought["recalls"]} | {event["memory_id"] for event in thought["memory_events"]}
    if study := thought["study"]:
        found |= {*study["supporting"], *study["opposing"]}
    if decision := thought["decision"]:
        found |= {number for reason in (*decision["reasons_for"], *decision["reasons_against"]) for number in reason["memories"]}
        found |= {number for ids in decision["cited"].values() for number in ids}
    return found

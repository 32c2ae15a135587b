"""Hide from the model what it may know by heart: names, dates, prices. What it says is translated back.

The mapping is made once per run and stored with it. Everything the model sees is masked as data, before a prompt is built; decisions,
reflections and memories are kept in the words of the market and masked again when they are shown, so ``text(undo(x))`` is ``x`` for
what a model can write. Masking is no proof that a model does not recognise a company: amounts, product names that no table has and
the events of a time remain.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property

from agent.decision import aliases
from agent.decision.masking_dates import Shift
from agent.decision.masking_names import Names, Written, key
from agent.decision.options import Masking
from agent.errors import SpecError
from agent.llm.base import DigestFacts, JudgedDecision, LessonFacts, MemoryFact, Situation, StudyFacts, TextFact
from agent.records import Decision, Figure, PriceState, Reason, Record

REBASED = 100.0  # a ticker's first close, as the model sees it
SHORTEST_ALIAS = 2
BLOT = "[hidden]"


class Mask(Record):
    """The mapping of one run, stored with it: original -> what the model sees."""

    masking: Masking
    tickers: dict[str, str] = {}
    names: dict[str, str] = {}
    exact: tuple[str, ...] = ()
    """Names that are words as well and count only as they are written here."""
    peers: dict[str, str] = {}
    """Names of companies that are not in the run: seen beside it, they would give it away."""
    peer_tickers: dict[str, str] = {}
    days: int = 0
    shift: Shift = Shift()
    price_factors: dict[str, float] = {}

    @classmethod
    def make(
        cls,
        masking: Masking,
        *,
        companies: Mapping[str, str],
        first_close: Mapping[str, float],
        seed: int,
        window: tuple[date, date] | None = None,
    ) -> Mask:
        """The mask of a run. ``companies``: ticker -> name; ``first_close``: the price that becomes 100; ``window``: first and last
        day of the run, so that no masked date falls near them. The same seed makes the same mask. SpecError: an alias cannot be used."""
        order = sorted(companies)
        random.Random(f"{seed}|names").shuffle(order)
        shift = Shift.make(window, seed=seed) if masking.dates else Shift()
        factors = {t: REBASED / close for t, close in first_close.items() if close > 0} if masking.prices else {}
        if not masking.names:
            return cls(masking=masking, days=shift.days, shift=shift, price_factors=factors)
        _check(masking, companies)
        tickers = {ticker: f"STOCK_{n:02d}" for n, ticker in enumerate(order, 1)}
        written = _unique(w for n, ticker in enumerate(order, 1) for w in _of_company(ticker, companies[ticker], n, masking))
        peers, peer_tickers = _of_peers(set(order), {key(w.name) for w in written}, seed)
        return cls(
            masking=masking,
            tickers=tickers,
            names={w.name: w.token for w in written},
            exact=tuple(w.name for w in [*written, *peers] if w.exact),
            peers={w.name: w.token for w in peers},
            peer_tickers=peer_tickers,
            days=shift.days,
            shift=shift,
            price_factors=factors,
        )

    # ---------------------------------------------------------------------------------------------------------- what is asked

    def situation(self, facts: Situation) -> Situation:
        """The facts of a day as the model may see them."""
        day = facts.session
        return facts.model_copy(
            update={
                "ticker": self.tickers.get(facts.ticker, facts.ticker),
                "company": self._company(facts.ticker, facts.company),
                "session": self.day(day),
                "next_session": facts.next_session and self.day(facts.next_session),
                "as_of": self.text(facts.as_of, on=day),
                "news": tuple(map(self._text_fact, facts.news)),
                "filings": tuple(map(self._text_fact, facts.filings)),
                "memories": tuple(map(self._memory, facts.memories)),
                "price": self._price(facts.ticker, facts.price),
                "fundamentals": tuple(self._figure(f) for f in facts.fundamentals if not (self.masking.prices and f.unit)),
                "sector": self.text(facts.sector, on=day),
            }
        )

    def study(self, facts: StudyFacts) -> StudyFacts:
        return facts.model_copy(update={"situation": self.situation(facts.situation)})

    def lessons(self, facts: LessonFacts) -> LessonFacts:
        return facts.model_copy(
            update={
                "ticker": self.tickers.get(facts.ticker, facts.ticker),
                "session": self.day(facts.session),
                "judged": tuple(map(self._judged, facts.judged)),
            }
        )

    def digest(self, facts: DigestFacts) -> DigestFacts:
        on = facts.published
        return facts.model_copy(
            update={
                "ticker": self.tickers.get(facts.ticker, facts.ticker),
                "company": self._company(facts.ticker, facts.company),
                "kind": self.text(facts.kind, on=on),
                "published": self.day(on),
                "text": self.text(facts.text, on=on),
            }
        )

    def day(self, day: date) -> date:
        """A day as the model sees it."""
        return self.shift.day(day) if self.masking.dates else day

    def text(self, text: str, *, on: date | None = None) -> str:
        """``text`` as the model may see it. ``on``: the day it is from, which dates without a year are read by."""
        if self.masking.names:
            text = self._names.text(text)
        return self.shift.text(text, on=on) if self.masking.dates else text

    # -------------------------------------------------------------------------------------------------------- what is answered

    def undo(self, text: str, *, on: date | None = None) -> str:
        """What the model wrote, in the words of the market. ``on``: the true day it was written on."""
        if self.masking.dates:
            text = self.shift.back(text, on=on)
        return self._names.back(text) if self.masking.names else text

    def undo_decision(self, decision: Decision, *, on: date) -> Decision:
        """A decision with all its sentences undone. ``on``: the true session."""

        def plain(text: str) -> str:
            return self.undo(text, on=on)

        def reason(item: Reason) -> Reason:
            return item.model_copy(update={"claim": plain(item.claim)})

        return decision.model_copy(
            update={
                "reasons_for": tuple(map(reason, decision.reasons_for)),
                "reasons_against": tuple(map(reason, decision.reasons_against)),
                "invalidation": plain(decision.invalidation),
                "summary": plain(decision.summary),
                "abstained": None if decision.abstained is None else plain(decision.abstained),
                "clipped_by": tuple(map(plain, decision.clipped_by)),
                "flags": tuple(map(plain, decision.flags)),
            }
        )

    def found(self, text: str) -> tuple[str, ...]:
        """Originals that still stand in ``text``: empty where the mask holds. Not looked for are names of other companies, and
        what a number of the prompt can look like: years alone, days without their year, products that are numbers (737)."""
        text, spans = self._left(text)
        return tuple(dict.fromkeys(text[start:end] for start, end in spans))

    def blotted(self, text: str) -> str:
        """``text`` with everything that ``found`` reports made unreadable, and only where it stands as that."""
        text, spans = self._left(text)
        pieces, done = [], 0
        for start, end in spans:
            if start >= done:
                pieces += [text[done:start], BLOT]
                done = end
        return "".join([*pieces, text[done:]])

    def _left(self, text: str) -> tuple[str, list[tuple[int, int]]]:
        """``text`` as it is searched, and where originals stand in it, in order."""
        spans: list[tuple[int, int]] = []
        if self.masking.names:
            text = self._names.ready(text)
            hits = ((hit.start, hit.end) for hit in self._names.found(text) if not hit.token.startswith("PEER"))
            spans += [(start, end) for start, end in hits if not text[start:end].isdigit()]
        if self.masking.dates:
            spans += self.shift.found(text)
        return text, sorted(spans)

    # -------------------------------------------------------------------------------------------------------------- the parts

    @cached_property
    def _names(self) -> Names:
        exact = set(self.exact)
        written = [Written(name, token, name in exact) for name, token in (*self.names.items(), *self.peers.items())]
        return Names(written, {**self.tickers, **self.peer_tickers}, loose=frozenset(self.peer_tickers))

    def _company(self, ticker: str, company: str) -> str:
        token = self.tickers.get(ticker)
        return token.replace("STOCK", "COMPANY") if token and company else self.text(company)

    def _text_fact(self, fact: TextFact) -> TextFact:
        return fact.model_copy(
            update={
                "title": self.text(fact.title, on=fact.published),
                "text": self.text(fact.text, on=fact.published),
                "publisher": self.text(fact.publisher),
                "published": self.day(fact.published),
            }
        )

    def _memory(self, fact: MemoryFact) -> MemoryFact:
        return fact.model_copy(
            update={
                "title": self.text(fact.title, on=fact.event_day),
                "text": self.text(fact.text, on=fact.event_day),
                "publisher": self.text(fact.publisher),
                "event_day": self.day(fact.event_day),
            }
        )

    def _judged(self, fact: JudgedDecision) -> JudgedDecision:
        return fact.model_copy(
            update={
                "decided": self.day(fact.decided),
                "summary": self.text(fact.summary, on=fact.decided),
                "supporting": tuple(map(self._memory, fact.supporting)),
                "opposing": tuple(map(self._memory, fact.opposing)),
            }
        )

    def _figure(self, figure: Figure) -> Figure:
        moved = {"period_end": figure.period_end and self.day(figure.period_end), "filed": figure.filed and self.day(figure.filed)}
        if self.masking.dates:
            at = figure.available_at
            moved["available_at"] = at + (self.day(at.date()) - at.date())  # type: ignore[assignment]
        return figure.model_copy(update={**moved, "accession": "" if self.masking.names else figure.accession})

    def _price(self, ticker: str, price: PriceState) -> PriceState:
        """The close on the scale of the run; all else in it is a share of the price already."""
        if not self.masking.prices or price.close is None:
            return price
        factor = self.price_factors.get(ticker)
        return price.model_copy(update={"close": None if factor is None else price.close * factor})


def _check(masking: Masking, companies: Mapping[str, str]) -> None:
    for ticker, words in masking.aliases.items():
        if ticker.strip().upper() not in companies:
            raise SpecError(f"masking.aliases: {ticker} is no ticker of this run; it has {', '.join(companies)}.", field="masking.aliases")
        if short := [word for word in words if len(key(word)) < SHORTEST_ALIAS]:
            raise SpecError(f"masking.aliases: {short[0]!r} for {ticker} is too short to be a name.", field="masking.aliases")


def _of_company(ticker: str, company: str, number: int, masking: Masking) -> Iterator[Written]:
    """Everything that gives one company of the run away, with what the model sees instead."""
    known = aliases.known_of(ticker)
    plain = len(ticker) > 1 and ticker not in aliases.TICKER_WORDS and ticker.lower() not in aliases.LOWER_WORDS
    for name in aliases.names_of(ticker, company):
        if not (plain and name.upper() == ticker):  # found as the ticker that it is
            yield Written(name, f"COMPANY_{number:02d}", _is_word(name))
    people = aliases.people_of(known)
    tokens = {person: f"PERSON_{number:02d}_{n}" for n, person in enumerate(dict.fromkeys(people.values()), 1)}
    for written, person in sorted(people.items(), key=lambda item: item[0] != item[1]):  # whole names first: they are shown again
        yield Written(written, tokens[person], True)
    for kind, words in (("PRODUCT", known.products), ("PLACE", known.places)):
        for n, word in enumerate(words, 1):
            yield Written(word, f"{kind}_{number:02d}_{n}", _is_word(word))
    own = [word for given, words in masking.aliases.items() if given.strip().upper() == ticker for word in words]
    for n, word in enumerate(own, 1):
        yield Written(word.strip(), f"NAME_{number:02d}_{n}", True)


def _of_peers(own: set[str], taken: set[str], seed: int) -> tuple[list[Written], dict[str, str]]:
    """The large companies of the table that are not in the run, in an order that says nothing."""
    order = [ticker for ticker in aliases.TABLE if ticker not in own and not own & set(aliases.shares_of(ticker))]
    random.Random(f"{seed}|peers").shuffle(order)
    written = [
        Written(name, f"PEER_{n:03d}", _is_word(name))
        for n, ticker in enumerate(order, 1)
        for name in aliases.TABLE[ticker].names
        if name not in aliases.UNCLEAR and key(name) not in taken and name.upper() != ticker
    ]
    return _unique(written), {share: f"PEER_STOCK_{n:03d}" for n, ticker in enumerate(order, 1) for share in aliases.shares_of(ticker)}


def _unique(found: Iterator[Written] | list[Written]) -> list[Written]:
    """Each spelling once, and every way to write a name for the first who claims it."""
    seen: dict[str, Written] = {}
    owner: dict[str, str] = {}
    for written in found:
        if owner.setdefault(key(written.name), written.token) == written.token:
            seen.setdefault(written.name, written)
    return list(seen.values())


def _is_word(name: str) -> bool:
    """Whether a name must be written as given: single words of the language, and short names in capitals (J&J, 3M)."""
    letters = "".join(c for c in name if c.isalnum())
    return name.lower() in aliases.ORDINARY or len(letters) < 4 or (letters.isupper() and len(letters) < 5)

"""From the plan of a company to its annual and quarterly reports, one text per section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from agent.market.demo import companies as c
from agent.market.demo import filing_wording as w
from agent.market.demo.newsroom import NEW_YORK, spoken
from agent.market.demo.plan import Plan, Report
from agent.market.demo.streams import Phrases, Stream, fill
from agent.market.sessions import Session

ACCEPTED = time(16, 35)  # New York: after the close, so usable in the next session


@dataclass(frozen=True)
class Section:
    """One section of one report. ``surprise``, ``pending`` (code, sign, sessions to go) and ``exposures`` are for tests."""

    symbol: str
    accession: str
    form: str
    name: str
    period_end: date
    accepted: datetime
    session: int
    text: str
    surprise: int | None = None
    pending: tuple[tuple[str, int, int], ...] = ()
    exposures: tuple[int, ...] = ()


def company_reports(seed: int, plan: Plan, sessions: Sequence[Session]) -> list[Section]:
    writer = Writer(seed, plan)
    return [section for report in plan.reports for section in writer.report(report, sessions[report.filed].day)]


class Writer:
    """Writes the reports of one company."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.stream = Stream(seed, plan.firm.symbol, "filings")
        self.phrases = Phrases(self.stream)

    def report(self, report: Report, filed: date) -> Iterator[Section]:
        pending = tuple(
            (p.code, p.sign, p.due - report.usable) for p in self.plan.programmes if p.pending(report.filed) and p.due > report.usable
        )
        accepted = datetime.combine(filed, ACCEPTED, NEW_YORK).astimezone(UTC)
        accession = f"{self.plan.firm.symbol}-{report.form.replace('-', '')}-{report.period_end:%Y%m%d}"

        def section(name: str, text: str, surprise: int | None = None, exposures: tuple[int, ...] = ()) -> Section:
            return Section(
                self.plan.firm.symbol, accession, report.form, name, report.period_end, accepted, report.usable, text,
                surprise, pending if surprise is not None else (), exposures,
            )  # fmt: skip

        if report.form == "10-K":
            yield section("item_1", self._business(report))
            yield section("item_1a", self._risks(w.RISK_OPENINGS, 8))
            yield section("item_7", self._discussion(report, pending), report.surprise)
            yield section("item_7a", self._market_risk(report), None, report.exposures)
        else:
            yield section("part1_item_2", self._discussion(report, pending), report.surprise)
            if report.period_end.month == 6:
                yield section("part1_item_3", self._unchanged_market_risk())
            else:
                yield section("part2_item_1a", self._risks(w.NO_CHANGE_IN_RISKS, 8))

    def _business(self, report: Report) -> str:
        firm = self.plan.firm
        facts = {
            "staff": f"{self.stream.whole(18, 64) * 100:,}",
            "rd": self.stream.whole(9, 60),
            "share": self.stream.whole(18, 44),
            "patents": self.stream.whole(30, 240),
            "lease": report.period_end.year + self.stream.whole(3, 9),
        }
        sentences = [*firm.business, report.change, self.phrases.draw(w.PROGRAMME_SENTENCES)]
        sentences += [fill(s, facts) for s in self.stream.shuffled(w.BUSINESS_SENTENCES)[:8]]
        return _paragraphs(f"Item 1. Business. {firm.name}, fiscal year ended {spoken(report.period_end)}.", [s for s in sentences if s], 4)

    def _risks(self, openings: Sequence[str], count: int) -> str:
        return _paragraphs(self.phrases.draw(openings), self.stream.shuffled(w.RISKS)[:count], 2)

    def _discussion(self, report: Report, pending: Sequence[tuple[str, int, int]]) -> str:
        figures = fill(self.phrases.draw(w.FIGURES), {"revenue": report.revenue, "eps": report.eps})
        surprise = self.phrases.draw(w.SURPRISE[report.surprise])
        opening = f"{self.phrases.draw(w.MDA_OPENINGS)} Period ended {spoken(report.period_end)}."
        boilerplate = [self._boilerplate(s) for s in self.stream.shuffled(w.MDA_BOILERPLATE)[: 8 if report.form == "10-K" else 13]]
        return "\n\n".join([opening, f"{figures} {surprise}", self._pending(pending), _paragraphs("", boilerplate, 3)])

    def _pending(self, pending: Sequence[tuple[str, int, int]]) -> str:
        if not pending:
            return self.phrases.draw(w.NOTHING_PENDING)
        entries = [fill(self.phrases.draw(w.PENDING_ENTRIES), {"code": code, "n": n}, sign=sign) for code, sign, n in pending]
        return f"{self.phrases.draw(w.PENDING_INTROS)} {'; '.join(entries)}."

    def _boilerplate(self, sentence: str) -> str:
        s = self.stream
        amounts = {
            "credit": s.whole(8, 40) * 10,
            "capex": s.whole(12, 48),
            "tax": s.whole(19, 27),
            "dso": s.whole(36, 62),
            "sbc": s.whole(3, 14),
        }
        return fill(sentence, amounts)

    def _market_risk(self, report: Report) -> str:
        sentences = [self._exposure(factor, sign) for factor, sign in zip(c.FACTORS, report.exposures, strict=True)]
        opening = f"Item 7A. {self.phrases.draw(w.MARKET_RISK_OPENINGS)}"
        rest = self.stream.shuffled(w.INTEREST_SENTENCES)[:3]
        return "\n\n".join([opening, " ".join(sentences), self.phrases.draw(w.MARKET_RISK_CLOSINGS), " ".join(rest)])

    def _exposure(self, factor: str, sign: int) -> str:
        rise, higher, plural = w.FACTOR_FORMS[factor]
        table = w.EXPOSED if sign else w.UNEXPOSED
        return fill(self.phrases.draw(table), {"factor": factor, "rise": rise, "higher": higher}, sign=sign, plural=plural)

    def _unchanged_market_risk(self) -> str:
        sentences = [self.phrases.draw(w.NO_CHANGE_IN_MARKET_RISK), *self.stream.shuffled(w.INTEREST_SENTENCES)]
        return _paragraphs("Item 3.", sentences, 2)


def _paragraphs(opening: str, sentences: Sequence[str], size: int) -> str:
    blocks = [" ".join(sentences[i : i + size]) for i in range(0, len(sentences), size)]
    return "\n\n".join([opening, *blocks] if opening else blocks)

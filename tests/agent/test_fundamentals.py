"""Fundamentals as of a day: numbers worked out by hand, and the property that no unread filing is in any of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.market.fundamentals import MONTHS, STALE_DAYS, snapshot
from agent.market.sessions import Calendar
from agent.market.view import Market, Tape
from agent.records import Bar, Fact, Figure, Split

XNYS = Calendar()


def fact(field: str, value: float, end: str, *, timeframe: str = "quarterly", filed: str = "", unit: str = "USD", at: str = "") -> Fact:
    """A figure filed 30 days after its period ends, readable at 21:30 UTC, after New York's close."""
    day = date.fromisoformat(filed) if filed else date.fromisoformat(end) + timedelta(days=30)
    readable = datetime.fromisoformat(at) if at else datetime(day.year, day.month, day.day, 21, 30, tzinfo=UTC)
    form = "10-K" if timeframe == "annual" else "10-Q"
    return Fact(
        field=field,
        value=value,
        unit=unit,
        timeframe=timeframe,
        period_end=date.fromisoformat(end),
        form=form,
        filed=day,
        accession=f"{form} {day}",
        available_at=readable,
    )


def market(
    facts: list[Fact], *, close: float = 50.0, splits: tuple[Split, ...] = (), currency: str = "USD", last: str = "2025-12-31"
) -> Market:
    """A price that stands still as traded apart from ``splits``, and ``facts``."""
    days = [s.day for s in XNYS.sessions(date(2024, 1, 2), date.fromisoformat(last))]
    bars = []
    for day in days:
        price = close
        for split in splits:
            price /= split.ratio if split.ex_date <= day else 1.0
        bars.append(Bar(day=day, open=price, high=price, low=price, close=price, volume=1000))
    ordered = sorted(facts, key=lambda item: item.available_at)
    tape = Tape(
        bars=bars,
        closed_at=[XNYS.session(day).close_at for day in days],
        news=[],
        news_at=[],
        filings=[],
        filings_at=[],
        splits=list(splits),
        dividends=[],
        positions={day: i for i, day in enumerate(days)},
        facts=ordered,
        facts_at=[item.available_at for item in ordered],
    )
    return Market(tapes={"AAA": tape}, calendar=XNYS, currency=currency)


def figures(found: Market, day: str) -> dict[str, Figure]:
    view = found.view(XNYS.session(date.fromisoformat(day)).close_at)
    return {figure.name: figure for figure in snapshot(view, "AAA")}


def values(found: Market, day: str) -> dict[str, float]:
    return {name: figure.value for name, figure in figures(found, day).items()}


def quarters(field: str, amounts: dict[str, float], **changed: str) -> list[Fact]:
    return [fact(field, amount, end, **changed) for end, amount in amounts.items()]


REVENUE = {"2023-12-31": 90.0, "2024-03-31": 100.0, "2024-06-30": 110.0, "2024-09-30": 120.0, "2024-12-31": 130.0, "2025-03-31": 125.0}
INCOME = {end: amount / 10 for end, amount in REVENUE.items()}


def whole_company() -> list[Fact]:
    return [
        *quarters("revenue", REVENUE),
        *quarters("net_income", INCOME),
        *quarters("eps_diluted", {end: amount / 100 for end, amount in INCOME.items()}, unit="USD/shares"),
        fact("cost_of_revenue", 75.0, "2025-03-31"),
        fact("operating_income", 20.0, "2025-03-31"),
        fact("equity", 97.0, "2025-03-31", timeframe="instant"),
        fact("long_term_debt", 19.4, "2025-03-31", timeframe="instant"),
        fact("shares_outstanding", 100.0, "2025-03-31", timeframe="instant", unit="shares"),
        *quarters("operating_cash_flow", dict.fromkeys(list(REVENUE)[2:], 15.0)),
        *quarters("capex", dict.fromkeys(list(REVENUE)[2:], 4.0)),
    ]


def test_every_figure_by_hand():
    assert values(market(whole_company(), close=9.7), "2025-06-02") == pytest.approx(
        {
            "revenue_growth": 0.25,  # 125 / 100 - 1
            "earnings_growth": 0.25,
            "gross_margin": 0.4,  # (125 - 75) / 125
            "operating_margin": 0.16,
            "net_margin": 0.1,
            "revenue_ttm": 485.0,  # 110 + 120 + 130 + 125
            "net_income_ttm": 48.5,
            "eps_ttm": 0.485,
            "free_cash_flow": 44.0,  # 4 x (15 - 4)
            "return_on_equity": 0.5,
            "debt_to_equity": 0.2,
            "market_cap": 970.0,  # 100 x 9.7
            "price_to_earnings": 20.0,  # 9.7 / 0.485
            "price_to_sales": 2.0,
            "price_to_book": 10.0,
        },
        rel=1e-12,
    )


def test_a_figure_names_the_newest_report_in_it_and_when_it_could_be_read():
    found = figures(market(whole_company()), "2025-06-02")
    growth, value = found["revenue_growth"], found["market_cap"]
    assert (growth.form, growth.filed, growth.period_end, growth.unit) == ("10-Q", date(2025, 4, 30), date(2025, 3, 31), "")
    assert growth.available_at == datetime(2025, 4, 30, 21, 30, tzinfo=UTC) and growth.accession == "10-Q 2025-04-30"
    assert (value.unit, found["eps_ttm"].unit) == ("USD", "USD")
    assert value.available_at == XNYS.session(date(2025, 6, 2)).close_at  # the price is its newest input
    assert value.filed == date(2025, 4, 30)


def test_a_report_after_the_close_counts_from_the_next_session_on():
    found = market(whole_company())
    assert values(found, "2025-04-30")["revenue_growth"] == pytest.approx(130 / 90 - 1)
    assert values(found, "2025-05-01")["revenue_growth"] == pytest.approx(0.25)


def test_a_restatement_replaces_from_its_own_day_on_and_not_before():
    restated = fact("revenue", 80.0, "2024-03-31", filed="2025-05-20")
    found = market([*quarters("revenue", REVENUE), restated])
    assert values(found, "2025-05-20")["revenue_growth"] == pytest.approx(0.25)
    after = figures(found, "2025-05-21")["revenue_growth"]
    assert after.value == pytest.approx(125 / 80 - 1)
    assert after.filed == date(2025, 5, 20)


def test_a_fourth_quarter_is_the_year_less_nine_months():
    facts = [
        *(fact("revenue", *row) for row in ((90.0, "2023-12-31"), (50.0, "2024-09-30"))),
        fact("revenue", 300.0, "2024-09-30", timeframe="nine_months"),
        fact("revenue", 435.0, "2024-12-31", timeframe="annual", filed="2025-02-20"),
    ]
    found = figures(market(facts), "2025-03-03")
    assert found["revenue_growth"].value == pytest.approx(135 / 90 - 1)
    assert (found["revenue_growth"].form, found["revenue_growth"].filed) == ("10-K", date(2025, 2, 20))
    assert found["revenue_ttm"].value == 435.0
    assert "revenue_growth" not in figures(market(facts[:-1]), "2025-03-03")  # the third quarter has no year before it


def test_without_nine_months_a_fourth_quarter_is_the_year_less_three_quarters():
    ends = {"2023-12-31": 1.0, "2024-03-31": 2.0, "2024-06-30": 3.0, "2024-09-30": 4.0, "2025-03-31": 2.5}
    facts = [*quarters("eps_diluted", ends, unit="USD/shares"), fact("eps_diluted", 14.0, "2024-12-31", timeframe="annual")]
    assert values(market(facts), "2025-06-02")["eps_ttm"] == pytest.approx(3 + 4 + (14 - 9) + 2.5)
    hole = [item for item in facts if str(item.period_end) != "2024-06-30"]
    assert values(market(hole), "2025-06-02")["eps_ttm"] == pytest.approx(14 + 2.5 - 2)  # year + to date - to date a year before
    assert "eps_ttm" not in values(market([item for item in hole if str(item.period_end) != "2024-03-31"]), "2025-06-02")


def test_cash_flows_reported_since_the_years_start_become_twelve_months():
    flows = {"annual": (100.0, "2024-12-31"), "half": (70.0, "2025-06-30")}
    facts = [fact("operating_cash_flow", *row, timeframe=span) for span, row in flows.items()]
    facts += [fact("operating_cash_flow", 40.0, "2024-06-30", timeframe="half")]
    facts += [fact("capex", -amount.value / 10, str(amount.period_end), timeframe=amount.timeframe) for amount in facts]
    assert values(market(facts), "2025-08-15")["free_cash_flow"] == pytest.approx(130 - 13)  # capex counts as spent whatever its sign


def test_a_year_of_52_weeks_finds_its_quarter_of_the_year_before():
    facts = quarters("revenue", {"2023-12-30": 100.0, "2024-12-28": 110.0})
    assert values(market(facts), "2025-03-03")["revenue_growth"] == pytest.approx(0.1)


def test_shares_and_earnings_filed_before_a_split_are_put_on_todays_shares():
    split = (Split(ex_date=date(2025, 6, 10), ratio=10.0),)
    found = market(whole_company(), close=97.0, splits=split)
    before, after = values(found, "2025-06-09"), values(found, "2025-06-10")
    assert before["price_to_earnings"] == pytest.approx(97 / 0.485)
    assert after["eps_ttm"] == pytest.approx(0.0485)
    for name in ("price_to_earnings", "market_cap", "price_to_sales", "price_to_book", "revenue_growth"):
        assert after[name] == pytest.approx(before[name]), name


def test_a_report_filed_after_the_split_is_on_the_new_basis_already():
    split = (Split(ex_date=date(2025, 6, 10), ratio=10.0),)
    newer = [
        fact("eps_diluted", 0.012, "2025-06-30", unit="USD/shares"),  # four new quarters: 0.011 + ... restated below
        fact("shares_outstanding", 1000.0, "2025-06-30", timeframe="instant", unit="shares"),
    ]
    found = values(market([*whole_company(), *newer], close=97.0, splits=split), "2025-08-15")
    assert found["market_cap"] == pytest.approx(1000 * 9.7)
    assert found["eps_ttm"] == pytest.approx((0.12 + 0.13 + 0.125) / 10 + 0.012)


def test_a_split_between_the_end_of_a_period_and_its_report_is_in_the_report():
    split = (Split(ex_date=date(2025, 4, 10), ratio=10.0),)  # the quarter ended on 31 March and was reported on 30 April
    shares = fact("shares_outstanding", 1000.0, "2025-03-31", timeframe="instant", unit="shares")
    assert values(market([shares], close=97.0, splits=split), "2025-06-02")["market_cap"] == pytest.approx(1000 * 9.7)


def test_what_makes_no_sense_is_absent_and_never_zero():
    loss = [*quarters("net_income", dict.fromkeys(REVENUE, -5.0)), *quarters("eps_diluted", dict.fromkeys(REVENUE, -0.1))]
    found = values(market([*quarters("revenue", REVENUE), *loss, fact("equity", -3.0, "2025-03-31", timeframe="instant")]), "2025-06-02")
    assert found["net_income_ttm"] == -20.0 and found["net_margin"] == pytest.approx(-0.04)
    assert not {"price_to_earnings", "earnings_growth", "return_on_equity", "price_to_book", "debt_to_equity", "market_cap"} & set(found)
    assert snapshot(market([]).view(XNYS.session(date(2025, 6, 2)).close_at), "AAA") == ()


def test_an_older_period_does_not_stand_in_for_the_newest_one():
    newer = [fact("revenue", 140.0, "2025-09-30"), fact("equity", 99.0, "2025-09-30", timeframe="instant")]  # June's quarter is missing
    found = values(market([*whole_company(), *newer]), "2025-11-03")
    assert found["revenue_growth"] == pytest.approx(140 / 120 - 1)
    assert not {"revenue_ttm", "net_margin", "gross_margin", "price_to_sales", "debt_to_equity"} & set(found)
    assert found["net_income_ttm"] == 48.5  # of income nothing newer was reported


def test_figures_older_than_fifteen_months_are_gone():
    facts = whole_company()
    assert "revenue_ttm" in values(market(facts, last="2026-08-31"), "2026-06-30")
    assert values(market(facts, last="2026-08-31"), "2026-07-02") == {}
    old_shares = [f for f in facts if f.field != "shares_outstanding"]
    old_shares.append(fact("shares_outstanding", 100.0, "2023-12-31", timeframe="instant"))
    assert "market_cap" not in values(market(old_shares), "2025-06-02")


def test_fresh_income_over_a_stale_balance_sheet_is_no_return_on_equity():
    facts = [*quarters("net_income", INCOME), fact("equity", 97.0, "2024-01-31", timeframe="instant")]
    found = figures(market(facts), "2025-06-02")
    assert set(found) == {"net_income_ttm", "earnings_growth"}


def test_of_two_ways_to_write_one_balance_the_newer_report_counts():
    late, early = (fact("equity", v, "2025-03-31", timeframe=t, filed=f) for v, t, f in ((50.0, "", "2025-05-20"), (97.0, "instant", "")))
    found = market([late, early, *quarters("net_income", INCOME)])
    assert values(found, "2025-05-20")["return_on_equity"] == pytest.approx(0.5)  # 48.5 / 97
    assert values(found, "2025-05-21")["return_on_equity"] == pytest.approx(0.97)


def test_no_valuation_in_another_currency_or_on_an_old_price():
    assert "eps_ttm" in values(market(whole_company(), currency="GBP"), "2025-06-02")
    assert not {"price_to_earnings", "market_cap", "price_to_sales"} & set(values(market(whole_company(), currency="EUR"), "2025-06-02"))
    halted = values(market(whole_company(), last="2025-05-02"), "2025-06-02")
    assert "revenue_growth" in halted and "market_cap" not in halted


def test_the_diluted_average_stands_in_where_no_report_counts_the_shares():
    facts = [f for f in whole_company() if f.field != "shares_outstanding"] + [fact("shares_diluted", 110.0, "2025-03-31", unit="shares")]
    assert values(market(facts, close=10.0), "2025-06-02")["market_cap"] == 1100.0


FIELDS = (
    *("revenue", "cost_of_revenue", "gross_profit", "operating_income", "net_income", "eps_diluted", "equity", "long_term_debt"),
    *("shares_outstanding", "shares_diluted", "operating_cash_flow", "capex", "goodwill"),
)
some_fact = st.builds(
    lambda field, value, quarter, timeframe, wait: fact(
        field,
        value,
        str((pd.Period("2022Q4") + quarter).end_time.date()),
        timeframe=timeframe,
        at=str((pd.Period("2022Q4") + quarter).end_time.date() + timedelta(days=wait)) + "T20:30:00+00:00",
    ),
    st.sampled_from(FIELDS),
    st.floats(-1e12, 1e12, allow_subnormal=False) | st.just(0.0),
    st.integers(0, 12),
    st.sampled_from([*MONTHS, "instant", ""]),
    st.integers(1, 200),
)
DAYS = [s.day for s in XNYS.sessions(date(2024, 6, 3), date(2025, 12, 31))]
some_splits = st.lists(st.builds(Split, ex_date=st.sampled_from(DAYS), ratio=st.sampled_from([0.5, 2.0, 10.0])), max_size=2)


@settings(max_examples=30, deadline=None)
@given(st.lists(some_fact, max_size=60), some_splits, st.sampled_from(DAYS))
def test_no_figure_depends_on_a_filing_or_a_split_after_the_cutoff(facts, splits, day):
    cut = XNYS.session(day).close_at
    whole = market(facts, splits=tuple(sorted(splits, key=lambda split: split.ex_date)))
    short = market(
        [item for item in facts if item.available_at <= cut],
        splits=tuple(sorted((split for split in splits if split.ex_date <= day), key=lambda split: split.ex_date)),
    )
    snapshot(whole.view(XNYS.session(DAYS[-1]).close_at), "AAA")  # nor on what somebody else looked at before
    found = snapshot(whole.view(cut), "AAA")
    assert found == snapshot(short.view(cut), "AAA")
    for figure in found:
        assert figure.available_at <= cut
        assert any((item.accession, item.filed) == (figure.accession, figure.filed) for item in facts if item.available_at <= cut)
        assert cut.date() - timedelta(days=STALE_DAYS) <= figure.period_end


def test_the_answer_is_worked_out_once_between_two_filings():
    found, asked = market(whole_company()), []

    def count(latest, growth):
        asked.append(len(latest))
        return len(latest)

    for day in ("2025-04-29", "2025-04-30", "2025-05-01", "2025-05-02", "2025-12-31"):
        found.view(XNYS.session(date.fromisoformat(day)).close_at).from_facts("AAA", count)
    assert len(asked) == 2 and asked[0] < asked[1]


BUNDLE = Path(__file__).parents[3] / "shared" / "data" / "djia-2025" / "fundamentals.parquet"
NAMES = {"total_equity": "equity", "cash_from_operations": "operating_cash_flow"}


def bundle_facts(symbol: str) -> list[Fact]:
    rows = pd.read_parquet(BUNDLE).rename(columns=NAMES)
    rows = rows[(rows["symbol"] == symbol) & rows["available_at"].notna()]
    return [
        fact(
            field,
            float(row[field]),
            str(row["period_end"].date()),
            timeframe=row["timeframe"],
            filed=str(row["filing_date"].date()),
            at=row["available_at"].isoformat(),
        )
        for _, row in rows.iterrows()
        for field in FIELDS
        if field in rows and pd.notna(row[field])
    ]


def test_a_real_company_has_the_figures_its_reports_say():
    """Against Microsoft's own reports, in billions. Of the bundle's quarters the one up to December 2024 is missing."""
    if not BUNDLE.is_file():
        pytest.skip("the bundle of real fundamentals is not on this machine")
    company = market(bundle_facts("MSFT"), close=460.0)
    before, spring, summer = values(company, "2025-04-29"), values(company, "2025-05-01"), values(company, "2025-07-31")
    assert before["revenue_growth"] == pytest.approx(65.585 / 56.517 - 1, abs=1e-4)  # the spring report came out on 30 April
    assert before["revenue_ttm"] / 1e9 == pytest.approx(62.020 + 61.858 + 64.727 + 65.585, abs=0.01)
    assert spring["revenue_growth"] == pytest.approx(70.066 / 61.858 - 1, abs=1e-4)
    assert spring["gross_margin"] == pytest.approx(48.147 / 70.066, abs=1e-3)
    assert not {"revenue_ttm", "eps_ttm", "price_to_earnings"} & set(spring)  # twelve months with a hole in them are none
    assert summer["revenue_ttm"] / 1e9 == pytest.approx(281.724, abs=1e-3)
    assert (summer["eps_ttm"], summer["price_to_earnings"]) == pytest.approx((13.64, 460 / 13.64))
    assert summer["revenue_growth"] == pytest.approx(76.441 / 64.727 - 1, abs=1e-4)
    assert summer["market_cap"] / 1e12 == pytest.approx(7.465 * 0.46, abs=1e-3)  # by the diluted average: the bundle counts no shares

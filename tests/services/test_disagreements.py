"""What runs decided differently and what it cost, held against the whole records that the page never opens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.errors import NoData, SpecError
from services import disagreements, queries, runs, worker
from services.disagreements import Matrix
from services.settings import settings
from tests.pages.run_states import _short


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Three runs on the same days: two characters, and one that buys and holds; and one that fills at the close."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        kinds = {
            "bold": {"profile": {"character": "risk_seeking"}},
            "timid": {"profile": {"character": "risk_averse"}},
            "hold": {"strategy": "hold"},
            "close": {"strategy": "hold", "execution": {"fill": "same_close"}},
        }
        found = {name: runs.create(_short(name, test={"start": "2022-01-18", "end": "2022-03-15"}, **more)) for name, more in kinds.items()}
        assert [worker.execute(run) for run in found.values()] == ["done"] * len(found)
        yield found
    settings.cache_clear()


def test_results_chain_to_the_money_of_the_run_from_its_first_fill_to_its_last_open(made):
    for name in ("bold", "timid", "hold"):
        records = list(runs.store().records(made[name]))
        tested = [record for record in records if record.phase == "test"]
        found = disagreements.decisions(made[name], "DMAUR")
        assert list(found.index) == [record.day for record in tested]
        first, last = tested[0], tested[-1]

        def at_open(place: int, tested=tested) -> float:
            before, now = tested[place - 1].portfolio, tested[place].observation
            shares = before.shares * now.split
            return before.cash + shares * (now.bar.open + now.dividend)

        assert np.prod(1 + found["result"].dropna()) == pytest.approx(at_open(len(tested) - 1) / at_open(1), rel=1e-9), (
            first.day,
            last.day,
        )
        assert found["result"].isna().tolist() == [False] * (len(tested) - 2) + [True, True]


def test_whoever_holds_everything_earns_the_move_of_the_price(made):
    for name in ("hold", "close"):
        found = disagreements.decisions(made[name], "DMAUR").dropna(subset=["result"])
        whole = found[found["weight"] > 0.999].iloc[1:]  # the first carries the cost of the purchase
        assert len(whole) > 20
        assert whole["result"].to_numpy() == pytest.approx((whole["move"] * whole["weight"]).to_numpy(), abs=2e-6)


def test_a_purchase_costs_commission_and_slippage_on_its_own_day(made):
    found = disagreements.decisions(made["hold"], "DMAUR")
    first = found.iloc[0]
    assert first["result"] == pytest.approx(first["move"] * first["weight"] - 0.0003, abs=1e-5)  # 1 + 2 basis points of all it has


def test_the_matrix_tells_only_days_on_which_the_words_differ(made):
    found = disagreements.matrix([made["bold"], made["timid"]], "DMAUR")
    rows = disagreements.disagreements(found)
    by_hand = {}
    for name in ("bold", "timid"):
        by_hand[name] = {r.day: r.thought.decision.action for r in runs.store().records(made[name]) if r.phase == "test"}
    differ = [day for day in found.days if by_hand["bold"][day] != by_hand["timid"][day]]
    assert rows["day"].tolist() == differ and differ
    assert disagreements.differs(found).sum() == len(differ)
    won, lost = disagreements.wins(made["bold"], made["timid"], "DMAUR")
    gap = (found.result[made["bold"]] - found.result[made["timid"]]).loc[differ].dropna()
    assert (won, lost) == (int((gap > 1e-9).sum()), int((gap < -1e-9).sum())) and won + lost
    assert disagreements.wins(made["timid"], made["bold"]) == (lost, won)


def of(actions: dict[str, list[str | None]], results: dict[str, list[float]]) -> Matrix:
    days = [date(2024, 1, 2 + n) for n in range(len(next(iter(actions.values()))))]
    frame = pd.DataFrame(actions, index=days, dtype=object)
    money = pd.DataFrame(results, index=days)
    return Matrix("T", tuple(actions), tuple(days), frame, money, frame, money, money, pd.Series(0.01, index=days))


def test_the_first_costly_disagreement_is_the_first_with_enough_between_best_and_worst():
    nan = float("nan")
    found = of(
        {"a": ["buy", "buy", "buy", None, "buy", "sell", "buy"], "b": ["buy", "sell", "hold", "sell", "hold", "hold", "sell"]},
        {"a": [-0.05, 0.0205, -0.0005, -0.09, -0.004, 0.01, nan], "b": [0.03, 0.02, 0.0, 0.0, 0.0, -0.02, 0.01]},
    )
    rows = disagreements.disagreements(found).set_index("day")
    assert [day.day for day in rows.index] == [3, 4, 6, 7, 8]  # the 2nd is agreed, on the 5th one gave no decision
    assert found.undecided == 1
    assert rows["lost"].tolist() == [False, False, True, True, False]
    assert rows["best"].tolist() == ["a", "b", "b", "a", ""] and rows["worst"].tolist() == ["b", "a", "a", "b", ""]
    assert rows["gap"].tolist()[:4] == pytest.approx([0.0005, 0.0005, 0.004, 0.03]) and np.isnan(rows["gap"].iloc[4])
    assert disagreements.first_costly(found) == date(2024, 1, 6)
    assert disagreements.first_costly(found, least=0.0001) == date(2024, 1, 3)
    assert disagreements.first_costly(found, least=0.5) is None
    assert rows["split"].iloc[0] == "buy 1, sell 1"


def test_runs_that_cannot_be_compared_are_told_why(made, tmp_path: Path):
    with pytest.raises(SpecError, match="2 to 8 runs"):
        disagreements.matrix([made["bold"], made["bold"]], "DMAUR")
    with pytest.raises(SpecError, match="ticker"):
        disagreements.matrix([made["bold"], made["timid"]], "DMBRS")
    with pytest.raises(NoData, match="share no test session"):
        disagreements.matrix([made["bold"], made["timid"]], "DMAUR", days=[date(2030, 1, 2)])
    assert queries.tickers(made["bold"]) == ("DMAUR",)

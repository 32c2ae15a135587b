"""Which runs are repeats of one experiment, and which may be ranked against each other."""

from agent.spec import RunSpec

BASE = {"tickers": ["AAA"], "test": {"start": "2022-01-03", "end": "2022-03-31"}, "memory": None}


def test_runs_that_differ_in_nothing_but_seed_and_name_are_one_seed_group():
    one, other = RunSpec.read({**BASE, "seed": 1, "name": "a"}), RunSpec.read({**BASE, "seed": 2, "name": "b"})
    assert one.group_key() == other.group_key()
    assert one.fingerprint() != other.fingerprint()
    assert one.group_key() != RunSpec.read({**BASE, "seed": 1, "extended_every": 0}).group_key()


def test_runs_on_the_same_prices_window_and_costs_may_be_ranked_whoever_decided_and_however_long_they_trained():
    agent = RunSpec.read({**BASE, "train": {"start": "2021-10-01", "end": "2021-12-31"}})
    assert agent.market_key() == RunSpec.read({**BASE, "strategy": "hold", "seed": 9}).market_key()
    for change in ({"tickers": ["BBB"]}, {"test": {"start": "2022-01-03", "end": "2022-04-29"}}, {"execution": {"commission_bps": 2.0}}):
        assert agent.market_key() != RunSpec.read({**BASE, **change}).market_key()


def test_being_a_yardstick_changes_no_decision_and_so_no_hash():
    plain, yardstick = RunSpec.read({**BASE, "strategy": "hold"}), RunSpec.read({**BASE, "strategy": "hold", "baseline": "hold"})
    assert plain.fingerprint() == yardstick.fingerprint()

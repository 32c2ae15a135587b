"""Addresses that nobody meant, on every page: a sentence and the nearest sensible view, never an exception, and nothing of them is read as markup."""

from __future__ import annotations

import pytest

from tests.pages.conftest import OpenPage

PAGES = [
    "runs",
    "new_run",
    "monitor",
    "overview",
    "days",
    "memory",
    "trades",
    "robustness",
    "thread",
    "report",
    "data",
    "models",
    "prompts",
]
OWN_KEYS = (  # every key that some page reads, page-local ones included
    "ticker day mem step trip src tab show of worst from roll q call prompt answer seg filing words act by layer judged asked find cols sort "
    "kind alive rows what ask who later forgotten lanes span status tag kept watch days n on part set red via dataset source tickers to fig"
)
KEYS = OWN_KEYS.split()
JUNK = {
    "markup": "<script>alert(1)</script>![x](http://evil.example/a.png)",
    "number": "-1",
    "digit that is none": "²",
    "huge number": "1" + "0" * 400,
    "endless": "A" * 10_000,
    "odd": "\u202e\u0000\u2028%{x}~~-~=1+1\x1b[31m",
}


@pytest.mark.parametrize("junk", [name for name in JUNK if name != "digit that is none"])
@pytest.mark.parametrize("page", PAGES)
def test_a_broken_address_is_answered_in_words(run: str, open_page: OpenPage, page: str, junk: str) -> None:
    at = open_page(page, run=run, **dict.fromkeys(KEYS, JUNK[junk]))
    said = "\n".join(str(item.value) for item in (*at.markdown, *at.warning, *at.caption, *at.subheader, *at.title, *at.info, *at.error))
    assert "<script" not in said and "](http" not in said and "\u202e" not in said and "A" * 500 not in said


VIEWS = [
    *(("memory", {"tab": tab}) for tab in ["ask", "layers", "changes", "map", "events", "health"]),
    ("memory", {"mem": "1"}),
    *(("trades", {"show": show}) for show in ["orders", "exposure", "behaviour", "days"]),
    ("trades", {"trip": "1"}),
    *(("robustness", {"show": show}) for show in ["luck", "seeds", "start", "terms", "judged"]),
    *(("thread", keys) for keys in ({"mem": "1"}, {"day": "2022-02-01"})),
    ("days", {"day": "2022-02-01", "step": "observed~recalled~asked~answered~decision"}),
    *(("data", {"tab": tab}) for tab in ["quality", "fetch", "import", "datasets", "sources"]),
    *(("prompts", {"part": part}) for part in ["reads", "compare", "history"]),
    *(("report", {"days": days}) for days in ("worst", "chosen")),
]


@pytest.mark.parametrize("junk", ["digit that is none", "odd"])
@pytest.mark.parametrize(("page", "keys"), VIEWS)
def test_every_view_of_a_page_bears_nonsense_in_its_other_keys(
    run: str, open_page: OpenPage, page: str, keys: dict[str, str], junk: str
) -> None:
    open_page(page, **{**dict.fromkeys(KEYS, JUNK[junk]), "run": run, "ticker": "DMAUR", **keys})


@pytest.mark.parametrize("page", PAGES)
def test_a_run_that_leads_elsewhere_is_a_stranger(run: str, open_page: OpenPage, page: str) -> None:
    for wrong in ("../..", "<script>", "A" * 10_000, run + "\u0000", "%2e%2e"):
        open_page(page, run=wrong, day="abc", mem="-1", trip="999")

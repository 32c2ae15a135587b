"""Named datasets: whole or not there, never outside their folder, and one broken one takes no other down."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpecError, Unavailable
from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources.base import Place
from agent.market.sources.folder import FolderSource
from agent.market.sources.upload import UploadSource
from storage import datasets

WHOLE = (date(1990, 1, 1), date(2030, 1, 1))
DAYS = [pd.Timestamp(s.day) for s in Calendar().sessions(date(2025, 1, 2), date(2025, 1, 17))]
SAID = {"kind": "upload", "exchange": "XNYS", "currency": "USD", "basis": "traded"}


def bars(close=100.0, symbol="AAA") -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": symbol, "date": DAYS, "open": close, "high": close, "low": close, "close": close, "volume": 5})
    frame["close"] += [0.0, 0.5] * 5 + [0.0] * (len(DAYS) - 10)
    frame["high"] = frame["close"] + 1
    return tables.conform("bars", frame)[0]


def news(*stamps: str) -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": "AAA", "published_at": list(stamps), "title": [f"t{i}" for i in range(len(stamps))], "summary": "s"})
    return tables.conform("news", frame)[0]


def filings(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"symbol": ["AAA"], "accession": ["1"], "form": ["10-Q"], "text": ["words"], **{k: [v] for k, v in columns.items()}}
    )
    return tables.conform("filings", frame)[0]


def source(root: Path, name: str) -> UploadSource:
    return UploadSource(UploadSource.Options(dataset=name), Place(datasets=root))


def keep(root: Path, name="mine", **how):
    return datasets.save(root, name, how.pop("frames", {"bars": bars()}), manifest=how.pop("manifest", SAID), **how)


# --------------------------------------------------------------------------------------------------------- saving and reading


def test_a_dataset_says_what_it_holds(tmp_path):
    made = keep(tmp_path, "My prices 2025", frames={"bars": bars(), "news": news("2025-01-03T15:00:00Z")}, manifest={**SAID, "note": "n"})
    assert (made.name, made.tables, made.symbols) == ("My prices 2025", {"bars": len(DAYS), "news": 1}, ("AAA",))
    assert (made.first, made.last, made.kind, made.note, made.error) == (date(2025, 1, 2), date(2025, 1, 17), "upload", "n", "")
    assert made.bytes == sum(p.stat().st_size for p in (tmp_path / made.name).glob("*.parquet")) and len(made.fingerprint) == 64
    assert made.created_at is not None and made.created_at.tzinfo is not None
    assert datasets.listed(tmp_path) == [made] and datasets.load(tmp_path, made.name) == made


def test_equal_rows_have_one_fingerprint_and_another_row_another(tmp_path):
    one, two, three = keep(tmp_path, "a"), keep(tmp_path, "b"), keep(tmp_path, "c", frames={"bars": bars(101.0)})
    assert one.fingerprint == two.fingerprint != three.fingerprint
    assert source(tmp_path, "a").fingerprint() == source(tmp_path, "b").fingerprint() != source(tmp_path, "c").fingerprint()


@pytest.mark.parametrize(
    ("table", "frame"),
    [
        ("bars", bars()),
        ("news", news("2025-01-03", "2025-01-03T15:00:00Z", "2025-01-04T05:00:00Z", "2025-01-05T04:58:00Z")),
        ("filings", filings(filing_date="2025-01-03")),
        ("filings", filings(accepted_at="2025-01-03T22:45:00Z")),
        ("filings", filings(available_at="2025-01-03")),
        ("filings", filings(accepted_at="2025-01-03T22:45:00Z", available_at="2025-01-08")),
    ],
)
def test_what_is_read_back_is_what_was_saved_to_the_second(tmp_path, table, frame):
    """The rules of availability are not applied twice: a second time they would move the end of a day by one more day."""
    keep(tmp_path, frames={"bars": bars(), table: frame})
    found = source(tmp_path, "mine").fetch(table, "AAA", *WHOLE).frame
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


def test_split_adjusted_bars_become_as_traded_once_the_splits_join(tmp_path):
    frame = bars().assign(basis="split")
    keep(tmp_path, frames={"bars": frame})
    found = source(tmp_path, "mine").fetch("bars", "AAA", *WHOLE)
    assert list(found.frame["close"]) == list(frame["close"]) and "no_splits" in {issue.code for issue in found.issues}
    split = tables.conform("splits", pd.DataFrame({"symbol": ["AAA"], "ex_date": [DAYS[5]], "ratio": [2.0]}))[0]
    keep(tmp_path, frames={"splits": split}, merge=True)
    found = source(tmp_path, "mine").fetch("bars", "AAA", *WHOLE)
    assert list(found.frame["close"][:5]) == [2 * close for close in frame["close"][:5]]
    assert "converted" in {issue.code for issue in found.issues}


def test_a_dataset_of_news_alone_serves_its_news(tmp_path):
    keep(tmp_path, frames={"news": news("2025-01-03T15:00:00Z")})
    made = source(tmp_path, "mine")
    assert [x.ticker for x in made.listings()] == ["AAA"]
    assert len(made.fetch("news", "AAA", *WHOLE).frame) == 1
    with pytest.raises(SpecError, match="no price table"):
        made.fetch("bars", "AAA", *WHOLE)


def test_stated_coverage_is_served_and_the_rest_is_nobody_looked(tmp_path):
    stated = {"news": {"AAA": [["2025-01-01T00:00:00+00:00", "2025-01-10T12:00:00+00:00"]]}}
    keep(tmp_path, frames={"bars": bars(), "news": news("2025-01-03T15:00:00Z")}, manifest={**SAID, "covered": stated})
    found = source(tmp_path, "mine").fetch("news", "AAA", date(2025, 1, 2), date(2025, 2, 1))
    assert found.covered == ((pd.Timestamp("2025-01-02", tz="UTC"), pd.Timestamp("2025-01-10 12:00", tz="UTC")),)
    by_rows = source(tmp_path, "mine").fetch("bars", "AAA", date(2025, 1, 1), date(2025, 2, 1))
    assert by_rows.covered == ((pd.Timestamp("2025-01-02", tz="UTC"), pd.Timestamp("2025-01-18", tz="UTC")),)


# ---------------------------------------------------------------------------------------------------- replacing and merging


def test_a_taken_name_is_refused_and_replaced_only_when_asked(tmp_path):
    keep(tmp_path)
    with pytest.raises(SpecError, match="exists") as error:
        keep(tmp_path)
    assert error.value.field == "dataset"
    again = keep(tmp_path, frames={"news": news("2025-01-03T15:00:00Z")}, replace=True)
    assert set(again.tables) == {"news"}


@pytest.mark.parametrize("other", ["MINE", "Mine"])
def test_a_name_in_other_capitals_is_the_same_name(tmp_path, other):
    keep(tmp_path)
    for how in ({}, {"replace": True}, {"merge": True}):
        with pytest.raises(SpecError, match="capitals"):
            keep(tmp_path, other, **how)
    assert datasets.rename(tmp_path, "mine", other).name == other


def test_merging_keeps_the_other_tables_and_what_was_said_of_them(tmp_path):
    first = keep(tmp_path, manifest={**SAID, "companies": {"AAA": "Alpha"}, "note": "mine"})
    both = keep(tmp_path, frames={"news": news("2025-01-03T15:00:00Z")}, manifest={**SAID, "companies": {"BBB": "Beta"}}, merge=True)
    assert both.tables == {"bars": len(DAYS), "news": 1} and both.note == "mine" and both.fingerprint != first.fingerprint
    assert both.manifest["companies"] == {"AAA": "Alpha", "BBB": "Beta"}
    with pytest.raises(SpecError, match="already has news"):
        keep(tmp_path, frames={"news": news("2025-01-06T15:00:00Z")}, merge=True)
    later = keep(tmp_path, frames={"news": news("2025-01-06T15:00:00Z", "2025-01-07T15:00:00Z")}, merge=True, replace=True)
    assert later.tables == {"bars": len(DAYS), "news": 2}


@pytest.mark.parametrize(("key", "value"), [("exchange", "XLON"), ("currency", "EUR")])
def test_two_exchanges_or_currencies_do_not_go_into_one_dataset(tmp_path, key, value):
    keep(tmp_path)
    with pytest.raises(SpecError, match="two datasets") as error:
        keep(tmp_path, frames={"news": news("2025-01-03T15:00:00Z")}, manifest={**SAID, key: value}, merge=True)
    assert error.value.field == key and set(datasets.load(tmp_path, "mine").tables) == {"bars"}


def test_nothing_to_keep_and_tables_that_are_not_canonical_are_refused(tmp_path):
    for frames in ({}, {"bars": bars().iloc[:0]}, {"prices": bars()}, {"bars": bars().drop(columns="close")}):
        with pytest.raises(SpecError):
            keep(tmp_path, frames=frames)
    assert datasets.listed(tmp_path) == []


def test_a_failure_while_writing_leaves_the_old_one_and_no_rubbish(tmp_path):
    before = keep(tmp_path)

    class Bad(pd.DataFrame):
        def to_parquet(self, *args, **kwargs):
            raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="No space left"):
        keep(tmp_path, frames={"bars": Bad(bars())}, replace=True)
    assert datasets.listed(tmp_path) == [before]
    assert {p.name for p in tmp_path.iterdir()} <= {"mine", ".lock"}


def test_what_a_crash_left_between_two_moves_is_put_back(tmp_path):
    before = keep(tmp_path)
    (tmp_path / "mine").rename(tmp_path / ".old~0123abcd~mine")
    (tmp_path / ".new~ffff").mkdir()
    assert datasets.listed(tmp_path) == []
    keep(tmp_path, "other")
    assert [item.name for item in datasets.listed(tmp_path)] == ["mine", "other"]
    assert datasets.load(tmp_path, "mine") == before and not list(tmp_path.glob(".*~*"))


# ------------------------------------------------------------------------------------------------------------- names and links

HOSTILE = [
    *("", " ", ".", "..", "../x", "a/b", "a\\b", "/etc", "~", "~root", ".hidden", "a/../b", "..\\..\\x", "C:x", "C:\\x", "\\\\host\\x"),
    *(
        "con",
        "NUL",
        "aux.txt",
        "COM1",
        "x" * 61,
        "a\x00b",
        "a\nb",
        "a\tb",
        "-rf",
        "name.",
        "a*b",
        "a?b",
        "a|b",
        "a<b>",
        'a"b',
        "a'b",
        "$HOME",
    ),
    *("`id`", "a;b", "a&b", "=cmd", "@x", "+x", "%2e%2e", "a..b", "\u202egnp", "a\u200bb", "\ufeffa", "😀", ".new~x", ".old~x~y"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_plain_folder_is_refused_everywhere_and_touches_nothing(tmp_path, name):
    root = tmp_path / "datasets"
    keep(root)
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    for attempt in (
        lambda: keep(root, name),
        lambda: keep(root, name, replace=True),
        lambda: datasets.load(root, name),
        lambda: datasets.delete(root, name),
        lambda: datasets.rename(root, "mine", name),
        lambda: datasets.rename(root, name, "other"),
        lambda: datasets.export(root, name, tmp_path / "out"),
    ):
        with pytest.raises(SpecError) as error:
            attempt()
        assert error.value.field == "dataset" and len(str(error.value)) < 400 and "Traceback" not in str(error.value)
    if name:
        with pytest.raises((SpecError, Unavailable, ValueError)):
            source(root, name)
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


@given(st.text(min_size=1, max_size=70))
@settings(max_examples=200, deadline=None)
def test_a_name_that_passes_is_one_component_that_no_system_treats_specially(name):
    try:
        text = datasets.checked_name(name)
    except SpecError:
        return
    assert Path(text).parts == (text,) and text not in (".", "..") and not text.startswith(".") and text == text.strip()
    assert len(text) <= 60 and "/" not in text and "\\" not in text and "\x00" not in text


@pytest.mark.parametrize("name", ["a", "My prices 2025", "DJIA-2025_v1.2", "Bücher", "日経", "1"])
def test_usual_names_pass(tmp_path, name):
    assert keep(tmp_path, name).name == name and source(tmp_path, name).listings()[0].ticker == "AAA"


def test_a_link_among_the_datasets_is_shown_and_neither_followed_nor_deleted(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "datasets"
    keep(outside, "real")
    root.mkdir()
    (root / "linked").symlink_to(outside / "real", target_is_directory=True)
    (item,) = datasets.listed(root)
    assert "link" in item.error
    for attempt in (
        lambda: datasets.delete(root, "linked"),
        lambda: datasets.export(root, "linked", tmp_path / "out"),
        lambda: datasets.rename(root, "linked", "x"),
        lambda: keep(root, "linked", replace=True),
        lambda: keep(root, "linked", merge=True),
        lambda: source(root, "linked"),
    ):
        with pytest.raises((Unavailable, SpecError)):
            attempt()
    assert datasets.load(outside, "real").tables == {"bars": len(DAYS)}


def test_a_link_inside_a_dataset_is_not_followed_and_deleting_spares_what_it_leads_to(tmp_path):
    root, secret, precious = tmp_path / "datasets", tmp_path / "secret", tmp_path / "precious"
    keep(root)
    secret.write_bytes((root / "mine" / "bars.parquet").read_bytes())
    precious.mkdir()
    (precious / "file").write_text("x")
    (root / "mine" / "bars.parquet").unlink()
    (root / "mine" / "bars.parquet").symlink_to(secret)
    (root / "mine" / "more").symlink_to(precious, target_is_directory=True)
    assert "missing or not as it was saved" in datasets.listed(root)[0].error
    with pytest.raises(Unavailable, match="link"):
        source(root, "mine")
    with pytest.raises(Unavailable):
        datasets.export(root, "mine", tmp_path / "out")
    datasets.delete(root, "mine")
    assert secret.exists() and (precious / "file").exists() and datasets.listed(root) == []


# --------------------------------------------------------------------------------------------------------------- broken ones


def _broken_json(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _said(**changes):
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        _broken_json,
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe\x00"),
        lambda folder: (folder / "bars.parquet").unlink(),
        lambda folder: (folder / "bars.parquet").write_bytes(b"PAR1"),
        _said(tables=None),
        _said(tables={}),
        _said(tables={"bars": 5}),
        _said(tables={"bars": {"rows": "x"}}),
        _said(created_at="yesterday"),
        _said(created_at=None),
        lambda folder: (folder / "manifest.json").write_text("[]"),
    ],
)
def test_a_broken_dataset_is_listed_with_its_error_beside_the_whole_ones(tmp_path, damage):
    keep(tmp_path, "broken")
    whole = keep(tmp_path, "whole")
    damage(tmp_path / "broken")
    broken, other = datasets.listed(tmp_path)
    assert broken.name == "broken" and broken.error and len(broken.error) < 300 and other == whole
    datasets.delete(tmp_path, "broken")
    assert datasets.listed(tmp_path) == [whole]


def test_strange_things_in_the_folder_are_listed_and_stop_nobody(tmp_path):
    whole = keep(tmp_path, "whole")
    (tmp_path / "a file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "strange;name").mkdir()
    found = {item.name: item for item in datasets.listed(tmp_path)}
    assert found["whole"] == whole and all(found[name].error for name in ("a file", "empty", "strange;name"))


def test_no_folder_yet_is_an_empty_list(tmp_path):
    assert datasets.listed(tmp_path / "nowhere") == []


def test_a_place_that_cannot_be_written_is_unavailable_with_the_cure(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="permissions"):
        keep(tmp_path / "file")


# ------------------------------------------------------------------------------------------------- exporting, renaming, asking


def test_an_export_is_a_folder_that_the_folder_source_reads_as_it_is(tmp_path):
    stated = {"bars": {"AAA": [["2025-01-01T00:00:00+00:00", "2025-02-01T00:00:00+00:00"]]}}
    frames = {"bars": bars(), "news": news("2025-01-03"), "filings": filings(filing_date="2025-01-06")}
    keep(tmp_path / "d", frames=frames, manifest={**SAID, "note": "mine", "covered": stated})
    out = tmp_path / "deep" / "out"
    assert datasets.export(tmp_path / "d", "mine", out) == {"bars": len(DAYS), "news": 1, "filings": 1}
    assert sorted(p.name for p in out.iterdir()) == ["bars.parquet", "filings.parquet", "manifest.json", "news.parquet"]
    read, mine = FolderSource(FolderSource.Options(path=str(out))), source(tmp_path / "d", "mine")
    assert read.note == "mine" == mine.note and read.fingerprint() == mine.fingerprint()
    for table in frames:
        one, two = read.fetch(table, "AAA", *WHOLE), mine.fetch(table, "AAA", *WHOLE)
        pd.testing.assert_frame_equal(one.frame, two.frame)
        assert one.covered == two.covered
    with pytest.raises(SpecError, match="not an empty folder"):
        datasets.export(tmp_path / "d", "mine", out)


def test_renaming_moves_the_dataset_and_a_taken_name_is_refused(tmp_path):
    keep(tmp_path)
    keep(tmp_path, "other")
    with pytest.raises(SpecError, match="exists"):
        datasets.rename(tmp_path, "mine", "OTHER")
    moved = datasets.rename(tmp_path, "mine", "yours")
    assert moved.tables == {"bars": len(DAYS)} and [x.name for x in datasets.listed(tmp_path)] == ["other", "yours"]


def test_a_dataset_that_is_not_there_is_named_with_those_that_are(tmp_path):
    keep(tmp_path, "prices")
    for attempt in (lambda: datasets.load(tmp_path, "price"), lambda: datasets.delete(tmp_path, "price")):
        with pytest.raises(SpecError, match="there are: prices"):
            attempt()
    with pytest.raises(Unavailable, match=r"no dataset 'price'; there is prices\. Did you mean 'prices'\? Import it"):
        source(tmp_path, "price")
    with pytest.raises(Unavailable, match="there is none yet"):
        source(tmp_path / "nowhere", "price")
    with pytest.raises(Unavailable, match="no place for datasets"):
        UploadSource(UploadSource.Options(dataset="x"))


def test_writers_at_the_same_time_wait_for_each_other(tmp_path):
    """Of six that save under one name one wins, and nobody ever sees half a dataset."""

    def attempt(_: int) -> str:
        try:
            return keep(tmp_path).name
        except SpecError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(attempt, range(6)))
    assert said.count("mine") == 1 and all("exists" in words for words in said if words != "mine")
    assert [item.error for item in datasets.listed(tmp_path)] == [""]

"""EDGAR over real HTTP, against a server that has SEC's addresses and refusals and filings of our own making."""

import gzip
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpecError, Unavailable
from agent.market import acceptance, company_facts, filing_sections, tables
from agent.market.sources.base import BadResponse, NotSupported, Place, RateLimited, SourceDown, UnknownSymbol
from agent.market.sources.edgar import EdgarOptions, EdgarSource
from tests.stand_ins.edgar import EdgarServer, Fault, MadeCompany, MadeFiling, annual, example, prose, quarterly

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
FROM, TO = date(2023, 1, 1), date(2025, 6, 1)
REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "djia-2025" / "filings.parquet"


@pytest.fixture
def server():
    with EdgarServer([example()]) as running:
        yield running


@pytest.fixture
def source(server, tmp_path):
    return made(server, tmp_path)


def made(server, cache=None, *, contact="me@example.org", now=NOW, **options):
    place = Place(cache=cache, contact=contact, urls={"edgar": server.url}, now=lambda: now)
    return EdgarSource(EdgarOptions(**options), place, pace=lambda: None)


def number(n):
    return f"0000200002-24-{n:06d}"


def company(*filings, facts=None, ticker="OTHR"):
    return MadeCompany(ticker, 200002, "Other Corp", list(filings), facts)


def codes(fetched):
    return [issue.code for issue in fetched.issues]


def utc(text):
    return pd.Timestamp(text, tz="UTC")


def new_york(text):
    return pd.Timestamp(text, tz="America/New_York").tz_convert("UTC")


def readable(fetched):
    """accession -> when it could be read"""
    return dict(fetched.frame.drop_duplicates("accession").set_index("accession")["available_at"])


# ------------------------------------------------------------------------------------------------------------ who there is


def test_a_listing_has_the_name_and_the_hours_of_new_york_whatever_the_spelling(source):
    found = source.listing("lamp")
    assert (found.ticker, found.name, found.exchange, found.currency) == ("LAMP", "Lamp Works Inc.", "XNYS", "USD")
    assert found.extra == {"cik": "0000100001"}


def test_share_classes_are_found_with_a_dot_or_a_dash(tmp_path):
    with EdgarServer([company(ticker="BRK-B")]) as server:
        source = made(server, tmp_path)
        assert source.listing("BRK.B").name == source.listing("brk-b").name == "Other Corp"
        assert [item.ticker for item in source.listings()] == ["BRK-B"]


def test_an_unknown_ticker_says_so_with_the_nearest_one(source, server):
    with pytest.raises(UnknownSymbol, match=r"no 'LAMB'\. Did you mean LAMP\?") as error:
        source.fetch("filings", "LAMB", FROM, TO)
    assert error.value.field == "tickers" and not server.asked("/submissions/")


def test_prices_are_not_supported_and_a_range_turned_round_is_refused(source, server):
    with pytest.raises(NotSupported, match="has no bars"):
        source.fetch("bars", "LAMP", FROM, TO)
    with pytest.raises(SpecError, match="after the end"):
        source.fetch("filings", "LAMP", TO, FROM)
    assert server.paths == []


@pytest.mark.parametrize("contact", ["", "  ", "nobody", "a b@c", "x@", "@x", "a@b\r\nX-Evil: 1", "größe@example.org", "a@b@c"])
def test_without_a_contact_address_nothing_is_asked_and_the_cure_is_named(server, contact):
    with pytest.raises(Unavailable, match=r"RECOLLECT_CONTACT=you@example\.org in \.env"):
        made(server, contact=contact).fetch("filings", "LAMP", FROM, TO)
    assert server.paths == []


def test_every_request_names_the_program_and_the_address(source, server):
    source.fetch("filings", "LAMP", FROM, TO)
    source.fetch("fundamentals", "LAMP", FROM, TO)
    assert set(server.agents) == {"Recollect me@example.org"}


def test_the_pace_is_kept_before_every_request(server, tmp_path):
    calls = []
    place = Place(cache=tmp_path, contact="me@example.org", urls={"edgar": server.url}, now=lambda: NOW)
    source = EdgarSource(place=place, pace=lambda: calls.append(1))
    source.fetch("filings", "LAMP", FROM, TO)
    assert len(calls) == len(server.paths) > 5


@pytest.mark.parametrize("wrong", [{"forms": ["20-F"]}, {"sections": ["item_99"]}, {"forms": []}, {"nonsense": 1}])
def test_options_name_what_there_is_to_choose(wrong):
    with pytest.raises(ValueError):
        EdgarOptions(**wrong)


# ------------------------------------------------------------------------------------------------------- when it was readable


def test_a_filing_is_readable_a_minute_after_the_time_in_its_header(source):
    fetched = source.fetch("filings", "LAMP", FROM, TO)
    row = fetched.frame[fetched.frame["form"] == "10-K"].iloc[0]
    assert row["accepted_at"] == new_york("2024-02-20 16:31:05")
    assert row["available_at"] == new_york("2024-02-20 16:32:05")
    assert row["period_end"] == pd.Timestamp("2023-12-31")
    assert row["url"] == "https://www.sec.gov/Archives/edgar/data/100001/000010000124000001/report.htm"


def test_accepted_after_half_past_five_it_is_readable_on_the_morning_of_its_filing_date(source):
    fetched = source.fetch("filings", "LAMP", FROM, TO)
    row = fetched.frame[fetched.frame["accession"] == "0000100001-24-000002"].iloc[0]
    assert row["accepted_at"] == new_york("2024-05-01 18:02:10")
    assert row["available_at"] == new_york("2024-05-02 06:00")


@pytest.mark.parametrize("header", ["sgml", "html"])
@pytest.mark.parametrize("clock", ["utc", "new_york"])
def test_the_header_decides_whatever_clock_the_index_is_on(tmp_path, header, clock):
    filing = MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T16:10:00", quarterly(), "2024-03-31", clock=clock, header=header)
    with EdgarServer([company(filing)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert readable(fetched) == {number(1): new_york("2024-05-02 16:11")}
    assert codes(fetched) == []


def test_without_a_header_a_new_york_clock_with_a_z_is_not_read_hours_too_early(tmp_path):
    filing = MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T16:10:00", quarterly(), header="none", clock="new_york")
    with EdgarServer([company(filing)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert filing.stamp == "2024-05-02T16:10:00.000Z"
    assert readable(fetched) == {number(1): new_york("2024-05-02 16:11")}
    assert codes(fetched) == ["acceptance"] and fetched.issues[0].count == 1


def test_without_a_header_and_without_proof_the_later_reading_is_taken(tmp_path):
    filing = MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T12:10:00", quarterly(), header="none", clock="utc")
    with EdgarServer([company(filing)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert readable(fetched) == {number(1): new_york("2024-05-02 16:11")}  # four hours late rather than four hours early


def test_without_a_header_the_stamps_of_a_filer_that_is_proved_to_use_utc_are_taken_as_they_are(tmp_path):
    filings = [
        MadeFiling(number(n), "8-K", day, f"{day}T16:45:00", header="none", clock="utc")  # 20:45Z: in New York it would be after 17:30
        for n, day in enumerate(("2024-03-05", "2024-04-09"), start=1)
    ]
    filings.append(MadeFiling(number(9), "10-Q", "2024-05-02", "2024-05-02T12:10:00", quarterly(), header="none", clock="utc"))
    with EdgarServer([company(*filings)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert readable(fetched) == {number(9): new_york("2024-05-02 12:11")}


def test_without_any_acceptance_time_a_filing_is_readable_at_ten_in_the_evening_of_its_date(tmp_path):
    filing = MadeFiling(number(1), "10-Q", "2024-05-02", "", quarterly(), header="none")
    with EdgarServer([company(filing)]) as server:
        source = made(server, tmp_path)
        assert readable(source.fetch("filings", "OTHR", FROM, TO)) == {number(1): new_york("2024-05-02 22:00")}
        assert len(source.fetch("filings", "OTHR", date(2024, 5, 3), date(2024, 5, 4)).frame) == 3  # in UTC it is the next day


def test_a_filing_whose_date_was_moved_back_is_still_not_readable_before_its_acceptance(tmp_path):
    filing = MadeFiling(number(1), "10-K", "2024-03-01", "2024-03-04T09:00:00", annual())
    with EdgarServer([company(filing)]) as server:
        source = made(server, tmp_path)
        assert readable(source.fetch("filings", "OTHR", date(2024, 3, 4), date(2024, 3, 5))) == {number(1): new_york("2024-03-04 09:01")}
        assert source.fetch("filings", "OTHR", date(2024, 3, 1), date(2024, 3, 4)).frame.empty


def stamps(clock, *times):
    """(form, stamp, filing date) of acceptances in New York, dated by EDGAR's rule."""
    rows = []
    for text in times:
        local = datetime.fromisoformat(text)
        day = local.date() + timedelta(days=1 if local.time() > time(17, 30) else 0)
        day += timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))
        rows.append(("8-K", MadeFiling("", "8-K", "", text, clock=clock).stamp, day))
    return rows


def test_the_proof_of_utc_needs_two_witnesses_and_no_contradiction():
    late = stamps("utc", "2024-03-05T16:45:00", "2024-04-09T16:45:00")
    assert acceptance.proves_utc(late)
    assert not acceptance.proves_utc(late[:1])
    assert not acceptance.proves_utc(late + stamps("new_york", "2024-06-03T07:00:00"))  # as UTC 03:00: EDGAR is closed
    assert not acceptance.proves_utc([("4", stamp, day) for _, stamp, day in late])  # Form 4 keeps its date until 22:00
    assert not acceptance.proves_utc(stamps("utc", "2024-03-05T11:00:00", "2024-04-09T11:00:00"))  # fits both
    assert not acceptance.proves_utc([("8-K", "no time", date(2024, 3, 5))] * 3)


HOURS = st.builds(  # weekdays from 06:00 to 21:59:59
    lambda week, weekday, second: datetime(2010, 1, 4, 6) + timedelta(weeks=week, days=weekday, seconds=second),
    *(st.integers(0, most) for most in (830, 4, 16 * 3600 - 1)),
)


@settings(max_examples=60)
@given(st.lists(HOURS, min_size=1, max_size=20))
def test_a_filer_on_new_yorks_clock_is_never_taken_for_one_on_utc(times):
    assert not acceptance.proves_utc(stamps("new_york", *(d.isoformat() for d in times)))


@settings(max_examples=60)
@given(HOURS, st.booleans())
def test_an_index_stamp_is_never_read_earlier_than_the_acceptance(local, is_utc):
    filing = MadeFiling(number(1), "10-K", "", local.isoformat(), clock="utc" if is_utc else "new_york")
    truth = acceptance.from_header(filing.header_text)
    assert acceptance.from_index(filing.stamp, utc=False) >= truth
    assert acceptance.from_index(filing.stamp, utc=True) == truth or not is_utc


@pytest.mark.parametrize("header", ["", "<ACCEPTANCE-DATETIME>2024", "<ACCEPTANCE-DATETIME>20241399000000", "no such line"])
def test_a_header_without_a_time_has_none(header):
    assert acceptance.from_header(header) is None


# ----------------------------------------------------------------------------------------------------------------- documents


def test_an_amendment_is_a_row_of_its_own_and_replaces_nothing(source):
    frame = source.fetch("filings", "LAMP", FROM, TO).frame
    june = frame[frame["period_end"] == pd.Timestamp("2024-06-30")]
    assert sorted(set(zip(june["accession"], june["form"], strict=True))) == [
        ("0000100001-24-000003", "10-Q"),
        ("0000100001-24-000005", "10-Q/A"),
    ]


def test_an_amended_annual_report_stands_beside_the_original_from_its_own_acceptance_on(tmp_path):
    """A back-test between the two must read the first: a 10-K/A that replaced it would be read before it was written."""
    first = MadeFiling(number(1), "10-K", "2024-02-20", "2024-02-20T16:31:05", annual(risks=prose("Copper may become dear.")), "2023-12-31")
    later = MadeFiling(number(2), "10-K/A", "2024-05-06", "2024-05-06T17:45:00", annual(risks=prose("Copper became dear.")), "2023-12-31")
    with EdgarServer([company(first, later)]) as server:
        frame = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO).frame
    assert sorted(set(zip(frame["accession"], frame["form"], strict=True))) == [(number(1), "10-K"), (number(2), "10-K/A")]
    risks = frame[frame["section"] == "item_1a"].set_index("form")
    assert "may become dear" in risks.loc["10-K", "text"] and "became dear" in risks.loc["10-K/A", "text"]
    assert risks.loc["10-K", "available_at"] == new_york("2024-02-20 16:32:05")
    assert risks.loc["10-K/A", "available_at"] >= new_york("2024-05-06 17:46:00")


def test_forms_sections_and_amendments_can_be_chosen_and_others_are_not_asked_for(server, tmp_path):
    source = made(server, tmp_path, forms=["10-Q"], sections=["part1_item_2", "item_7"], amendments=False)
    frame = source.fetch("filings", "LAMP", FROM, TO).frame
    assert set(frame["form"]) == {"10-Q"} and set(frame["section"]) == {"part1_item_2"}
    assert server.asked("report.htm") == 2
    assert made(server, sections=["part2_item_1a"]).fetch("filings", "LAMP", FROM, TO).frame["form"].unique().tolist() == ["10-Q", "10-Q/A"]


def test_a_discussion_that_points_to_an_exhibit_gives_the_whole_document_marked(tmp_path):
    text = annual(discussion="See Exhibit 13.", business=prose("We are a bank of the north."))
    with EdgarServer([company(MadeFiling(number(1), "10-K", "2024-02-20", "2024-02-20T09:00:00", text))]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert fetched.frame["section"].tolist() == ["document"]
    assert "bank of the north" in fetched.frame["text"][0] and "See Exhibit 13." in fetched.frame["text"][0]
    assert codes(fetched) == ["document"]
    assert "item_7" in fetched.issues[0].message and "pointer" in fetched.issues[0].message


def test_another_section_that_says_nothing_is_left_out_with_a_note(tmp_path):
    text = quarterly(risks="No material changes.")
    with EdgarServer([company(MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T09:00:00", text))]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert fetched.frame["section"].tolist() == ["part1_item_2", "part1_item_3"]
    assert codes(fetched) == ["pointer"] and fetched.issues[0].rows[0].startswith("10-Q filed 2024-05-02: part2_item_1a (")


def test_a_section_of_exactly_the_length_is_one(tmp_path):
    heading = len("Item 1A. Risk Factors\n")
    for size, kept in ((filing_sections.POINTER - heading, True), (filing_sections.POINTER - heading - 1, False)):
        text = quarterly(risks="x" * size)
        with EdgarServer([company(MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T09:00:00", text))]) as server:
            frame = made(server).fetch("filings", "OTHR", FROM, TO).frame
        assert ("part2_item_1a" in set(frame["section"])) is kept


def test_a_filing_without_a_main_document_is_read_from_the_whole_submission(tmp_path):
    filing = MadeFiling(number(1), "10-K405", "1999-03-30", "1999-03-30T12:00:00", annual(), name="")
    with EdgarServer([company(filing)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", date(1999, 1, 1), date(2000, 1, 1))
    assert set(fetched.frame["form"]) == {"10-K405"} and len(fetched.frame) == 4


def test_a_filing_that_edgar_does_not_have_is_reported_and_its_day_is_not_covered(tmp_path):
    gone = MadeFiling(number(1), "10-Q", "2024-05-02", "2024-05-02T09:00:00", None)
    there = MadeFiling(number(2), "10-Q", "2024-08-02", "2024-08-02T09:00:00", quarterly())
    with EdgarServer([company(gone, there)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert set(fetched.frame["accession"]) == {number(2)}
    assert codes(fetched) == ["no_document"]
    hole = new_york("2024-05-02 09:01")
    assert fetched.covered == ((utc("2024-05-02"), hole), (hole + pd.Timedelta(days=1), pd.Timestamp(NOW)))


def test_a_document_is_asked_for_once_in_its_life(server, tmp_path):
    first = made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    asked = Counter(server.paths)
    assert asked["/submissions/CIK0000100001.json"] == 1 and server.asked("/Archives/") == 8
    again = made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    assert server.asked("/Archives/") == 8 and server.asked("/submissions/") == 2
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert not list(tmp_path.rglob("*.part"))


def test_a_kept_document_that_is_damaged_is_set_aside_and_fetched_again(server, tmp_path):
    first = made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    kept = sorted((tmp_path / "edgar" / "documents").glob("*.html.gz"))
    kept[0].write_bytes(kept[0].read_bytes()[:40])
    kept[1].write_bytes(b"not packed")
    kept[2].write_bytes(b"")
    again = made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert server.asked("report.htm") == 4 + 3
    assert len(list(tmp_path.rglob("*.bad"))) == 3


def test_documents_on_disk_are_packed_and_whole(server, tmp_path):
    made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    kept = tmp_path / "edgar" / "documents" / "0000100001-24-000001.html.gz"
    assert gzip.decompress(kept.read_bytes()).decode() == annual()


def test_a_folder_that_cannot_be_written_is_unavailable_with_a_cure(server, tmp_path):
    (tmp_path / "edgar").write_text("in the way")
    with pytest.raises(Unavailable, match="Check the disk"):
        made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)


# ----------------------------------------------------------------------------------------------------------- range, coverage


def test_older_files_of_the_index_are_read_only_when_the_range_reaches_them(tmp_path):
    old = MadeFiling(number(1), "10-K", "2012-02-20", "2012-02-20T09:00:00", annual(), older=True)
    new = MadeFiling(number(2), "10-K", "2024-02-20", "2024-02-20T09:00:00", annual())
    with EdgarServer([company(old, new)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", date(2020, 1, 1), TO)
        assert set(fetched.frame["accession"]) == {number(2)} and not server.asked("-submissions-001")
        assert fetched.covered[0][0] == utc("2020-01-01")
        fetched = made(server, tmp_path).fetch("filings", "OTHR", date(2010, 1, 1), TO)
        assert set(fetched.frame["accession"]) == {number(1), number(2)} and server.asked("-submissions-001") == 1
        assert fetched.covered == ((utc("2012-02-20"), pd.Timestamp(NOW)),)


def test_the_day_of_a_filing_is_the_day_it_became_readable_in_utc(tmp_path):
    filing = MadeFiling(number(1), "10-Q", "2024-12-05", "2024-12-05T17:20:00", quarterly())  # 22:21 UTC
    evening = MadeFiling(number(2), "10-Q", "2024-12-06", "2024-12-05T21:30:00", quarterly())  # from 06:00 New York, 11:00 UTC
    with EdgarServer([company(filing, evening)]) as server:
        source = made(server, tmp_path)
        assert list(readable(source.fetch("filings", "OTHR", date(2024, 12, 5), date(2024, 12, 6)))) == [number(1)]
        assert list(readable(source.fetch("filings", "OTHR", date(2024, 12, 6), date(2024, 12, 7)))) == [number(2)]
        assert source.fetch("filings", "OTHR", date(2024, 12, 7), date(2024, 12, 9)).frame.empty


def test_covered_is_what_was_asked_for_since_the_first_submission_and_never_beyond_now(source):
    assert source.fetch("filings", "LAMP", date(2024, 3, 1), date(2024, 4, 1)).covered == ((utc("2024-03-01"), utc("2024-04-01")),)
    assert source.fetch("filings", "LAMP", FROM, TO).covered == ((utc("2024-02-20"), pd.Timestamp(NOW)),)
    assert source.fetch("filings", "LAMP", date(2025, 2, 1), TO).covered == ()
    assert source.fetch("filings", "LAMP", FROM, date(2023, 6, 1)).covered == ()
    assert source.fetch("filings", "LAMP", FROM, TO).fetched_at == NOW


def test_a_filer_with_no_submission_at_all_is_covered_nowhere(tmp_path):
    with EdgarServer([company()]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert fetched.frame.empty and fetched.covered == () and tables.empty("filings").columns.equals(fetched.frame.columns)


def test_a_foreign_company_is_said_to_be_one(tmp_path):
    reports = [
        MadeFiling(number(1), "20-F", "2024-03-20", "2024-03-20T09:00:00"),
        MadeFiling(number(2), "6-K", "2024-05-20", "2024-05-20T09:00:00"),
    ]
    with EdgarServer([company(*reports)]) as server:
        fetched = made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
        figures = made(server, tmp_path).fetch("fundamentals", "OTHR", FROM, TO)
    assert fetched.frame.empty and fetched.covered == ()
    assert codes(fetched) == ["foreign_filer"] and "20-F, 6-K" in fetched.issues[0].message
    assert codes(figures) == ["foreign_filer", "no_facts"]


def test_an_index_is_trusted_for_ten_minutes_and_then_read_again(server, tmp_path):
    clock = [NOW]
    place = Place(cache=tmp_path, contact="me@example.org", urls={"edgar": server.url}, now=lambda: clock[0])
    source = EdgarSource(place=place, pace=lambda: None)
    for minutes, reads in ((0, 1), (9, 1), (11, 2)):
        clock[0] = NOW + timedelta(minutes=minutes)
        source.fetch("filings", "LAMP", FROM, TO)
        assert server.asked("/submissions/") == reads


# ---------------------------------------------------------------------------------------------------------------- what breaks


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("429", RateLimited, "too many requests"),
        ("403_html", RateLimited, "10 minutes"),
        ("403", SourceDown, "RECOLLECT_CONTACT"),
        ("500", SourceDown, "500"),
        ("drop", SourceDown, "cannot be reached"),
        ("html", BadResponse, "web page"),
        ("bad_json", BadResponse, "broken JSON"),
        ("redirect", BadResponse, "another address"),
        ("shape", BadResponse, "unknown shape"),
    ],
)
@pytest.mark.parametrize("where", ["company_tickers", "/submissions/"])
def test_every_fault_is_one_class_with_a_sentence_and_the_next_try_works(server, tmp_path, kind, error, words, where):
    server.faults.append(Fault(where, kind))
    source = made(server, tmp_path)
    with pytest.raises(Unavailable, match=words) as found:
        source.fetch("filings", "LAMP", FROM, TO)
    assert type(found.value) is error and "SEC EDGAR" in str(found.value)
    assert source.fetch("filings", "LAMP", date(2024, 3, 1), date(2024, 4, 1)).covered


@pytest.mark.parametrize("where", [".hdr.sgml", "report.htm"])
@pytest.mark.parametrize(("kind", "error"), [("403_html", RateLimited), ("drop", SourceDown)])
def test_a_fault_in_the_middle_keeps_what_was_fetched_before(server, tmp_path, where, kind, error):
    server.faults.append(Fault("000010000124000002/", kind, times=1) if where == "report.htm" else Fault(where, kind))
    with pytest.raises(error):
        made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)
    before = server.asked("/Archives/")
    assert len(made(server, tmp_path).fetch("filings", "LAMP", FROM, TO).frame) == 13
    assert server.asked("/Archives/") == 8 + 1 and before >= 1


def test_a_pause_ends_when_the_server_says_or_after_ten_minutes(server, tmp_path):
    for kind, pause in (("429", timedelta(seconds=42)), ("403_html", timedelta(minutes=10))):
        server.faults.append(Fault("company_tickers", kind))
        with pytest.raises(RateLimited) as found:
            made(server, tmp_path).listing("LAMP")
        assert found.value.retry_at == NOW + pause


def test_a_list_of_tickers_or_an_index_that_is_gone_is_a_bad_response(server, tmp_path):
    for where in ("company_tickers", "/submissions/"):
        server.faults.append(Fault(where, "404"))
        with pytest.raises(BadResponse):
            made(server, tmp_path).fetch("filings", "LAMP", FROM, TO)


@pytest.mark.parametrize("evil", ["../../../etc/passwd", "0000100001-24-00000", "0000100001-24-000001/../x"])
def test_an_accession_number_that_is_none_never_becomes_a_path(tmp_path, evil):
    with (
        EdgarServer([company(MadeFiling(evil, "10-K", "2024-02-20", "2024-02-20T09:00:00", annual()))]) as server,
        pytest.raises(BadResponse, match="accession"),
    ):
        made(server, tmp_path).fetch("filings", "OTHR", FROM, TO)
    assert list(tmp_path.iterdir()) == []


def test_items_without_a_filing_date_are_dropped_and_counted(tmp_path):
    facts = [("Assets", "USD", 1.0, None, "2023-12-31", number(2), "10-K", d) for d in (None, "2024-02-20")]
    filings = [
        MadeFiling(number(1), "10-K", "", "2024-02-20T09:00:00"),
        MadeFiling(number(2), "10-K", "2024-02-20", "2024-02-20T09:00:00", annual()),
    ]
    with EdgarServer([company(*filings, facts=facts)]) as server:
        source = made(server, tmp_path)
        for table in ("filings", "fundamentals"):
            fetched = source.fetch(table, "OTHR", FROM, TO)
            assert [(i.code, i.table, i.count) for i in fetched.issues] == [("undated", table, 1)]
            assert set(fetched.frame["accession"]) == {number(2)}


# -------------------------------------------------------------------------------------------------------------- fundamentals


def test_every_figure_is_readable_when_its_filing_is(source):
    texts, figures = source.fetch("filings", "LAMP", FROM, TO), source.fetch("fundamentals", "LAMP", FROM, TO)
    assert readable(texts) == readable(figures)
    assert figures.covered == ((utc("2024-02-20"), pd.Timestamp(NOW)),) and figures.issues == ()


def test_a_restated_figure_is_a_row_of_its_own_and_the_old_one_stays(source):
    frame = source.fetch("fundamentals", "LAMP", FROM, TO).frame
    quarter = frame[
        (frame["field"] == "revenue") & (frame["timeframe"] == "quarterly") & (frame["period_end"] == pd.Timestamp("2024-06-30"))
    ]
    assert quarter[["value", "form"]].values.tolist() == [[28.0, "10-Q"], [26.0, "10-Q/A"]]
    assert quarter["available_at"].tolist() == [new_york("2024-08-01 07:01"), new_york("2024-09-10 12:01")]
    before = source.fetch("fundamentals", "LAMP", FROM, date(2024, 9, 1)).frame
    assert 26.0 not in set(before["value"])


def test_a_day_has_the_figures_of_the_filings_of_that_day(source):
    frame = source.fetch("fundamentals", "LAMP", date(2024, 8, 1), date(2024, 8, 2)).frame
    assert set(frame["accession"]) == {"0000100001-24-000003"} and len(frame) == 4
    assert source.fetch("fundamentals", "LAMP", date(2024, 8, 2), date(2024, 8, 10)).frame.empty


def test_fields_carry_their_units_and_periods(source):
    rows = source.fetch("fundamentals", "LAMP", FROM, TO).frame
    one = {(row.field, row.timeframe, row.form): row for row in rows.itertuples()}
    assert one["eps_diluted", "quarterly", "10-Q"].unit == "USD/shares"
    shares = one["shares_outstanding", "instant", "10-Q"]
    assert (shares.unit, shares.value, shares.period_end) == ("shares", 40.0, pd.Timestamp("2024-07-25"))
    assert pd.isna(shares.period_start)
    assert one["revenue", "half", "10-Q"].value == 55.0
    assert one["revenue", "annual", "10-K"].period_start == pd.Timestamp("2023-01-01")


def test_a_filing_that_the_index_does_not_list_counts_from_ten_in_the_evening_of_its_date(tmp_path):
    facts = [("Assets", "USD", 5.0, None, "2023-12-31", "0000999999-24-000001", "10-K", "2024-02-20")]
    with EdgarServer([company(facts=facts)]) as server:
        fetched = made(server, tmp_path).fetch("fundamentals", "OTHR", FROM, TO)
    assert readable(fetched) == {"0000999999-24-000001": new_york("2024-02-20 22:00")}
    assert codes(fetched) == ["acceptance"]


def test_a_filer_without_figures_is_reported_and_not_covered(tmp_path):
    filing = MadeFiling(number(1), "10-K", "2024-02-20", "2024-02-20T09:00:00", annual())
    with EdgarServer([company(filing)]) as server:
        fetched = made(server, tmp_path).fetch("fundamentals", "OTHR", FROM, TO)
    assert fetched.frame.empty and fetched.covered == () and codes(fetched) == ["no_facts"]


@pytest.mark.parametrize("kind", ["429", "500", "bad_json", "shape"])
def test_faults_in_the_figures_are_not_taken_for_none(server, tmp_path, kind):
    server.faults.append(Fault("companyfacts", kind))
    with pytest.raises(Unavailable):
        made(server, tmp_path).fetch("fundamentals", "LAMP", FROM, TO)
    assert len(made(server, tmp_path).fetch("fundamentals", "LAMP", FROM, TO).frame) == 8


def facts_of(*rows):
    """The table of facts given as (concept, unit, value, start, end); all in one 10-K unless a dict adds to it."""
    tree = {}
    for concept, unit, value, start, end, *more in rows:
        taxonomy, _, name = concept.rpartition(":")
        row = {"end": end, "val": value, "accn": number(1), "form": "10-K", "filed": "2024-02-20", **(more[0] if more else {})}
        place = tree.setdefault(taxonomy or "us-gaap", {}).setdefault(name, {"units": {}})
        place["units"].setdefault(unit, []).append(row if start is None else {"start": start, **row})
    return company_facts.rows({"facts": tree}, "X").frame


YEAR = ("2023-01-01", "2023-12-31")


def test_of_several_concepts_the_first_in_our_order_counts_per_filing_and_period():
    both = [("RevenueFromContractWithCustomerExcludingAssessedTax", "USD", 70, *YEAR), ("Revenues", "USD", 100, *YEAR)]
    for rows in (both, both[::-1]):
        assert facts_of(*rows)["value"].tolist() == [100.0]
    other = ("SalesRevenueNet", "USD", 60, "2022-01-01", "2022-12-31")
    assert facts_of(*both, other)["value"].tolist() == [100.0, 60.0]
    elsewhere = ("SalesRevenueNet", "USD", 99, *YEAR, {"accn": number(2)})
    assert facts_of(*both, elsewhere)["value"].tolist() == [100.0, 99.0]


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        ("2024-01-01", "2024-03-31", "quarterly"),
        ("2023-09-03", "2023-11-25", "quarterly"),  # 12 weeks
        ("2024-05-13", "2024-09-01", "quarterly"),  # 16 weeks
        ("2024-01-01", "2024-06-30", "half"),
        ("2023-09-04", "2024-02-18", "half"),  # 24 weeks
        ("2024-01-01", "2024-09-30", "nine_months"),
        ("2023-09-04", "2024-05-12", "nine_months"),  # 36 weeks
        ("2023-01-01", "2023-12-31", "annual"),
        ("2022-08-29", "2023-09-03", "annual"),  # 53 weeks
        (None, "2023-12-31", "instant"),
        ("2024-01-01", "2024-01-31", ""),
        ("2022-01-01", "2023-12-31", ""),
        ("2024-03-31", "2024-01-01", ""),
    ],
)
def test_the_length_of_a_period_names_it(start, end, name):
    assert company_facts.timeframe(date.fromisoformat(start) if start else None, date.fromisoformat(end)) == name


def test_amounts_translated_into_another_currency_are_not_mixed_in():
    rows = [("Assets", "CAD", 10, None, f"20{y}-12-31") for y in (20, 21, 22)] + [("Assets", "USD", 7, None, "2022-12-31")]
    eps = [("EarningsPerShareBasic", "CAD/shares", 2, *YEAR), ("EarningsPerShareBasic", "USD/shares", 1, *YEAR)]
    frame = facts_of(*rows, *eps)
    assert set(frame["unit"]) == {"CAD", "CAD/shares"} and len(frame) == 4


@pytest.mark.parametrize("value", [None, "12", True, float("nan"), float("inf")])
def test_what_is_no_number_is_no_figure(value):
    assert facts_of(("Assets", "USD", value, None, "2023-12-31")).empty


def test_registration_statements_are_passed_over_and_reports_kept():
    rows = [
        ("Assets", "USD", n, None, "2023-12-31", {"form": form, "accn": number(n)})
        for n, form in enumerate(("S-1", "10-K", "8-K", "424B3"))
    ]
    assert facts_of(*rows)["form"].tolist() == ["10-K", "8-K"]


def test_the_fields_are_those_that_the_reader_of_fundamentals_knows():
    known = "revenue cost_of_revenue gross_profit operating_income net_income eps_basic eps_diluted shares_outstanding shares_diluted"
    balance = "total_assets total_liabilities equity cash long_term_debt operating_cash_flow capex"
    assert " ".join(company_facts.FIGURES) == f"{known} {balance}"


# ------------------------------------------------------------------------------------------------------------------ real data


@pytest.mark.skipif(not REAL.exists(), reason="the development bundle with real filings is not here")
def test_real_acceptance_times_obey_the_rule_that_the_proof_rests_on():
    filings = pd.read_parquet(REAL).drop_duplicates("accession")
    as_utc = [(row.form, f"{row.accepted_at:%Y-%m-%dT%H:%M:%S}.000Z", row.filing_date.date()) for row in filings.itertuples()]
    as_new_york = [
        (row.form, f"{row.accepted_at.tz_convert('America/New_York'):%Y-%m-%dT%H:%M:%S}.000Z", row.filing_date.date())
        for row in filings.itertuples()
    ]
    assert len(as_utc) >= 8
    assert acceptance.proves_utc(as_utc) and not acceptance.proves_utc(as_new_york)


@pytest.mark.skipif(not REAL.exists(), reason="the development bundle with real filings is not here")
def test_real_filings_served_by_the_stand_in_become_readable_when_the_bundle_says(tmp_path):
    filings = pd.read_parquet(REAL).drop_duplicates("accession")
    local = filings["accepted_at"].dt.tz_convert("America/New_York")
    mine = [
        MadeFiling(
            row.accession,
            row.form,
            f"{row.filing_date:%Y-%m-%d}",
            f"{at:%Y-%m-%dT%H:%M:%S}",
            annual() if row.form == "10-K" else quarterly(),
        )
        for row, at in zip(filings.itertuples(), local, strict=True)
    ]
    with EdgarServer([company(*mine)]) as server:
        found = readable(made(server, tmp_path, now=datetime(2026, 1, 1, tzinfo=UTC)).fetch("filings", "OTHR", FROM, date(2026, 1, 1)))
    for row in filings.itertuples():
        morning = (row.filing_date + pd.Timedelta(hours=6)).tz_localize("America/New_York")
        assert found[row.accession] == max(row.available_at + tables.EDGAR_LAG, morning), row.accession

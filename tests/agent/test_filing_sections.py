"""Sections cut out of filings that are made here, in the shapes that real ones have."""

import pytest

from agent.market import filing_sections as fs
from tests.stand_ins.edgar import annual, prose, quarterly, report

MDA = "Item 7. Management's Discussion and Analysis of Financial Condition"
AFTER = {"Item 8. Financial Statements and Supplementary Data": "Tables."}


def test_a_10k_has_four_sections_and_none_runs_into_the_next():
    found = fs.sections(annual(), "10-K")
    assert list(found) == ["item_1", "item_1a", "item_7", "item_7a"]
    for name, word in {"item_1": "lamps and sell", "item_1a": "may fall", "item_7": "rose", "item_7a": "dollar"}.items():
        assert word in found[name] and len(found[name]) > fs.POINTER
        others = [
            w for n, w in {"item_1": "lamps and sell", "item_1a": "may fall", "item_7": "rose", "item_7a": "dollar"}.items() if n != name
        ]
        assert not any(w in found[name] for w in others)


def test_a_10q_tells_the_items_of_its_two_parts_apart():
    found = fs.sections(quarterly(), "10-Q")
    assert "good for lamps" in found["part1_item_2"] and "Unregistered" not in found["part1_item_2"]
    assert "Rates moved" in found["part1_item_3"] and "Defaults" not in found["part1_item_3"]
    assert "Copper" in found["part2_item_1a"]


@pytest.mark.parametrize(
    ("form", "base"), [("10-K/A", "10-K"), ("10-k405", "10-K"), ("10-KT", "10-K"), ("10-QT/A", "10-Q"), ("8-K", "8-K")]
)
def test_forms_of_a_family_are_cut_alike(form, base):
    assert fs.base_form(form) == base
    if base == "10-K":
        assert fs.sections(annual(), form) == fs.sections(annual(), "10-K")


def test_the_contents_page_and_a_mention_in_running_text_are_no_headings():
    text = prose("Sales grew.") + "</div><p>Item 8 of this report shows the tables in full.</p><div>" + prose("Margins fell.")
    found = fs.sections(report({MDA: text, **AFTER}), "10-K")["item_7"]
    assert "Sales grew" in found and "Margins fell" in found and "Item 8 of this report" in found


def test_a_heading_repeated_on_every_page_does_not_end_the_section():
    pages = "".join(
        f"<p>Item 7. Management's Discussion and Analysis (continued)</p><div>{prose(f'Page {n} text.', 600)}</div>" for n in range(4)
    )
    found = fs.sections(report({MDA: "start</div>" + pages + "<div>", **AFTER}), "10-K")["item_7"]
    assert all(f"Page {n} text." in found for n in range(4))


@pytest.mark.parametrize(
    "heading",
    [
        "<p>ITEM 7 &#150; MANAGEMENT&#8217;S DISCUSSION AND ANALYSIS</p>",
        "<p>Item&nbsp;7.&nbsp;&nbsp;Management&rsquo;s Discussion and Analysis</p>",
        "<table><tr><td>Item 7.</td><td>Management's Discussion and Analysis</td></tr></table>",
        "<p><font>Item</font> <b>7.</b></p><p>Management's Discussion and Analysis of Results</p>",
        "<div>Part II, Item 7. Management's Discussion and Analysis</div>",
        "<p>Items 7 and 7A. Management's Discussion and Analysis and Market Risk</p>",
        "<p>Item 7<br/>Management's Discussion and Analysis</p>",
    ],
)
def test_headings_are_found_however_they_are_set(heading):
    page = f"<html><body><p>Item 6. Reserved</p>{heading}<p>{prose('Cash rose.')}</p><p>Item 8. Financial Statements</p><p>end</p></body></html>"
    found = fs.sections(page, "10-K")["item_7"]
    assert "Cash rose." in found and "end" not in found.split("\n")


def test_hidden_text_scripts_and_inline_xbrl_headers_are_not_text():
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><ix:header><ix:hidden>secret</ix:hidden></ix:header>"
        "<div style='display: none'>secret</div><script>secret()</script><!-- secret --><p>seen<!-- secret --> and kept</p>tail</body></html>"
    )
    assert fs.lines(page) == ["seen and kept", "tail"]


def test_words_of_one_block_stay_together_and_cells_apart():
    page = (
        "<body><p>Net <b>in</b>come <i>rose</i></p><table><tr><td>Sales</td><td>5</td></tr><tr><td>Cost</td><td>3</td></tr></table></body>"
    )
    assert fs.lines(page) == ["Net income rose", "Sales 5", "Cost 3"]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "cp1252"])
def test_quotation_marks_survive_every_encoding_whatever_the_page_declares(coding):
    page = '<html><head><meta charset="ascii"></head><body><p>the Company’s “lamps”</p></body></html>'
    assert fs.lines(page.encode(coding)) == ["the Company’s “lamps”"]


def test_an_xml_declaration_is_no_obstacle():
    assert fs.lines(b"<?xml version='1.0' encoding='ASCII'?>\n<html><body><p>\xe2\x80\x9cx\xe2\x80\x9d</p></body></html>") == ["“x”"]


def test_a_plain_text_filing_of_the_last_century_is_cut_by_its_lines():
    text = "\n".join(
        [
            "ITEM 6.  SELECTED FINANCIAL DATA",
            "five years",
            "ITEM 7.  MANAGEMENT'S DISCUSSION AND ANALYSIS",
            *["We sold lamps."] * 200,
            "ITEM 8.  FINANCIAL STATEMENTS",
            "x",
        ]
    )
    found = fs.sections(text, "10-K")["item_7"]
    assert found.count("We sold lamps.") == 200 and "five years" not in found


def test_a_filing_without_headings_has_empty_sections_and_its_text_all_the_same():
    assert set(fs.sections("<body><p>Only words.</p></body>", "10-K").values()) == {""}
    assert fs.lines("<body><p>Only words.</p></body>") == ["Only words."]


@pytest.mark.parametrize("nothing", ["", b"", "   ", "<html></html>", "<html><body></body></html>", "<!-- only a comment -->"])
def test_nothing_in_is_nothing_out(nothing):
    assert [line for line in fs.lines(nothing) if "comment" not in line] == []
    assert set(fs.sections("<html></html>", "10-Q").values()) == {""}


def test_tags_nested_deeper_than_any_recursion_limit_are_read():
    page = "<html><body>" + "<div>" * 1_500 + f"<p>{MDA}</p><p>deep words</p>" + "</div>" * 1_500 + "</body></html>"
    assert "deep words" in fs.sections(page, "10-K")["item_7"]


def test_a_pointer_is_short_and_stays_what_it_is():
    found = fs.sections(annual(discussion="Incorporated by reference to Exhibit 13."), "10-K")
    assert "Exhibit 13" in found["item_7"] and len(found["item_7"]) < fs.POINTER

"""An imported run is the run it came from; an archive that is not one is refused with the place at fault, and leaves nothing."""

from __future__ import annotations

import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cli
from agent.errors import NoData, SpecError
from services import annotations as written
from services import archive, exports, imports, queries, runs, worker
from services.settings import settings
from tests.pages.conftest import TICKERS, small_spec

DAY = date(2022, 1, 20)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, Any]]:
    """A finished run with notes, its export, and all that the pages read of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("original")))
        settings.cache_clear()
        run = runs.create(small_spec("Made elsewhere"))
        assert worker.execute(run) == "done"
        for place in (written.place(run), written.place(run, "DMAUR", day=DAY), written.place(run, "DMAUR", memory=1)):
            written.bookmark(place)
            written.tag(place, "Gutes Ende")
            written.edit(written.note(place, "first").key, "Why? ![x](http://evil.test/a.png)\nLook.")
        runs.store().rename(run, "Renamed <b>here</b>")
        out = tmp_path_factory.mktemp("export") / "folder"
        exports.export(run, out)
        told = everything(run)
    settings.cache_clear()
    return run, out, told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty library of another machine."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture
def copy(original: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> Path:
    """The export, to be spoilt."""
    return Path(shutil.copytree(original[1], tmp_path / "copy"))


def everything(run: str) -> dict[str, Any]:
    """What the read side tells of a run, ticker by ticker, as plain values."""
    view = queries.run(run)
    provenance = {key: value for key, value in view.provenance.items() if key != "imported"}
    told: dict[str, Any] = {
        "view": (view.name, view.state, view.error, view.spec, provenance, view.summary, view.done, view.total),
        "times": (view.created_at, view.started_at, view.finished_at),
        "marks": queries.marks(view),
        "library": queries.library().set_index("run").loc[run].drop("created").to_dict(),
        "leaks": queries.leaks(run),
        "worst": queries.worst_day(run),
        "annotations": [(item.place, item.kind, item.text, item.at, item.edited_at) for item in written.of_run(run)],
    }
    for ticker in (queries.TOTAL, *TICKERS):
        told[f"equity {ticker}"], told[f"figures {ticker}"] = queries.equity(run, ticker), queries.figures(run, ticker)
    for ticker in TICKERS:
        ids, matrix = runs.store().vectors(run, ticker)
        told |= {
            f"{ticker} days": queries.days(run, ticker),
            f"{ticker} bars": queries.bars(run, ticker),
            f"{ticker} fills": queries.fills(run, ticker),
            f"{ticker} layers": queries.layer_counts(run, ticker),
            f"{ticker} memories": queries.memories(run, ticker, DAY),
            f"{ticker} events": queries.day_events(run, ticker, DAY),
            f"{ticker} uses": queries.memory_uses(run, ticker, 1),
            f"{ticker} life": queries.memory_life(run, ticker, 1).line,
            f"{ticker} fate": queries.fate(run, ticker, DAY),
            f"{ticker} vectors": (ids.tolist(), matrix.tolist()),
            f"{ticker} records": [record.model_dump(exclude={"run"}) for record in runs.store().records(run, ticker)],
        }
    return told


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for what, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[what], obj=what)
        elif isinstance(value, dict):
            assert json.dumps(value, default=str, sort_keys=True) == json.dumps(other[what], default=str, sort_keys=True), what
        else:
            assert value == other[what], what


def files(folder: Path) -> dict[str, Any]:
    """The bytes of every file, without the fields that the manifest names as wall clock; annotations are kept."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.name == "manifest.json":
            body = json.loads(path.read_text())
            found[path.name] = {key: value for key, value in body.items() if key not in (*exports.WALL_CLOCK[path.name], "rows")}
        else:
            found[path.name] = path.read_bytes()
    return found


def nothing_is_here(home: Path) -> bool:
    return runs.store().runs() == [] and not list(home.rglob("scratch*"))


# ------------------------------------------------------------------------------------------------------------ the same run


def test_an_imported_run_is_shown_and_exported_as_the_one_it_came_from(original, home, tmp_path):
    run, out, told = original
    found = imports.load(out)
    assert (found.run, found.already, found.days, found.notes) == (run, False, queries.run(run).done, ())
    assert_same(told, everything(run))
    exports.export(run, tmp_path / "again")
    assert files(tmp_path / "again") == files(out)
    came = queries.run(run).provenance["imported"]
    assert came["from"] == run and came["format"] == exports.FORMAT and came["at"][:4].isdigit()


def test_two_exports_of_a_run_have_the_same_bytes(original, home, tmp_path):
    run, out, _ = original
    imports.load(out)
    for name in ("one", "two"):
        exports.export(run, tmp_path / name)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_zip_of_the_export_gives_the_same_run_as_the_folder(original, home):
    run, out, told = original
    imports.load(out)
    body = archive.zipped(run)
    runs.delete(run)
    found = imports.inspect(io.BytesIO(body))
    assert (found.ok, found.run, found.name, found.status, found.tickers, found.annotations) == (
        True,
        run,
        "Renamed <b>here</b>",
        "done",
        TICKERS,
        9,
    )
    assert imports.load(io.BytesIO(body)).run == run
    assert_same(told, everything(run))


def test_the_same_run_again_is_recognised_and_changes_nothing(original, home):
    run, out, _ = original
    imports.load(out)
    assert imports.inspect(out).here == run
    again = imports.load(out, name="another name")
    assert again.already and again.run == run and [row.id for row in runs.store().runs()] == [run]
    assert queries.run(run).name != "another name" and len(written.of_run(run)) == 9


def test_another_run_of_the_same_id_gets_a_new_one_and_both_stay(original, home, copy):
    run, out, told = original
    imports.load(out)
    lines = (copy / "days.jsonl").read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "ms": 123.0})
    (copy / "days.jsonl").write_text("\n".join(lines) + "\n")
    new = imports.load(copy, name="the other").run
    assert new != run and {row.id for row in runs.store().runs()} == {run, new}
    assert_same(told, everything(run))
    assert queries.run(new).name == "the other" and {record.run for record in runs.store().records(new)} == {new}
    assert {item.place.run for item in written.of_run(new)} == {new}
    pd.testing.assert_frame_equal(queries.equity(new), queries.equity(run))
    runs.delete(run)
    assert queries.memories(new, "DMAUR", DAY).equals(told["DMAUR memories"])


@pytest.mark.parametrize("status", ["running", "queued", "paused", "interrupted"])
def test_a_run_that_was_still_at_work_stands_as_cancelled_and_says_why(original, home, copy, status):
    change(copy, "manifest.json", status=status)
    view = queries.run(imports.load(copy).run)
    assert view.state == "cancelled" and f"was {status} when it was exported" in view.error
    row = runs.store().run(view.id)
    assert row.heartbeat_at is None and row.pid is None


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_had_ended_keeps_its_end_and_its_error(original, home, copy, status):
    change(copy, "manifest.json", status=status, error="what went wrong")
    view = queries.run(imports.load(copy).run)
    assert (view.state, view.error) == (status, "what went wrong")


def test_figures_that_the_days_do_not_give_are_counted_anew_and_said(original, home, copy):
    _, _, told = original
    summary = json.loads((copy / "manifest.json").read_text())["summary"]
    change(copy, "manifest.json", summary={**summary, "cum_return": 9.0, "coverage": "all of it", "leaks": {"late": "none"}})
    found = imports.load(copy)
    assert "counted anew: coverage, cum_return, leaks" in found.notes[0]
    assert queries.run(found.run).summary == told["view"][5]


def test_a_spec_changed_by_hand_is_said(original, home, copy):
    change(copy, "spec.json", seed=99)
    assert "another fingerprint" in imports.load(copy).notes[0]


def test_hostile_words_are_kept_as_they_were(original, home, copy):
    words = "A" * 2_000_000 + "\x00 <script> \u202e ![x](http://evil.test/a.png) \x1b[31m"
    first, *rest = (copy / "days.jsonl").read_text().splitlines()
    day = json.loads(first)
    day["warnings"] = [words]
    (copy / "days.jsonl").write_text("\n".join([json.dumps(day), *rest]) + "\n")
    run = imports.load(copy).run
    assert runs.store().record(run, day["ticker"], date.fromisoformat(day["day"])).warnings == (words,)


def test_a_worker_beside_an_import_can_write_while_the_days_are_read(original, home):
    other = runs.create(small_spec("at work"))
    beats = []

    def beat(done: int, total: int) -> None:
        runs.store().beat(other, sessions_done=done)
        beats.append((done, total))

    imports.load(original[1], on_day=beat)
    assert beats[-1][0] == beats[-1][1] == len(beats)


# ---------------------------------------------------------------------------------------------------------------- refused


def change(folder: Path, file: str, **values: Any) -> None:
    body = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**body, **values}))


def line(folder: Path, number: int, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change one day of the export; lines count from 1."""
    lines = (folder / "days.jsonl").read_text().splitlines()
    body = json.loads(lines[number - 1])
    lines[number - 1] = json.dumps(edit(body) or body)
    (folder / "days.jsonl").write_text("\n".join(lines) + "\n")


def cut(folder: Path, name: str, keep: float) -> None:
    body = (folder / name).read_bytes()
    (folder / name).write_bytes(body[: int(len(body) * keep)])


def drop_line(folder: Path, number: int) -> None:
    lines = (folder / "days.jsonl").read_text().splitlines()
    (folder / "days.jsonl").write_text("\n".join(lines[: number - 1] + lines[number:]) + "\n")


def swap(folder: Path) -> None:
    lines = (folder / "days.jsonl").read_text().splitlines()
    lines[0], lines[2] = lines[2], lines[0]
    (folder / "days.jsonl").write_text("\n".join(lines) + "\n")


def birth(body: dict[str, Any]) -> dict[str, Any]:
    return next(event for event in body["thought"]["memory_events"] if event["kind"] == "remembered")


def save(folder: Path, **arrays: Any) -> None:
    with np.load(folder / "vectors.npz") as known:
        np.savez(folder / "vectors.npz", **({name: known[name] for name in known} | arrays))


def less(folder: Path) -> None:
    with np.load(folder / "vectors.npz") as known:
        save(folder, **{name: known[name][1:] for name in known})


def note(folder: Path, **values: Any) -> None:
    body = {"kind": "note", "ticker": "", "day": None, "memory": None, "text": "x", "at": "2026-01-01T00:00:00Z", "edited_at": None}
    (folder / "annotations.json").write_text(json.dumps({"annotations": [body | values]}))


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
    "no days": (lambda f: (f / "days.jsonl").unlink(), "days.jsonl is missing"),
    "no vectors and notes": (
        lambda f: [(f / n).unlink() for n in ("vectors.npz", "annotations.json")],
        "vectors.npz and annotations.json are",
    ),
    "newer format": (lambda f: change(f, "manifest.json", format=99), "format 99; this Recollect reads up to 2. Update Recollect"),
    "older format": (lambda f: change(f, "manifest.json", format=1), "format 1, which had no vectors"),
    "no format": (lambda f: change(f, "manifest.json", format="two"), "not an export of a run"),
    "manifest no JSON": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is not JSON"),
    "manifest a list": (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json must hold one object"),
    "manifest deep": (lambda f: (f / "manifest.json").write_text("[" * 200_000), "manifest.json is"),
    "manifest bytes": (lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe\x00"), "manifest.json is not JSON"),
    "unknown status": (lambda f: change(f, "manifest.json", status="splendid"), "manifest.json: status"),
    "long name": (lambda f: change(f, "manifest.json", name="n" * 121), "manifest.json: name"),
    "an id that leads out": (lambda f: change(f, "manifest.json", run="../../etc"), "cannot name a run"),
    "no time zone": (lambda f: change(f, "manifest.json", created_at="2026-01-01T00:00:00"), "manifest.json: created_at"),
    "provenance a list": (lambda f: change(f, "manifest.json", provenance=[]), "manifest.json, provenance"),
    "issues no texts": (lambda f: change(f, "manifest.json", provenance={"issues": [1]}), "manifest.json, provenance: issues"),
    "not a number": (lambda f: change(f, "manifest.json", provenance={"x": float("nan")}), "provenance cannot be stored"),
    "spec unknown key": (lambda f: change(f, "spec.json", surprise=1), "spec.json: .*surprise"),
    "days cut inside a line": (lambda f: cut(f, "days.jsonl", 0.5), r"days.jsonl, line \d+"),
    "days missing at the end": (lambda f: drop_line(f, 62), r"days.jsonl: the manifest counts 62 rows, the days give 61"),
    "a day missing": (lambda f: drop_line(f, 3), r"days.jsonl, line \d+: .*number 1 is due"),
    "days in another order": (swap, r"days.jsonl, line 1: .*number 0 is due"),
    "a day twice": (lambda f: (f / "days.jsonl").write_text((f / "days.jsonl").read_text() * 2), "is due"),
    "no day at all": (lambda f: (f / "days.jsonl").write_text(""), "the manifest counts 62 rows, the days give 0"),
    "a blank line": (lambda f: (f / "days.jsonl").write_text("\n" + (f / "days.jsonl").read_text()), "days.jsonl, line 1"),
    "unknown field": (lambda f: line(f, 2, lambda b: b.update(more=1)), "days.jsonl, line 2: more"),
    "text for a number": (lambda f: line(f, 5, lambda b: b.update(equity="much")), "days.jsonl, line 5: equity"),
    "NaN": (lambda f: line(f, 5, lambda b: b.update(equity=float("nan"))), "days.jsonl, line 5: equity"),
    "half a character": (lambda f: line(f, 5, lambda b: b.update(warnings=["\ud800"])), "days.jsonl, line 5"),
    "another run": (lambda f: line(f, 4, lambda b: b.update(run="r0")), "days.jsonl, line 4: it is of run 'r0'"),
    "another ticker": (lambda f: line(f, 4, lambda b: b.update(ticker="OTHER")), "days.jsonl, line 4: it is of 'OTHER'"),
    "another session": (lambda f: line(f, 4, lambda b: b["observation"].update(session="2022-03-03")), "line 4: it observes another"),
    "naive moment": (lambda f: line(f, 4, lambda b: b["observation"].update(cutoff="2022-01-04T21:00:00")), "line 4: cutoff does not say"),
    "memory twice": (lambda f: line(f, 1, lambda b: b["thought"]["memory_events"].append(birth(b))), "days.jsonl, line 1: it contradicts"),
    "unknown layer": (lambda f: line(f, 1, lambda b: birth(b)["after"].update(layer="attic")), "line 1: a memory is in layer 'attic'"),
    "huge number": (
        lambda f: line(f, 1, lambda b: b["thought"]["recalls"] or birth(b)["after"].update(access_count=2**70)),
        "days.jsonl, line 1",
    ),
    "fewer vectors": (less, r"days.jsonl, line \d+: Memory \d+ of DM... has no vector"),
    "vectors no zip": (lambda f: (f / "vectors.npz").write_bytes(b"PK nothing"), "vectors.npz cannot be read"),
    "vectors cut": (lambda f: cut(f, "vectors.npz", 0.5), "vectors.npz cannot be read"),
    "vectors of another kind": (lambda f: save(f, vectors=np.zeros((3, 2))), "vectors.npz must hold"),
    "vectors as objects": (lambda f: save(f, ids=np.array([{}, []], dtype=object)), "vectors.npz"),
    "a note too long": (lambda f: note(f, text="x" * 20_001), "annotations.json, number 1: A note has at most"),
    "a note nowhere": (lambda f: note(f, ticker="DMAUR", day="1999-01-01"), "annotations.json, number 1: the run has no day 1999-01-01"),
    "a note on no memory": (lambda f: note(f, ticker="DMAUR", memory=10**9), "number 1: the run has no memory"),
    "notes as a text": (lambda f: (f / "annotations.json").write_text('{"annotations": "x"}'), "annotations.json must hold a list"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_export_is_refused_with_its_place_and_leaves_nothing(original, home, copy, what):
    spoil, said = SPOILT[what]
    spoil(copy)
    with pytest.raises(SpecError, match=said):
        imports.load(copy)
    assert nothing_is_here(home)
    assert isinstance(imports.inspect(copy).problems, tuple), "a look never raises"


def zip_of(entries: dict[str, bytes], *, link: str = "", packed: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", packed) as made:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = packed
            if name == link:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            made.writestr(info, content)
    body.seek(0)
    return body


BAD_ZIPS: dict[str, tuple[Callable[[dict[str, bytes]], io.BytesIO], str]] = {
    "up and out": (lambda f: zip_of(f | {"../../evil": b"x"}), "leads out of its folder"),
    "from the root": (lambda f: zip_of(f | {"/etc/passwd": b"x"}), "leads out of its folder"),
    "a drive": (lambda f: zip_of(f | {"C:evil": b"x"}), "leads out of its folder"),
    "a backslash": (lambda f: zip_of(f | {"a\\b": b"x"}), "leads out of its folder"),
    "a link": (lambda f: zip_of(f, link="manifest.json"), "manifest.json' is a link"),
    "two folders": (lambda f: zip_of(f | {"b/x": b"x"}), "several folders"),
    "many files": (lambda f: zip_of(f | {f"f{n}": b"" for n in range(300)}), "entries"),
    "unusual packing": (lambda f: zip_of(f, packed=zipfile.ZIP_LZMA), "packed in an unusual way"),
    "a bomb": (lambda f: zip_of(f | {"bomb": bytes(80 * 2**20)}), "times its size"),
    "no zip": (lambda f: io.BytesIO(b"PK\x03\x04 nothing"), "neither the folder of an export nor a zip"),
    "cut": (lambda f: io.BytesIO(zip_of(f).getvalue()[:-200]), "neither the folder of an export nor a zip"),
}


@pytest.mark.parametrize("what", BAD_ZIPS)
def test_a_zip_that_no_export_is_is_refused_before_it_is_unpacked(original, home, what):
    make, said = BAD_ZIPS[what]
    body = make({path.name: path.read_bytes() for path in original[1].iterdir() if path.name in imports.NEEDED})
    with pytest.raises(SpecError, match=said):
        imports.load(body)
    assert imports.inspect(body).problems
    assert nothing_is_here(home)


def test_a_zip_whose_bytes_were_changed_is_refused(original, home):
    body = bytearray(zip_of({path.name: path.read_bytes() for path in original[1].iterdir() if path.name in imports.NEEDED}).getvalue())
    body[len(body) // 2] ^= 0xFF
    with pytest.raises(SpecError, match=r"cannot be read|line"):
        imports.load(io.BytesIO(bytes(body)))
    assert nothing_is_here(home)


def test_a_link_in_a_folder_is_refused(original, home, copy):
    (copy / "spec.json").unlink()
    (copy / "spec.json").symlink_to(original[1] / "spec.json")
    with pytest.raises(SpecError, match=r"spec\.json is a link"):
        imports.load(copy)


def test_a_path_with_nothing_at_it_says_so(home):
    with pytest.raises(NoData, match="There is nothing at"):
        imports.load(home / "nowhere")


# ------------------------------------------------------------------------------------------------------- the command line


def test_the_command_takes_a_run_in_and_ends_with_the_codes_of_the_house(original, home, copy):
    run, out, _ = original
    call = lambda *words: CliRunner().invoke(cli.app, ["import", *words])  # noqa: E731
    first = call(str(out), "--name", "taken in", "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) == {"run": run, "already": False, "days": queries.run(run).done, "notes": []}
    assert queries.run(run).name == "taken in"
    assert json.loads(call(str(out), "--json").stdout)["already"] is True
    cut(copy, "days.jsonl", 0.5)
    spoilt = call(str(copy))
    assert spoilt.exit_code == 2 and "days.jsonl, line" in spoilt.output
    assert call(str(out / "nothing")).exit_code == 2

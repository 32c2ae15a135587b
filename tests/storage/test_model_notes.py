"""Notes about models outlive processes, are shared by them, and may be lost without harm."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.llm.base import Notes
from agent.llm.token_ratio import Ratio
from storage.model_notes import ModelNotes

ROOT = Path(__file__).parents[2]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def notes(folder: Path) -> ModelNotes:
    return ModelNotes(folder / "cache" / "models.db")


def test_a_note_is_read_by_the_next_process_as_it_was_written(tmp_path: Path) -> None:
    first: Notes = notes(tmp_path)
    first.write("abilities", "d@1", {"ways": {"schema": True}, "why": "ümläut € \ud800", "speed": 1.25, "none": None})
    assert notes(tmp_path).read("abilities", "d@1") == {"ways": {"schema": True}, "why": "ümläut € \ud800", "speed": 1.25, "none": None}


def test_kinds_and_keys_are_kept_apart_and_the_newest_note_stands(tmp_path: Path) -> None:
    one = notes(tmp_path)
    one.write("abilities", "a", {"n": 1})
    one.write("tokens", "a", {"n": 2})
    one.write("tokens", "a", {"n": 3})
    assert (one.read("abilities", "a"), one.read("tokens", "a"), one.read("tokens", "b")) == ({"n": 1}, {"n": 3}, None)


def test_notes_of_a_kind_are_listed_and_forgotten_one_by_one(tmp_path: Path) -> None:
    one = notes(tmp_path)
    for key in ("b", "a", "c"):
        one.write("abilities", key, {"key": key})
    one.write("tokens", "a", {})
    one.forget("abilities", "b")
    one.forget("abilities", "never there")
    assert list(one.items("abilities").items()) == [("a", {"key": "a"}), ("c", {"key": "c"})]
    assert one.read("tokens", "a") == {} and one.items("nothing") == {}


def test_what_is_no_json_is_refused_and_leaves_the_old_note(tmp_path: Path) -> None:
    one = notes(tmp_path)
    one.write("tokens", "a", {"n": 1})
    with pytest.raises(ValueError, match="JSON"):
        one.write("tokens", "a", {"n": float("nan")})
    assert one.read("tokens", "a") == {"n": 1}


@pytest.mark.parametrize("damage", ["no database at all", "torn in the middle", "empty"])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: str) -> None:
    one = notes(tmp_path)
    for n in range(300):
        one.write("tokens", f"model {n}", {"n": n, "filler": "x" * 60})
    one.close()
    file = tmp_path / "cache" / "models.db"
    body = file.read_bytes()
    torn = body[:4096] + bytes([255]) * (len(body) - 4096)
    file.write_bytes({"n": b"damaged" * 2000, "t": torn, "e": b""}[damage[0]])
    after = notes(tmp_path)
    assert after.read("tokens", "model 7") is None
    after.write("tokens", "model 7", {"n": 8})
    assert notes(tmp_path).read("tokens", "model 7") == {"n": 8}
    assert (tmp_path / "cache" / "models.db.bad").exists() is (damage != "empty")


@pytest.mark.parametrize("rot", ["{", "[1]", "", "null"])
def test_a_damaged_note_counts_as_nothing_known(tmp_path: Path, rot: str) -> None:
    one = notes(tmp_path)
    one.write("tokens", "a", {"n": 1})
    one.write("tokens", "b", {"n": 2})
    one.close()
    with sqlite3.connect(tmp_path / "cache" / "models.db") as connection:
        connection.execute("UPDATE notes SET value = ? WHERE key = 'a'", (rot,))
    assert one.read("tokens", "a") is None and one.items("tokens") == {"b": {"n": 2}}


def test_several_processes_write_into_one_file(tmp_path: Path) -> None:
    code = (
        "import sys; from storage.model_notes import ModelNotes\n"
        "one = ModelNotes(sys.argv[1])\n"
        "for n in range(40): one.write('tokens', f'{sys.argv[2]} {n}', {'n': n})"
    )
    file = str(tmp_path / "cache" / "models.db")
    writers = [subprocess.Popen([sys.executable, "-c", code, file, str(who)], cwd=ROOT) for who in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert len(ModelNotes(file).items("tokens")) == 120


def test_a_folder_that_cannot_be_made_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(Unavailable, match=r"notes about models .*models.db cannot be used .* may be deleted"):
        notes(tmp_path).read("tokens", "a")


def test_characters_per_token_are_kept_on_disk(tmp_path: Path) -> None:
    ratio = Ratio()
    ratio.learn(4000, 1000)
    ratio.keep(notes(tmp_path), "digest")
    assert Ratio.read(notes(tmp_path), "digest").characters_per_token == pytest.approx(3.88)


@given(value=st.dictionaries(st.text(), JSON, max_size=4))
def test_any_json_comes_back_equal(value: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    one = ModelNotes(tmp_path_factory.getbasetemp() / "any.db")
    one.write("kind", "key", value)
    assert one.read("kind", "key") == value
    one.close()

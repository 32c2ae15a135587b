"""Prompt sets on disk: whatever the files are, whoever writes at the same time, no wording is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.errors import SpecError
from storage import prompt_files
from storage.prompt_files import SAVING, VERSIONS

ROOT = Path(__file__).parents[2]
A, B, C = ({"decide_system": f"{word} $keys\n", "study_system": f"{word}\n"} for word in ("one", "two", "three"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "prompts"


def hashes(root: Path, name: str = "mine") -> list[str]:
    return [item.hash for item in prompt_files.versions(root, name)]


# ----------------------------------------------------------------------------------------------------------------- save and read


def test_no_sets_is_an_empty_list_and_makes_no_folder(root):
    assert prompt_files.names(root) == [] and prompt_files.trashed(root) == [] and not root.exists()
    with pytest.raises(SpecError, match=r"Unknown prompt set 'mine'; choose from default\."):
        prompt_files.read(root, "mine")
    assert not root.exists()


def test_a_set_is_a_folder_of_text_files_that_any_editor_opens(root):
    saved = prompt_files.save(root, "mine", A)
    assert (root / "mine" / "decide_system.txt").read_text() == "one $keys\n"
    assert prompt_files.read(root, "mine") == saved and prompt_files.names(root) == ["mine"]
    (root / "mine" / "study_system.txt").write_text("by hand\n")
    assert prompt_files.read(root, "mine").texts["study_system"] == "by hand\n"


def test_a_save_replaces_the_set_and_a_template_that_is_gone_is_gone(root):
    prompt_files.save(root, "mine", A)
    prompt_files.save(root, "mine", {"decide_system": "only\n"})
    assert sorted(path.name for path in (root / "mine").glob("*.txt")) == ["decide_system.txt"]
    assert prompt_files.read(root, "mine").texts == {"decide_system": "only\n"}


def test_texts_are_kept_alike_whatever_system_they_come_from(root):
    typed = prompt_files.save(root, "mine", {"t": "\ufeffone\r\ntwo\rthree"})
    assert typed.texts == {"t": "one\ntwo\nthree\n"}
    assert prompt_files.save(root, "other", {"t": "one\ntwo\nthree\n\n"}).hash == typed.hash


def test_a_file_written_on_windows_reads_the_same(root):
    first = prompt_files.save(root, "mine", A)
    (root / "mine" / "decide_system.txt").write_bytes(b"\xef\xbb\xbfone $keys\r\n")
    assert prompt_files.read(root, "mine").hash == first.hash


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../up",
        "a/b",
        "a\\b",
        "-flag",
        ".hidden",
        "a b",
        "a.b",
        "x" * 41,
        "default",
        "DEFAULT",
        "con",
        "LPT1",
        "nul\0",
        "é",
        "a\n",
    ],
)
def test_a_name_that_is_no_plain_folder_is_refused_everywhere(root, name):
    with pytest.raises(SpecError) as caught:
        prompt_files.save(root, name, A)
    assert caught.value.field == "prompts"
    for call in (prompt_files.delete, prompt_files.versions, prompt_files.read):
        with pytest.raises(SpecError):
            call(root, name)
    assert not root.exists()


def test_names_that_differ_in_capitals_are_not_kept_apart(root):
    prompt_files.save(root, "Mine", A)
    with pytest.raises(SpecError, match="'Mine' already"):
        prompt_files.save(root, "mine", B)


def test_a_new_set_does_not_overwrite_one_that_is_there(root):
    prompt_files.save(root, "mine", A)
    with pytest.raises(SpecError, match="already"):
        prompt_files.save(root, "mine", B, fresh=True)
    assert prompt_files.read(root, "mine").texts == A


@pytest.mark.parametrize("template", ["", "../x", "Decide", "a b", "x" * 41, "a/b"])
def test_a_template_name_that_is_no_plain_file_is_refused(root, template):
    with pytest.raises(SpecError, match="no name for a template"):
        prompt_files.save(root, "mine", {template: "x"})


@pytest.mark.parametrize(("text", "what"), [("a\0b", "NUL"), ("a\ud800", "surrogate"), ("x" * 300_000, "bytes")])
def test_a_text_that_no_file_can_hold_is_refused_and_nothing_is_written(root, text, what):
    prompt_files.save(root, "mine", A)
    with pytest.raises(SpecError, match=what):
        prompt_files.save(root, "mine", {**A, "decide_system": text})
    assert prompt_files.read(root, "mine").texts == A and len(hashes(root)) == 1


def test_a_set_without_a_template_is_refused(root):
    with pytest.raises(SpecError, match="no template"):
        prompt_files.save(root, "mine", {})


# -------------------------------------------------------------------------------------------------------------------- strange files


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\xff\xfeo\x00n\x00", "not UTF-8"),
        (b"caf\xe9", r"not UTF-8 text \(byte 3\)"),
        (b"one\x00two", "NUL"),
        (b"x" * 300_000, "300,000 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_its_cure(root, body, what):
    prompt_files.save(root, "mine", A)
    (root / "mine" / "decide_system.txt").write_bytes(body)
    with pytest.raises(SpecError, match=what) as caught:
        prompt_files.read(root, "mine")
    assert "decide_system.txt" in str(caught.value)


def test_links_pipes_and_folders_are_not_opened(root, tmp_path):
    prompt_files.save(root, "mine", A)
    secret = tmp_path / "secret"
    secret.write_text("key")
    for make in (lambda p: p.symlink_to(secret), os.mkfifo, lambda p: p.mkdir()):
        path = root / "mine" / "odd.txt"
        make(path)
        with pytest.raises(SpecError, match="no plain file"):
            prompt_files.read(root, "mine")
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (root / "linked").symlink_to(tmp_path)
    with pytest.raises(SpecError, match="not followed"):
        prompt_files.read(root, "linked")
    with pytest.raises(SpecError, match="not followed"):
        prompt_files.save(root, "linked", A)
    assert secret.read_text() == "key" and not list(tmp_path.glob("*.txt"))


def test_what_editors_and_file_managers_leave_is_skipped(root):
    saved = prompt_files.save(root, "mine", A)
    for name in (".decide_system.txt.swp", "._study_system.txt", ".DS_Store", "decide_system.txt~", "README.md"):
        (root / "mine" / name).write_bytes(b"\xff\x00")
    (root / "loose.txt").write_text("x")
    assert prompt_files.read(root, "mine") == saved and prompt_files.names(root) == ["mine"]


def test_a_file_with_an_odd_name_and_far_too_many_files_are_said(root):
    prompt_files.save(root, "mine", A)
    (root / "mine" / "My notes.txt").write_text("x")
    with pytest.raises(SpecError, match="'My notes' is no name for a template"):
        prompt_files.read(root, "mine")
    for number in range(80):
        (root / "mine" / f"t{number}.txt").write_text("x")
    with pytest.raises(SpecError, match=r"83 \.txt files"):
        prompt_files.read(root, "mine")


# ------------------------------------------------------------------------------------------------------------------------ versions


def test_every_wording_a_set_has_had_can_be_read_again(root):
    first, second, third = (prompt_files.save(root, "mine", texts) for texts in (A, B, C))
    assert hashes(root) == [third.hash, second.hash, first.hash]
    assert [item.now for item in prompt_files.versions(root, "mine")] == [True, False, False]
    assert prompt_files.version(root, "mine", first.hash).texts == A
    with pytest.raises(SpecError, match="0000"):
        prompt_files.version(root, "mine", "0" * 16)


def test_saving_the_same_again_makes_no_version_and_going_back_makes_no_second_one(root):
    first = prompt_files.save(root, "mine", A)
    prompt_files.save(root, "mine", A)
    assert hashes(root) == [first.hash]
    second = prompt_files.save(root, "mine", B)
    prompt_files.save(root, "mine", A)
    assert hashes(root) == [first.hash, second.hash]


def test_what_was_edited_by_hand_is_kept_before_the_next_save(root):
    prompt_files.save(root, "mine", A)
    (root / "mine" / "study_system.txt").write_text("by hand\n")
    byhand = prompt_files.read(root, "mine")
    assert hashes(root)[0] == byhand.hash, "the present wording leads the list although nobody saved it here"
    prompt_files.save(root, "mine", B)
    assert prompt_files.version(root, "mine", byhand.hash).texts["study_system"] == "by hand\n"


def test_a_file_that_is_no_text_is_kept_too_when_the_set_is_saved_over_it(root):
    prompt_files.save(root, "mine", A)
    (root / "mine" / "decide_system.txt").write_bytes(b"\xff\xfe broken")
    prompt_files.save(root, "mine", B)
    assert prompt_files.read(root, "mine").texts == B
    kept = list((root / "mine" / VERSIONS).glob("unreadable-*/decide_system.txt"))
    assert [path.read_bytes() for path in kept] == [b"\xff\xfe broken"]


def test_a_version_edited_on_disk_is_never_passed_off_as_what_it_was(root):
    first = prompt_files.save(root, "mine", A)
    prompt_files.save(root, "mine", B)
    (root / "mine" / VERSIONS / first.hash / "study_system.txt").write_text("forged\n")
    with pytest.raises(SpecError, match="edited on disk"):
        prompt_files.version(root, "mine", first.hash)
    prompt_files.save(root, "mine", A)
    assert prompt_files.read(root, "mine").texts == A and prompt_files.version(root, "mine", first.hash).texts == A
    assert any(path.read_text() == "forged\n" for path in (root / "mine" / VERSIONS).glob("unreadable-*/study_system.txt"))


def test_a_save_on_top_of_somebody_elses_is_refused(root):
    mine = prompt_files.save(root, "mine", A)
    prompt_files.save(root, "mine", B)
    with pytest.raises(SpecError, match="changed elsewhere"):
        prompt_files.save(root, "mine", C, before=mine.hash)
    assert prompt_files.read(root, "mine").texts == B
    prompt_files.save(root, "mine", C, before=prompt_files.read(root, "mine").hash)


# ---------------------------------------------------------------------------------------------------------------- delete, restore


def test_a_deleted_set_comes_back_with_all_its_versions(root):
    prompt_files.save(root, "mine", A)
    prompt_files.save(root, "mine", B)
    before = hashes(root)
    label = prompt_files.delete(root, "mine")
    assert prompt_files.names(root) == [] and prompt_files.trashed(root) == [label]
    prompt_files.save(root, "mine", C)
    with pytest.raises(SpecError, match="again"):
        prompt_files.restore(root, label)
    prompt_files.delete(root, "mine")
    assert prompt_files.restore(root, label) == "mine" and hashes(root) == before
    for wrong in ("../../etc", "mine", "a~b~c"):
        with pytest.raises(SpecError, match="trash"):
            prompt_files.restore(root, wrong)


# ------------------------------------------------------------------------------------------------------------ crashes, processes


def test_a_save_cut_off_half_way_is_finished_by_the_next_who_looks(root):
    prompt_files.save(root, "mine", B)
    second = prompt_files.read(root, "mine").hash
    prompt_files.save(root, "mine", A)
    (root / "mine" / "decide_system.txt").write_text(B["decide_system"])  # the state of a crash: one file replaced, the marker still there
    (root / "mine" / SAVING).write_text(second)
    (root / ".new~left").mkdir()
    assert prompt_files.read(root, "mine").texts == B
    assert not (root / "mine" / SAVING).exists() and not (root / ".new~left").exists()


@pytest.mark.parametrize("marker", ["", "0" * 16, "../../..", "x" * 5000])
def test_a_marker_that_leads_nowhere_changes_nothing(root, marker):
    prompt_files.save(root, "mine", A)
    (root / "mine" / SAVING).write_text(marker)
    assert prompt_files.read(root, "mine").texts == A and not (root / "mine" / SAVING).exists()


KILLED = """
import sys
from pathlib import Path
from storage import prompt_files
number = 0
print("go", flush=True)
while True:
    number += 1
    word = f"w{number}"
    prompt_files.save(Path(sys.argv[1]), "mine", {name: f"{word}\\n" for name in ("a", "b", "c", "d")})
"""


def test_a_writer_that_is_killed_never_leaves_a_mixed_set(root):
    for delay in (0.05, 0.11, 0.17):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(root)], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline()
        stop = threading.Event()
        stop.wait(delay)
        process.kill()
        process.wait()
        process.stdout.close()
        if prompt_files.names(root):
            assert len(set(prompt_files.read(root, "mine").texts.values())) == 1
            assert all(len(set(prompt_files.version(root, "mine", hash).texts.values())) == 1 for hash in hashes(root)[:20])


def test_several_processes_save_and_read_at_once_and_every_wording_is_kept(root):
    script = """
import sys
from pathlib import Path
from storage import prompt_files
root, who = Path(sys.argv[1]), sys.argv[2]
for n in range(8):
    prompt_files.save(root, "mine", {name: f"{who}{n}\\n" for name in ("a", "b", "c")})
    assert len(set(prompt_files.read(root, "mine").texts.values())) == 1
"""
    crowd = [subprocess.Popen([sys.executable, "-c", script, str(root), who], cwd=ROOT, stderr=subprocess.PIPE) for who in "xyz"]
    for process in crowd:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    said = {prompt_files.version(root, "mine", hash).texts["a"].strip() for hash in hashes(root)}
    assert said == {f"{who}{n}" for who in "xyz" for n in range(8)}

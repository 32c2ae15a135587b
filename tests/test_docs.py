"""What the documents promise is there: commands, presets, plugs, links, pinned packages."""

import re
from pathlib import Path

import pytest

import cli
from agent.evaluation.metrics import METRICS
from agent.llm import BACKENDS
from agent.market.sources import SOURCES
from agent.memory import EMBEDDERS
from agent.memory.layers import PRESETS
from agent.strategies import STRATEGIES
from commands.data import app as data
from commands.models import app as models
from commands.prompts import app as prompts
from services.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def test_every_verb_of_the_command_line_is_in_the_readme_and_the_other_way_round():
    verbs = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    named = re.search(r"### Command line\n`([a-z ]+)`", README)[1].split()
    assert set(named) == verbs


@pytest.mark.parametrize(("group", "commands"), [("data", data), ("models", models), ("prompts", prompts)])
def test_every_command_of_a_group_is_in_the_readme_and_the_other_way_round(group, commands):
    verbs = {command.name or command.callback.__name__ for command in commands.registered_commands}
    assert set(re.search(rf"`{group} ([a-z]+\|[a-z|]+)`", README)[1].split("|")) == verbs


def test_every_source_is_in_the_readme():
    assert all(f"`{name}`" in README for name in SOURCES)


def test_every_setting_is_in_the_example_environment():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert [
        name for name in Settings.model_fields if f"RECOLLECT_{name.upper()}=" not in example and f"_{name.upper()}" not in example
    ] == []


def test_every_preset_is_in_the_readme():
    assert all(f"`{name}`" in README for name in PRESETS)


@pytest.mark.parametrize("registry", [BACKENDS, SOURCES, STRATEGIES, EMBEDDERS], ids=lambda r: r.kind)
def test_every_registered_name_leads_to_a_class_with_options_and_a_docstring(registry):
    for name in registry:
        plug = registry.load(name)
        assert plug.__doc__ and plug.Options.model_config.get("extra") == "forbid", name


def test_every_metric_says_what_it_is():
    for metric in METRICS if not isinstance(METRICS, dict) else METRICS.values():
        assert metric.label and metric.help and metric.better in ("high", "low", "none", None, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_link_in_a_document_is_dead(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert "://" in target or (document.parent / target).exists(), target


def test_every_requirement_is_pinned():
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        assert all("==" in line for line in lines if line and not line.startswith("-r")), name


def test_the_make_verbs_are_the_ones_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"\.PHONY: setup run test lint fix demo bench", makefile)

"""The layering rule, as in docs/architecture.md: imports point down, each heavy library has one home, and heavy ones are imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Who may import whom, top to bottom. A room may also import itself.
ALLOWED: dict[str, set[str]] = {
    "app": {"ui", "services", "agent"},
    "cli": {"commands", "services", "agent"},
    "commands": {"report", "services", "agent"},
    "pages": {"ui", "report", "services", "agent"},
    "ui": {"report", "services", "agent"},
    "report": {"ui", "services", "agent"},  # of ui only what needs no screen: SCREENLESS
    "services": {"storage", "agent"},
    "storage": {"agent"},
    "agent": set(),
}
# Inside agent/: a room may import only rooms on lower lines, never its neighbours.
AGENT_LAYERS = [
    {"engine"},
    {"strategies", "datasets"},
    {"spec"},  # what the rooms above are given; knows of those below only the shape of their options (memory.layers)
    {"decision", "rl"},
    {"market", "memory", "llm", "portfolio", "evaluation"},
    {"registry", "http"},
    {"records", "errors"},
]

# The rooms of ui/ that are drawn without a screen; a report is made of these.
SCREENLESS = ("ui.charts", "ui.theme", "ui.format", "ui.inert_text", "ui.run_words")

# Libraries that may be imported only under these prefixes ("!" takes one back).
HOMES: dict[str, tuple[str, ...]] = {
    "streamlit": ("app", "pages", "ui", "!ui.charts", "!ui.theme"),
    "plotly": ("ui.charts", "ui.theme"),
    "typer": ("cli", "commands"),
    "sqlalchemy": ("storage",),
    "chromadb": ("storage",),
    "yfinance": ("agent.market.sources",),
    "ollama": ("agent.llm.ollama", "services.health"),
    "sentence_transformers": ("agent.memory.embedders",),
    "gymnasium": ("agent.rl",),
    "stable_baselines3": ("agent.rl", "agent.strategies.ppo"),
    "torch": ("agent.rl", "agent.strategies.ppo", "agent.memory.embedders"),
}
# Seconds to import: only inside functions, so that listing choices and opening a page stay quick.
LATE = {"torch", "sentence_transformers", "chromadb", "yfinance", "stable_baselines3"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in ALLOWED:
            yield ".".join(part for part in parts if part != "__init__"), path


def imports(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full, so that layers can be read"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def early(tree: ast.Module) -> Iterator[str]:
    """Libraries imported as soon as the module is: everything outside functions and ``if TYPE_CHECKING``."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def layer(room: str) -> int:
    return next(depth for depth, rooms in enumerate(AGENT_LAYERS) if room in rooms)


def under(module: str, home: str) -> bool:
    return f"{module}.".startswith(f"{home.lstrip('!')}.")


def violation(module: str, target: str) -> str | None:
    """Why ``module`` may not import ``target``, or None."""
    here, there = module.split("."), target.split(".")
    if there[0] in ALLOWED and there[0] != here[0] and there[0] not in ALLOWED[here[0]]:
        return f"{here[0]} may not import {there[0]}"
    if here[0] == "report" and there[0] == "ui" and not any(under(target, home) for home in SCREENLESS):
        return f"report may import only {', '.join(SCREENLESS)} of ui"
    if here[0] == there[0] == "pages":
        return "nobody imports pages, not even pages"
    if here[0] == there[0] == "agent" and len(here) > 1 and len(there) > 1 and here[1] != there[1] and layer(here[1]) >= layer(there[1]):
        return f"agent.{here[1]} may not import agent.{there[1]}"
    homes = [home for home in HOMES.get(there[0], ()) if under(module, home)]
    if there[0] in HOMES and (not homes or homes[-1].startswith("!")):
        return f"{there[0]} is imported only in {', '.join(HOMES[there[0]])}"
    return None


FOUND = list(modules())


@pytest.mark.parametrize(("module", "path"), FOUND, ids=[module for module, _ in FOUND])
def test_imports_point_down_and_heavy_libraries_come_late(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [why for target in imports(tree, path) if (why := violation(module, target))] == []
    assert LATE & set(early(tree)) == set(), f"{path}: import these inside the function that needs them"


def test_every_room_of_the_agent_has_a_layer() -> None:
    assert {module.split(".")[1] for module, _ in FOUND if module.startswith("agent.")} <= set().union(*AGENT_LAYERS)


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("agent.engine", "storage.run_store"),
        ("agent.memory.bank", "agent.llm.base"),
        ("agent.records", "agent.registry"),
        ("agent.strategies.hold", "agent.engine"),
        ("agent.decision.parse", "agent.spec"),
        ("services.runs", "ui.text"),
        ("ui.cards", "storage.run_store"),
        ("pages.days", "storage.run_store"),
        ("pages.days", "pages.runs"),
        ("cli", "ui.format"),
        ("ui.charts.price", "streamlit"),
        ("ui.theme", "streamlit"),
        ("report.build", "streamlit"),
        ("report.build", "ui.text.clean"),
        ("report.build", "storage.run_store"),
        ("services.exports", "report.build"),
        ("pages.days", "plotly.graph_objects"),
        ("services.queries", "sqlalchemy"),
        ("agent.llm.openai_compatible", "ollama"),
        ("services.runs", "ollama"),
        ("app", "typer"),
    ],
)
def test_the_rule_refuses(module: str, target: str) -> None:
    assert violation(module, target)


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("app", "services.settings"),
        ("agent.spec", "agent.memory.layers.MemorySpec"),
        ("agent.engine", "agent.strategies.hold"),
        ("agent.strategies.base", "agent.spec.RunSpec"),
        ("agent.market.sources.yahoo", "agent.market.sources.base"),
        ("storage.chroma_index", "chromadb"),
        ("services.health", "ollama"),
        ("ui.charts.price", "plotly.graph_objects"),
        ("ui.text", "streamlit"),
        ("report.build", "ui.theme"),
        ("report.figures", "ui.charts.equity.equity"),
        ("pages.report", "report.build"),
        ("commands.report", "report.build"),
    ],
)
def test_the_rule_allows(module: str, target: str) -> None:
    assert violation(module, target) is None


def test_charts_and_reports_can_be_made_where_streamlit_is_not_installed() -> None:
    charts = [module for module, _ in FOUND if module.startswith(("ui.charts.", "report."))]
    script = f"import sys; sys.modules['streamlit'] = None; import {', '.join(charts)}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_agent_opens_without_a_screen_a_database_or_a_heavy_library() -> None:
    ours = [module for module, _ in FOUND if module in {"agent.records", "agent.spec", "agent.registry", "agent.engine"}]
    heavy = LATE | {"streamlit", "plotly", "sqlalchemy", "ollama"}
    script = f"import sys; import {', '.join(ours)}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

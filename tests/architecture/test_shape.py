"""What style asks of every file: short functions, short files, a first sentence, and no banned words."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "domain",
    "commands",
    "projections",
    "api",
    "relay",
    "dispatcher",
    "evidence",
    "inference_worker",
    "schemas",
    "infrastructure",
    "embedded",
    "cli",
]
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
BANNED = re.compile(
    r"(^|_)(manager|service|helper|helpers|util|utils|processor|base|common|data|info|dto)(_|$)"
)
GIVEN = {"data_received"}
"""Names that a library calls: asyncio.Protocol."""
BANNED_PREFIX = re.compile(r"^(I[A-Z][a-z]|Abstract)")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class Names(NamedTuple):
    docstring: str | None
    classes: list[str]
    functions: list[tuple[str, int, int]]
    """Of each its name and its first and last line."""


@cache
def names(path: Path) -> Names:
    """What several tests ask of one file, which is read and parsed for the first of them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return Names(
        ast.get_docstring(tree),
        [node.name for node in nodes if isinstance(node, ast.ClassDef)],
        [(each.name, each.lineno, each.end_lineno or each.lineno) for each in functions],
    )


@pytest.mark.parametrize("path", modules(*PACKAGES, "tests", "benchmarks"), ids=name)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    for function, first, last in names(path).functions:
        length = last - first + 1
        assert length <= FUNCTION_LINES_MAX, f"{name(path)}:{first} {function}: {length} lines"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", modules(*PACKAGES, "tests", "benchmarks"), ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert names(path).docstring, f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name)
def test_no_name_says_nothing(path: Path) -> None:
    classes = names(path).classes
    assert not [each for each in classes if BANNED_PREFIX.match(each)]
    snake = [re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each in classes]
    snake += [function for function, _, _ in names(path).functions]
    snake.append(path.stem)
    assert not [each for each in snake if BANNED.search(each) and each not in GIVEN]


def test_our_packages_win_over_others_of_the_same_name() -> None:
    for package in PACKAGES:
        assert Path(str(import_module(package).__file__)).parent == ROOT / package


def test_locked_packages_have_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "locks").glob("*.txt")):
        text = lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text

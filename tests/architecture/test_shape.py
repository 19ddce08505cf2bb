"""What style asks of every file: short functions, short files, a first sentence, and no banned words."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "domain",
    "commands",
    "projections",
    "api",
    "relay",
    "dispatcher",
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


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", modules(*PACKAGES, "tests", "benchmarks"), ids=name)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    for function in functions(path):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        assert length <= FUNCTION_LINES_MAX, (
            f"{name(path)}:{function.lineno} {function.name}: {length} lines"
        )


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", modules(*PACKAGES, "tests", "benchmarks"), ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name)
def test_no_name_says_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not [each for each in classes if BANNED_PREFIX.match(each)]
    snake = [re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each in classes]
    snake += [function.name for function in functions(path)]
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

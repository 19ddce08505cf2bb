"""The examples are programs of others: they know our topics, and nothing else of us."""

import ast
import re
from pathlib import Path

import pytest

from infrastructure.processes import ROOT
from tests.architecture.test_shape import FUNCTION_LINES_MAX, PACKAGES, modules, name, names

EXAMPLES = modules("examples")


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_imports_nothing_of_ours(path: Path) -> None:
    assert {each.partition(".")[0] for each in imported(path)}.isdisjoint(PACKAGES)


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_says_what_it_is_for_in_short_functions(path: Path) -> None:
    assert names(path).docstring
    assert all(last - first < FUNCTION_LINES_MAX for _, first, last in names(path).functions)


def test_what_is_tested_is_what_the_examples_ask_for() -> None:
    def locked(file: Path) -> dict[str, str]:
        return dict(re.findall(r"^([\w-]+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE))

    wanted, there = (
        locked(ROOT / "examples" / "requirements.txt"),
        locked(ROOT / "locks" / "development.txt"),
    )
    assert {"confluent-kafka", "duckdb"} <= wanted.keys()
    assert wanted.items() <= there.items()

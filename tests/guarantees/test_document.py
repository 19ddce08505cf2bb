"""Every test that docs/guarantees.md names exists, and every revert is among them."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", DOCUMENT)
GUARANTEES = [f"## {number}. " for number in range(1, 11)]


def defined_in(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_named_test_exists() -> None:
    missing = [f"{path}::{name}" for path, name in NAMED if name not in defined_in(TESTS / path)]
    assert missing == []


def test_every_guarantee_names_its_tests() -> None:
    for guarantee in GUARANTEES:
        section = DOCUMENT.partition(guarantee)[2].partition("\n## ")[0]
        assert "::test_" in section, guarantee


def test_every_revert_and_its_twin_are_named() -> None:
    files = Path(__file__).parent.glob("test_reverts_*.py")
    reverts = {f"guarantees/{path.name}::{name}" for path in files for name in defined_in(path)}
    assert reverts - {f"{path}::{name}" for path, name in NAMED} == set()

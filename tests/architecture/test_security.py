"""Every test that docs/security.md names exists, and each of the ten risks names some."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", DOCUMENT)


def defined_in(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_named_test_exists() -> None:
    missing = [f"{path}::{name}" for path, name in NAMED if name not in defined_in(TESTS / path)]
    assert missing == []


def test_each_of_the_ten_risks_names_tests() -> None:
    for number in range(1, 11):
        section = DOCUMENT.partition(f"## API{number}: ")[2].partition("\n## ")[0]
        assert "::test_" in section, number

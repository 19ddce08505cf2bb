"""Every row of docs/odd-recordings.md names tests that exist, and no odd file is under a row that is not there."""

import re
from typing import Final

from tests.guarantees.test_document import TESTS, defined_in
from tests.infrastructure.media.odd_files import EVERY

DOCUMENT: Final = (TESTS.parent / "docs" / "odd-recordings.md").read_text(encoding="utf-8")
ROWS: Final = dict(re.findall(r"^\| (\d+b?) \| (.*) \|$", DOCUMENT, re.MULTILINE))
NAMED: Final = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NUMBERS: Final = {*(str(number) for number in range(1, 37)), "11b"}


def test_no_row_is_missing() -> None:
    assert set(ROWS) == NUMBERS


def test_every_row_names_its_tests() -> None:
    assert [row for row, rest in ROWS.items() if not NAMED.search(rest)] == []


def test_every_test_that_a_row_names_exists() -> None:
    missing = [
        f"{path}::{name}" for path, name in NAMED.findall(DOCUMENT) if name not in defined_in(TESTS / path)
    ]
    assert missing == []


def test_every_odd_file_is_under_the_number_of_a_row() -> None:
    assert {name.partition("-")[0] for name in EVERY} <= NUMBERS

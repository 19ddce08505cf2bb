"""Documents say what the code says."""

import re
from pathlib import Path

import msgspec

from infrastructure.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(STENOLOG_\w+)` \| (.*?) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("`stenolog up` chooses")[0]
    return dict(ROW.findall(text))


def test_every_setting_is_documented() -> None:
    assert set(documented()) == {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}


def test_documented_defaults_are_the_real_ones() -> None:
    defaults = {PREFIX + name.upper(): value for name, value in msgspec.structs.asdict(Settings()).items()}
    for variable, cell in documented().items():
        if cell.startswith("`"):
            assert cell.strip("`") == str(defaults[variable]), variable


def test_links_between_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"

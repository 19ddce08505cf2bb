"""Documents say what the code says."""

import re
from pathlib import Path

import msgspec

from infrastructure.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(STENOLOG_\w+)` \| (.*?) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("`stenolog up` starts")[0]
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


def test_files_that_the_documents_name_exist() -> None:
    """In `how-to.md` and in the drawing of the shapes of one event."""
    how_to = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shapes = architecture.partition("## The shapes of one event")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+/[\w/.]+\.\w+)`", how_to)) | set(
        re.findall(r"\b([a-z_]+/[\w/]+\.(?:py|sql))\b", shapes)
    )
    assert len(named) > 40
    assert [each for each in sorted(named) if not (ROOT / each).is_file()] == []

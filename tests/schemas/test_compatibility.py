"""What is refused as a change of a released schema, and what is not."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from schemas.compatibility import breaks
from schemas.json_schemas import JsonSchema, documents
from schemas.released import released

PATH = "/schemas/TranscriptionStarted/1"
REPORT = "/schemas/messages/ProgressReported"
Change = Callable[[dict[str, JsonSchema]], Any]


def changed(change: Change) -> list[str]:
    today = deepcopy(dict(documents()))
    change(today)
    return breaks(documents(), today)


def properties(today: dict[str, JsonSchema]) -> JsonSchema:
    found: JsonSchema = today[PATH]["properties"]
    return found


def job(today: dict[str, JsonSchema]) -> JsonSchema:
    found: JsonSchema = today[PATH]["$defs"]["Job"]
    return found


def test_todays_schemas_are_read_by_and_read_all_that_was_released() -> None:
    assert breaks(released(), documents()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda today: today.pop(PATH), "is gone"),
        (lambda today: properties(today).pop("attempt"), "attempt is gone"),
        (lambda today: properties(today).update(attempt={"type": "string"}), "attempt was"),
        (lambda today: today[PATH]["required"].remove("attempt"), "attempt was required and is optional"),
        (
            lambda today: job(today)["required"].append("language"),
            "job.language was optional and is required",
        ),
        (lambda today: job(today)["properties"].pop("media_key"), "job.media_key is gone"),
        (lambda today: job(today)["properties"]["task"]["enum"].append("sing"), "job.task was"),
        (lambda today: job(today)["properties"]["prompt"].pop("x-personal"), "job.prompt was"),
        (
            lambda today: (
                properties(today).update(mood={"type": "string"}),
                today[PATH]["required"].append("mood"),
            ),
            "mood is new and required",
        ),
    ],
)
def test_what_an_old_reader_or_an_old_event_would_not_survive_is_refused(change: Change, said: str) -> None:
    [line] = changed(change)
    assert line.startswith(f"{PATH}: ")
    assert said in line


def test_a_message_is_to_get_another_name_and_no_upcaster() -> None:
    [line] = changed(lambda today: today[REPORT]["properties"].pop("attempt"))
    assert "another name" in line


@pytest.mark.parametrize(
    "change",
    [
        lambda today: properties(today).update(mood={"type": "string", "default": ""}),
        lambda today: today[PATH].update(description="In other words."),
        lambda today: job(today)["properties"]["prompt"].update(default="Hm"),
        lambda today: today.update({"/schemas/SomethingNew/1": {"type": "object"}}),
    ],
)
def test_what_everybody_survives_is_not(change: Change) -> None:
    assert changed(change) == []

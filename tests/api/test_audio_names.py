"""Names of models: which are known, and what they are called."""

import pytest

from api.openai_audio.models import OPENAI_NAMES, name_of, names_of, require_model
from api.openai_audio.refusals import ModelNotFound

BASE = "faster-whisper/base@d01c3014881c/int8"
OWN = f"faster-whisper/Systran/faster-whisper-base@{'a' * 40}@{'b' * 12}/float16/batch-8"


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        (BASE, "base"),
        (OWN, f"Systran/faster-whisper-base@{'a' * 40}"),
        ("riva/any@0123456789ab", "any"),
        ("scripted", "scripted"),
    ],
)
def test_a_model_is_called_as_the_operator_calls_it(engine: str, name: str) -> None:
    assert name_of(engine) == name


def test_each_name_is_listed_once_and_what_really_runs_first() -> None:
    assert names_of([BASE, BASE + "/batch-8"]) == ["base", *OPENAI_NAMES]
    assert names_of([]) == list(OPENAI_NAMES)


@pytest.mark.parametrize("name", [*OPENAI_NAMES, "gpt-4o-transcribe-2025-03-20", "base"])
def test_what_is_known_is_taken(name: str) -> None:
    require_model(name, [BASE])


@pytest.mark.parametrize("name", ["large-v3", "whisper-2", "gpt-4o", "base ", ""])
def test_another_model_is_not_passed_off_as_the_one_that_was_asked_for(name: str) -> None:
    with pytest.raises(ModelNotFound, match="send one of base, whisper-1"):
        require_model(name, [BASE])


def test_while_no_worker_is_there_any_name_of_ours_is_taken() -> None:
    require_model("large-v3", [])

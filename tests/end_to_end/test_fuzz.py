"""What the OpenAPI document says, asked of the whole system for a moment; `make fuzz` asks for longer."""

from pathlib import Path

from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person
from tests.fuzz.__main__ import token_of, with_recordings
from tests.fuzz.schemathesis import Fuzz, found_nothing

SECONDS = 40


async def test_no_answer_is_other_than_the_document_says(running: Installation, tmp_path: Path) -> None:
    """A seed that stays: a new find is for `make fuzz`, and a failure here is of what was changed."""
    async with Person.arrives(running.url) as person:
        await with_recordings(person)
        fuzz = Fuzz(url=running.url, token=token_of(person), seconds=SECONDS, seed=7, examples=3)
        found_none, said = await found_nothing(fuzz, tmp_path)
    assert found_none, said

"""When no recording can be measured, an upload is told so, and the next one is measured again."""

import sys

import pytest

from infrastructure.media.warm import MEDIA_CHILDREN
from tests.api.rig import Person


async def test_an_upload_that_cannot_be_probed_is_to_be_tried_again_and_leaves_nothing(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    MEDIA_CHILDREN.close()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/bin/false")
        answer = await anna.uploads()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert await anna.left_nothing()
    assert (await anna.uploads()).status_code == 201

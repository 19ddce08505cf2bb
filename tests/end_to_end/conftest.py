"""One running Stenolog for all tests that only look at it, and folders that PostgreSQL's account can enter."""

import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_SECOND, SAMPLE_RATE
from tests.end_to_end.installation import Installation, start, stop

SAMPLES = Path(__file__).parents[2] / "samples"
SPEECH_SECONDS = 74.9
WINDOW_SECONDS = 20


@pytest.fixture(scope="session")
def speech() -> Path:
    return SAMPLES / "speech.ogg"


@pytest.fixture(scope="session")
def two_windows(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of it: what a process can be killed in the middle of, at half the cost."""
    path = tmp_path_factory.mktemp("speech") / "half.wav"
    with open_pcm(speech, SPEECH_SECONDS) as sound:
        pcm = b"".join(sound)
    with wave.open(str(path), "wb") as half:
        half.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        half.writeframes(pcm[: 2 * WINDOW_SECONDS * BYTES_PER_SECOND])
    return path


@pytest.fixture(scope="session")
def spoken_text() -> str:
    return (SAMPLES / "speech.txt").read_text(encoding="utf-8")


@pytest.fixture
def fresh_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running() -> AsyncIterator[Installation]:
    """The whole system with a real model, the fast one; short leases, so that the tests need not wait long for them."""
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        installed = await start(
            Path(folder),
            model="tiny.en",
            attempt_lease_seconds=6,
            ready_interval_seconds=0.5,
            window_seconds=WINDOW_SECONDS,
        )
        try:
            yield installed
        finally:
            await stop(installed)

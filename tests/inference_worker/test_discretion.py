"""Recordings are confidential, and so is who has which: a worker tells nobody but Kafka and the object store."""

import asyncio
import os
import sys
from pathlib import Path

DETECT_SPEECH = "from inference_worker.voice import speech_probabilities as p; print(len(p(bytes(32_000))))"


async def test_detecting_speech_leaves_no_trace_for_telemetry(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DETECT_SPEECH,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, complaints = await process.communicate()
    assert int(said) == 31
    assert complaints == b""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

"""`stenolog demo`: the whole system started, one recording transcribed through its API, everything stopped."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from msgspec import UNSET
from rapidfuzz.distance import Levenshtein

from cli.audit import opened_log, stream_records, with_related
from cli.client import Client, opened_client
from cli.running import run, say
from cli.telling import Timeline
from cli.transcribing import transcribe_file
from embedded.given import without_given
from embedded.stack_folder import Addresses, StackFolder
from embedded.system import running_system
from infrastructure.mendable import Mendable
from infrastructure.processes import ROOT
from schemas.bodies import QuotaBody

SAMPLE: Final = ROOT / "samples" / "speech.ogg"
SPOKEN: Final = ROOT / "samples" / "speech.txt"
WORD_ERROR_RATE_MAX: Final = 0.15
FRENCH_ERROR_RATE_MAX: Final = 0.3
"""The smallest multilingual model is no great speller."""
FRENCH: Final = ROOT / "samples" / "french.ogg"
FRENCH_SPOKEN: Final = ROOT / "samples" / "french.txt"
_CUES_SHOWN: Final = 4
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class DemoFailed(Mendable):
    """Something in the demonstration is not as it has to be."""


@click.command()
def demo() -> None:
    """Start everything, transcribe two spoken samples through the public API, show what came of it, stop everything.

    Works in a temporary folder and on free ports; nothing is left behind.
    """
    run(_demo())


async def _demo() -> None:
    for file in (SAMPLE, SPOKEN, FRENCH, FRENCH_SPOKEN):
        if not file.exists():
            raise DemoFailed(f"{file} is missing: the demo runs from a checkout")
    own = without_given(os.environ)
    for name in sorted(os.environ.keys() - own.keys()):
        say(f"{name} is ignored: the demo touches nobody's data")
    with _temporary_folder() as folder:
        async with running_system(StackFolder(folder), 0, say, own) as addresses:
            say(f"ready {addresses.api_url}")
            await _demonstrate(addresses)
        say("stopped everything")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Removed in the end, but kept for whoever has to find out what went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="stenolog-demo-"))
    failed = False
    try:
        yield folder
    except Exception:
        failed = True
        say(f"something went wrong; the logs are in {folder / 'logs'}")
        raise
    finally:
        if not failed:
            shutil.rmtree(folder)


async def _demonstrate(addresses: Addresses) -> None:
    async with opened_client(addresses.api_url) as client:
        await _enter(client)
        before = await client.quota()
        transcription_id = await transcribe_file(client, SAMPLE)
        await _show_transcript(client, transcription_id)
        _show_quota(before, await client.quota())
        await _show_events(addresses.database_url, transcription_id)
        await _show_word_error_rate(client, transcription_id)
        await _show_second_language(client)


async def _enter(client: Client) -> None:
    email, password = f"demo-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(16)
    await client.register(email, password)
    await client.log_in(email, password)


async def _show_transcript(client: Client, transcription_id: UUID) -> None:
    _show("What was heard", (await client.export(transcription_id, "txt")).decode())
    cues = (await client.export(transcription_id, "srt")).decode().strip().split("\n\n")
    _show(f"The first {_CUES_SHOWN} of {len(cues)} subtitles", "\n\n".join(cues[:_CUES_SHOWN]))


def _show_quota(before: QuotaBody, after: QuotaBody) -> None:
    """Raises DemoFailed unless what was taken is what is counted as used, and nothing is held back any more."""
    lines = [f"{name:<6} {_as_minutes(quota)}" for name, quota in (("before", before), ("after", after))]
    _show("Quota", "\n".join(lines))
    taken = before.quota_minutes_remaining - after.quota_minutes_remaining
    used = after.quota_minutes_used - before.quota_minutes_used
    if not taken == used > 0 or after.quota_minutes_reserved:
        raise DemoFailed(
            f"the quota is wrong: {taken} minutes taken, {used} used, {after.quota_minutes_reserved} held"
        )


def _as_minutes(quota: QuotaBody) -> str:
    return (
        f"{quota.quota_minutes_remaining} minutes left, {quota.quota_minutes_reserved} reserved, "
        f"{quota.quota_minutes_used} used"
    )


async def _show_events(database_url: str, transcription_id: UUID) -> None:
    async with opened_log(database_url) as log:
        records = await with_related(log, await stream_records(log, str(transcription_id)))
    _show("What the auditor sees", "\n".join(Timeline().tell(records)))


async def _show_word_error_rate(client: Client, transcription_id: UUID) -> None:
    """Raises DemoFailed when too many words are wrong."""
    heard = (await client.export(transcription_id, "txt")).decode()
    rate = word_error_rate(SPOKEN.read_text(encoding="utf-8"), heard)
    _show("Word error rate", f"{rate:.1%} (at most {WORD_ERROR_RATE_MAX:.0%})")
    if rate >= WORD_ERROR_RATE_MAX:
        raise DemoFailed(f"the word error rate is {rate:.1%}")


async def _show_second_language(client: Client) -> None:
    """Nobody says that it is French. Raises DemoFailed when it is not heard, unless the model knows English only."""
    transcription_id = await transcribe_file(client, FRENCH)
    found = await client.transcription(transcription_id)
    if found.language_probability in (None, UNSET):
        _show("A second language", "not shown: the model knows English only")
        return
    heard = (await client.export(transcription_id, "txt")).decode()
    rate = word_error_rate(FRENCH_SPOKEN.read_text(encoding="utf-8"), heard)
    detected = f"{found.language}, with a probability of {found.language_probability:.0%}"
    _show("A second language", f"{detected}; word error rate {rate:.1%}\n{heard}")
    if found.language != "fr" or rate >= FRENCH_ERROR_RATE_MAX:
        raise DemoFailed(f"French was heard as {found.language} with a word error rate of {rate:.1%}")


def _show(title: str, content: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}\n{content}")


def word_error_rate(said: str, heard: str) -> float:
    """Words inserted, deleted or replaced, per word said; case and punctuation do not count."""
    words = _words(said)
    assert words, "nothing was said"
    return Levenshtein.distance(words, _words(heard)) / len(words)


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]

"""Everything of one person as a ZIP file: what the log says of them up to a moment, and the objects it names."""

import asyncio
import weakref
from collections.abc import AsyncGenerator, Sequence
from typing import Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.response import Stream

from api.errors import problems
from api.exports import FORMATS
from api.parts import Parts
from api.possessions import Possessions, readable_line
from api.rejections import ExportTooLarge
from api.requests import AuthenticatedRequest, Caller, wants_body
from api.zipping import Member, zipped
from domain.errors import PersonErased, TranscriptMissing
from domain.media_file import FileUploaded
from domain.ports import ObjectMissing
from domain.subtitles.layout import CUE_SECONDS_DEFAULT, LINE_CELLS_DEFAULT, LINES_DEFAULT, Layout
from domain.transcription import transcription_id_of

EVENTS_MAX: Final = 1_000_000
"""Nobody has as many; whoever does has to ask the operator."""
EVENTS_AT_ONCE: Final = 500
EVENT_BYTES_MAX: Final = 64 << 10
TRANSCRIPT_FORMATS: Final = ("txt", "srt", "vtt", "json")
TRANSCRIPT_STEM: Final = "transcript"
"""The name of whose recording is deleted."""
TRANSCRIPT_BYTES_MAX: Final = 256 << 20
NAME_BYTES_MAX: Final = 240
"""Of a file in it: of the 255 that file systems take, some are left for the ending of a transcript."""
EXTENSION_CHARACTERS_MAX: Final = 10
MEDIA_TYPE: Final = "application/zip"
_LAYOUT: Final = Layout(
    line_cells_max=LINE_CELLS_DEFAULT,
    lines_max=LINES_DEFAULT,
    cue_ms_max=round(CUE_SECONDS_DEFAULT * 1_000),
)


@get(
    "/auth/me/export",
    responses=problems(401, 410, 413, 429, 503)
    | {200: ResponseSpec(bytes, media_type=MEDIA_TYPE, description="The file", generate_examples=False)},
    tags=["accounts"],
)
async def export_me(
    request: AuthenticatedRequest, caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Stream:
    """All that is yours as a ZIP file: recordings, transcripts, and what was recorded about you."""
    await _require_staying(caller.user_id, parts)
    content = await _packing(caller.user_id, parts) if wants_body(request.scope) else iter([b""])
    headers = {"Content-Disposition": 'attachment; filename="stenolog-export.zip"'}
    return Stream(content, media_type=MEDIA_TYPE, headers=headers)


async def _packing(user_id: UUID, parts: Parts) -> AsyncGenerator[bytes, None]:
    """The bytes of the file, which has a place from now to their end. Raises ExportTooLarge, or what finds no place."""
    parts.export_room.take(user_id)
    try:
        seqs = await parts.own_events.seqs(user_id, EVENTS_MAX + 1)
        if len(seqs) > EVENTS_MAX:
            raise ExportTooLarge(EVENTS_MAX)
    except BaseException:
        parts.export_room.leave(user_id)
        raise
    packing = zipped(_Export(user_id, seqs, parts).members())
    # Also of a client that is gone before the answer begins, or in the middle of it.
    weakref.finalize(packing, parts.export_room.leave, user_id)
    return packing


async def _require_staying(user_id: UUID, parts: Parts) -> None:
    """Raises PersonErased."""
    own = await parts.credentials.find_of(user_id)
    if own is None or own.leaves:
        raise PersonErased


class _Export:
    """Consistent: the events up to a moment say which objects there are, and no object ever changes."""

    def __init__(self, user_id: UUID, seqs: Sequence[int], parts: Parts) -> None:
        self._user_id = user_id
        self._seqs = seqs
        self._parts = parts
        self._possessions = Possessions()
        self._missing: list[str] = []
        self._now = parts.clock.now()

    async def members(self) -> AsyncGenerator[Member, None]:
        """Whatever is read is read of who is still there. Breaks off with PersonErased."""
        yield self._member("events.ndjson", self._events(), len(self._seqs) * EVENT_BYTES_MAX)
        profile = msgspec.json.format(msgspec.json.encode(self._possessions.profile(self._user_id)))
        yield self._member("profile.json", _whole(profile), len(profile))
        for file in self._possessions.files.values():
            await _require_staying(self._user_id, self._parts)
            async for member in self._of_file(file):
                yield member
        for file_id in self._possessions.deleted_files:
            await _require_staying(self._user_id, self._parts)
            async for member in self._transcripts_of(file_id, TRANSCRIPT_STEM):
                yield member
        if self._missing:
            told = "".join(f"{name}\n" for name in self._missing).encode()
            yield self._member("missing.txt", _whole(told), len(told))

    async def _events(self) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(self._seqs), EVENTS_AT_ONCE):
            seqs = self._seqs[start : start + EVENTS_AT_ONCE]
            lines = []
            for record, event in await self._parts.own_events.read(self._user_id, seqs):
                self._possessions.hear(record, event)
                lines.append(readable_line(record, event))
            yield b"".join(lines)

    async def _of_file(self, file: FileUploaded) -> AsyncGenerator[Member, None]:
        """A recording, and its transcript in each format, under the id of the file: names may be the same."""
        name = f"recordings/{file.file_id}/{_plain(file.filename)}"
        if await self._parts.objects.exists(file.media_key):
            chunks = self._media(file.media_key)
            yield Member(
                name=name, at=file.uploaded_at, bytes_max=2 * file.size_bytes, chunks=chunks, squeezed=False
            )
        else:
            self._missing.append(name)
        async for member in self._transcripts_of(file.file_id, _stem(file.filename)):
            yield member

    async def _transcripts_of(self, file_id: UUID, stem: str) -> AsyncGenerator[Member, None]:
        key = self._possessions.transcripts.get(transcription_id_of(file_id))
        if key is None:
            return
        for format_ in TRANSCRIPT_FORMATS:
            name = f"transcripts/{file_id}/{stem}.{format_}"
            try:
                content = await self._transcript(key, format_)
            except TranscriptMissing:
                self._missing.append(name)
            else:
                yield self._member(name, _whole(content), len(content))

    async def _media(self, key: str) -> AsyncGenerator[bytes, None]:
        """Raises PersonErased when it is deleted meanwhile, alone or with all else: then the file breaks off."""
        try:
            async for chunk in self._parts.objects.stream(key):
                yield chunk
        except ObjectMissing as problem:
            raise PersonErased from problem

    async def _transcript(self, key: str, format_: str) -> bytes:
        """Raises TranscriptMissing."""
        transcript = await self._parts.texts.transcript(key)
        return (await asyncio.to_thread(FORMATS[format_].write, transcript, _LAYOUT)).encode()

    def _member(self, name: str, chunks: AsyncGenerator[bytes, None], bytes_max: int) -> Member:
        return Member(name=name, at=self._now, bytes_max=bytes_max, chunks=chunks)


async def _whole(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


def _plain(filename: str) -> str:
    """As the name of a file in a folder, also where other separators than ours are known."""
    plain = "".join("_" if sign in '/\\:*?"<>|' or not sign.isprintable() else sign for sign in filename)
    return _short(plain) if plain.strip(". ") else "recording"


def _short(name: str) -> str:
    """No longer than a folder takes it; a name of 255 signs may have thrice as many bytes."""
    stem, dot, extension = name.rpartition(".")
    end = dot + extension if stem and len(extension) <= EXTENSION_CHARACTERS_MAX else ""
    kept = name.removesuffix(end).encode()[: NAME_BYTES_MAX - len(end.encode())]
    return kept.decode(errors="ignore") + end


def _stem(filename: str) -> str:
    name = _plain(filename)
    return name.rpartition(".")[0] or name

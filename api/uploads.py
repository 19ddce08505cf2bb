"""Receives an upload: the one file of a multipart body, streamed to a private file with flat memory."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from litestar import Request
from litestar.exceptions import InternalServerException
from msgspec import Struct
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from api.filenames import HEADER_BYTES_MAX, HEADER_CHARSET, clean_filename, filename_of
from api.rejections import MalformedUpload, UploadTooLarge
from api.upload_room import UploadShare
from domain.errors import InvalidField
from domain.personal import PersonalText
from infrastructure.private_files import open_private, provide_private

FILE_PART: Final = "file"
PARTS_MAX: Final = 20
OVERHEAD_BYTES_MAX: Final = 64 << 10
"""Boundaries, part headers and parts other than the file, all together, where a form does not say otherwise."""
LENGTH_DIGITS_MAX: Final = 18
"""Of a Content-Length: an exabyte less one, which nobody has room for."""
BOUNDARY_CHARACTERS_MAX: Final = 200
WRITE_BYTES: Final = 1 << 20
NAME_CHARACTERS_MAX: Final = 100
"""Of a field's name in a message."""
_PREFIX: Final = "stenolog-upload-"
_LATIN: Final = frozenset({"iso-8859-1", "iso8859-1", "latin1", "latin-1", "windows-1252", "cp1252"})
"""One coding, as browsers have it (https://encoding.spec.whatwg.org/#names-and-labels)."""


class Field(Struct, frozen=True):
    """A part that is no file. U+FFFD stands for bytes that are no text, and then `is_text` is false."""

    name: str
    value: PersonalText
    is_text: bool = True


class Form(Struct, frozen=True, kw_only=True):
    """What a body may have beside the recording; `require` raises for the name of a field that it may not.

    `field_bytes_max` is for fields that are read: a longer one is refused by its name.
    """

    parts_max: int = PARTS_MAX
    overhead_bytes_max: int = OVERHEAD_BYTES_MAX
    field_bytes_max: int | None = None
    require: Callable[[str], None] = lambda _: None


ANY_FORM: Final = Form()


class Received(Struct, frozen=True, kw_only=True):
    """`path` has no extension: nothing may guess from a name what a file is."""

    path: Path
    filename: PersonalText
    size_bytes: int
    sha256: str
    fields: Sequence[Field] = ()


@asynccontextmanager
async def receive(
    request: Request[Any, Any, Any],
    spool: Path,
    bytes_max: int,
    share: UploadShare,
    form: Form = ANY_FORM,
) -> AsyncIterator[Received]:
    """The upload, for as long as the context lasts; then its file is gone.

    Raises MalformedUpload, UploadTooLarge, RequestStalled, Overloaded, OSError for a full disk, or what the form does.
    """
    bytes_max = min(bytes_max, share.bytes_max)
    boundary = _boundary_of(request)
    announced_bytes = _announced_size(request, bytes_max, form.overhead_bytes_max)
    share.grow_to(min(announced_bytes, bytes_max))
    # Whatever clears temporary files away takes that of a process which nobody sent anything to.
    await asyncio.to_thread(provide_private, spool)
    await asyncio.to_thread(share.require_disk, spool, announced_bytes)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=_PREFIX, dir=spool))
    try:
        yield await _Receiver(folder / "upload", bytes_max, share, form).receive(request, boundary)
    finally:
        # Files of gigabytes take a moment to delete.
        await asyncio.shield(asyncio.to_thread(_remove, folder))


def _remove(folder: Path) -> None:
    """A process that ends removes its whole spool, perhaps before its last upload has noticed."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _boundary_of(request: Request[Any, Any, Any]) -> str:
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    boundary = options.get("boundary", "")
    if media_type != "multipart/form-data":
        raise MalformedUpload(f"Send the recording as multipart/form-data, in a part called {FILE_PART!r}")
    if not 1 <= len(boundary) <= BOUNDARY_CHARACTERS_MAX:
        raise MalformedUpload(
            "Send the recording as multipart/form-data with a boundary: leave Content-Type to your HTTP library"
        )
    return str(boundary)


def _announced_size(request: Request[Any, Any, Any], bytes_max: int, overhead_bytes_max: int) -> int:
    """0 where the client does not say. Raises UploadTooLarge."""
    header = request.headers.get("Content-Length", "")
    digits = header if header.isascii() and header.isdecimal() else "0"
    if len(digits) > LENGTH_DIGITS_MAX:
        raise UploadTooLarge(bytes_max)
    announced = int(digits)
    if announced > bytes_max + overhead_bytes_max:
        raise UploadTooLarge(bytes_max)
    return announced


class _Receiver:
    """One body on its way into one file."""

    def __init__(self, path: Path, bytes_max: int, share: UploadShare, form: Form = ANY_FORM) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._share = share
        self._form = form
        self._fields: list[Field] = []
        self._field: str | None = None
        self._charset: str | None = None
        self._value = bytearray()
        self._filename: str | None = None
        self._in_file = False
        self._digest = sha256()
        self._size_bytes = 0
        self._body_bytes = 0
        self._unwritten = bytearray()

    async def receive(self, request: Request[Any, Any, Any], boundary: str) -> Received:
        parsed = _parsed(boundary, self._form.parts_max)
        with await asyncio.to_thread(open_private, self._path, "xb") as file, parsed as parser:
            async with aclosing(_chunks(request)) as chunks:
                async for chunk in chunks:
                    self._take(parser, chunk)
                    if len(self._unwritten) >= WRITE_BYTES:
                        await self._write(file)
            await self._write(file)
        if self._filename is None:
            raise MalformedUpload(f"No file part in the request: send the recording as {FILE_PART!r}")
        return Received(
            path=self._path,
            filename=self._filename,
            size_bytes=self._size_bytes,
            sha256=self._digest.hexdigest(),
            fields=self._fields,
        )

    def _take(self, parser: PushMultipartParser, chunk: bytes) -> None:
        self._body_bytes += len(chunk)
        for event in parser.parse(chunk):
            match event:
                case MultipartSegment():
                    self._begin(event)
                case None:
                    self._end()
                case content if self._in_file:
                    self._size_bytes += len(content)
                    self._unwritten += content
                case content:
                    self._take_value(content)
        if self._size_bytes > self._bytes_max:
            raise UploadTooLarge(self._bytes_max)
        if self._body_bytes - self._size_bytes > self._form.overhead_bytes_max:
            raise MalformedUpload(
                f"Send nothing but the recording, in a part called {FILE_PART!r}, and the few fields there are"
            )

    def _take_value(self, content: bytes) -> None:
        self._value += content
        bytes_max = self._form.field_bytes_max
        if bytes_max is not None and self._field is not None and len(self._value) > bytes_max:
            raise InvalidField(
                self._field[:NAME_CHARACTERS_MAX], f"has more than {bytes_max} bytes: send less"
            )

    def _begin(self, segment: MultipartSegment) -> None:
        filename = filename_of(segment)
        if segment.name != FILE_PART:
            self._field = _text(segment.name.encode(HEADER_CHARSET, "replace"))
            self._charset = segment.charset
            self._form.require(self._field)
            return
        if filename is None:
            raise MalformedUpload(
                f"No file part in the request: the part {FILE_PART!r} has no filename, send the recording with one"
            )
        if not filename:
            raise MalformedUpload("No selected file: send the recording with its filename")
        if self._filename is not None:
            raise MalformedUpload("Send one recording per upload")
        self._filename = clean_filename(filename)
        self._in_file = True

    def _end(self) -> None:
        """Of a part."""
        if self._field is not None:
            self._fields.append(_read(self._field, self._value, self._charset))
        self._field, self._in_file = None, False
        self._value.clear()

    async def _write(self, file: IO[bytes]) -> None:
        self._share.grow_to(self._size_bytes)
        content, self._unwritten = self._unwritten, bytearray()
        await asyncio.to_thread(self._write_now, file, content)

    def _write_now(self, file: IO[bytes], content: bytearray) -> None:
        self._share.require_disk(self._path, len(content))
        self._digest.update(content)
        file.write(content)
        file.flush()  # a full disk is noticed here, where it can be told


def _read(name: str, value: bytearray, charset: str | None) -> Field:
    """RFC 7578, 5.1.2: UTF-8 unless the part says otherwise, as some libraries do in Latin-1."""
    coding = "cp1252" if (charset or "").lower() in _LATIN else "utf-8"
    try:
        return Field(name, value.decode(coding))
    except UnicodeDecodeError:
        return Field(name, value.decode(coding, errors="replace"), is_text=False)


def _text(content: bytes) -> str:
    """A name: bytes that are not UTF-8 become U+FFFD, which no field has in its own."""
    return content.decode(errors="replace")


@contextmanager
def _parsed(boundary: str, parts_max: int) -> Iterator[PushMultipartParser]:
    try:
        with PushMultipartParser(
            boundary,
            max_segment_count=parts_max,
            max_header_size=HEADER_BYTES_MAX,
            header_charset=HEADER_CHARSET,
        ) as parser:
            yield parser
    except MultipartError as problem:
        raise MalformedUpload(_explained(str(problem), parts_max)) from problem


def _explained(problem: str, parts_max: int) -> str:
    if "header length" in problem:
        return "The header of a part is too long: send a shorter filename"
    if "segment count" in problem:
        return f"The body has more than {parts_max} parts: send the recording and the few fields there are"
    return "The multipart body is broken or ends early: upload the file again"


async def _chunks(request: Request[Any, Any, Any]) -> AsyncGenerator[bytes, None]:
    """The body as it comes in."""
    async with aclosing(request.stream()) as stream:
        try:
            async for chunk in stream:
                yield chunk
        except InternalServerException as problem:  # how the framework says that the client has gone
            raise MalformedUpload("The connection ended in the middle of the upload") from problem

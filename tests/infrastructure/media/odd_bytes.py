"""Rewrites what containers say about their sound, byte by byte."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import av

_CONTINUED: Final = 0xFFFF_FFFF_FFFF_FFFF


def set_edit(path: Path, *, begin_ticks: int, milliseconds: int) -> Path:
    """What the first edit list of an MP4 keeps: from a time of the track's clock, so long."""
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 12
    content[at : at + 8] = struct.pack(">Ii", milliseconds, begin_ticks)
    path.write_bytes(content)
    return path


def edit_pages(path: Path, edit: Callable[[int, bytearray, int], int]) -> Path:
    """Ogg pages (RFC 3533): `edit` gets number, page and granule position, and returns the new position."""
    pages = []
    for number, page in enumerate(_pages(path.read_bytes())):
        (granule,) = struct.unpack_from("<Q", page, 6)
        changed = granule if granule == _CONTINUED else edit(number, page, granule)
        struct.pack_into("<Q", page, 6, changed)
        struct.pack_into("<I", page, 22, 0)
        struct.pack_into("<I", page, 22, _ogg_crc(page))
        pages.append(bytes(page))
    path.write_bytes(b"".join(pages))
    return path


def _pages(content: bytes) -> Iterator[bytearray]:
    at = 0
    while at < len(content):
        segments = content[at + 26]
        length = 27 + segments + sum(content[at + 27 : at + 27 + segments])
        yield bytearray(content[at : at + length])
        at += length


def _crc_table(polynomial: int, bits: int) -> list[int]:
    top, mask = 1 << bits - 1, (1 << bits) - 1
    table = []
    for value in range(256):
        register = value << bits - 8
        for _ in range(8):
            register = (register << 1 ^ (polynomial if register & top else 0)) & mask
        table.append(register)
    return table


_OGG_TABLE: Final = _crc_table(0x04C1_1DB7, 32)
_CRC8_TABLE: Final = _crc_table(0x07, 8)
_CRC16_TABLE: Final = _crc_table(0x8005, 16)


def _crc(content: bytes | bytearray, table: list[int], bits: int) -> int:
    register = 0
    for byte in content:
        register = (register << 8 ^ table[register >> bits - 8 ^ byte]) & ((1 << bits) - 1)
    return register


def _ogg_crc(page: bytearray) -> int:
    return _crc(page, _OGG_TABLE, 32)


def flac_parts(path: Path) -> tuple[bytes, list[bytes]]:
    """What stands before the first frame, and the frames."""
    with av.open(str(path)) as container:
        frames = [bytes(packet) for packet in container.demux() if packet.size]
    content = path.read_bytes()
    return content[: content.index(frames[0])], frames


def renumber_flac(path: Path, number_of: Callable[[int], int]) -> Path:
    """FLAC frames (RFC 9639, section 9.1) with other coded numbers and true checksums."""
    head, frames = flac_parts(path)
    path.write_bytes(head + b"".join(_renumbered(frame, number_of(at)) for at, frame in enumerate(frames)))
    return path


def _renumbered(frame: bytes, number: int) -> bytes:
    length = next(
        length
        for length in range(1, 8)
        if frame[4] < (0x80, 0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF)[length - 1]
    )
    rest = 4 + length
    extra = {6: 1, 7: 2}.get(frame[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    head = frame[:4] + _coded(number) + frame[rest : rest + extra]
    body = head + bytes([_crc(head, _CRC8_TABLE, 8)]) + frame[rest + extra + 1 : -2]
    return body + struct.pack(">H", _crc(body, _CRC16_TABLE, 16))


def _coded(number: int) -> bytes:
    """As UTF-8 would code it, up to 36 bits."""
    if number < 0x80:
        return bytes([number])
    length = next(length for length in range(2, 8) if number < 1 << 5 * length + 1)
    tail = [0x80 | number >> 6 * shift & 0x3F for shift in reversed(range(length - 1))]
    lead = (0xFF00 >> length & 0xFF) | number >> 6 * (length - 1)
    return bytes([lead, *tail])


def chunk(name: bytes, content: bytes, told: int | None = None) -> bytes:
    """Of a RIFF file, padded; `told` is the length that it gives."""
    length = len(content) if told is None else told
    return struct.pack("<4sI", name, length) + content + bytes(len(content) & 1)


def wav(*chunks: bytes, name: bytes = b"RIFF", told: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", name, len(body) if told is None else told) + body


def wav_form(code: int, channels: int, rate: int, bits: int) -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits))


def id3(size: int) -> bytes:
    """An ID3v2 tag of so many bytes, with a picture that is none."""
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + length + bytes(size)

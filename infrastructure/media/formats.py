"""Which containers and codecs are read at all, and the one way to open a recording."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av
import av.logging
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext
import av.video.stream  # PyAV imports these when it meets such a stream: too late inside the sandbox
from av.container import InputContainer
from av.error import FFmpegError

from domain.media_errors import NotMedia
from infrastructure.media.amr import amr_source
from infrastructure.media.edits import patched_source
from infrastructure.media.joined import require_single
from infrastructure.media.leading import source_behind_junk
from infrastructure.media.spans import Spans, id3_bytes
from infrastructure.media.unsized import sized_source
from infrastructure.media.wav import header_of, survey

DEMUXERS: Final = ",".join(
    (
        *("wav", "w64", "aiff", "caf", "au", "flac", "mp3", "aac", "loas", "ogg", "matroska", "webm"),
        *(
            "mov",
            "mp4",
            "m4a",
            "3gp",
            "3g2",
            "mj2",
            "amr",
            "amrnb",
            "amrwb",
            "gsm",
            "asf",
            "mpegts",
            "mpeg",
        ),
        *(
            "avi",
            "flv",
            "live_flv",
            "kux",
            "ac3",
            "eac3",
            "dts",
            "dtshd",
            "truehd",
            "mlp",
            "wv",
            "tta",
            "tak",
        ),
        *("ape", "mpc", "mpc8", "dsf", "iff", "nistsphere", "voc", "rm", "ircam", "qcp", "shn", "smjpeg"),
        *("mxf", "dss", "xwma", "oma", "nut", "act", "ilbc", "pvf", "sox", "avr"),
    )
)
"""Nothing here refers to other files or addresses, as playlists, concat scripts and SDP do."""

_PCM: Final = (
    *(
        f"pcm_{kind}{order}"
        for kind in ("s16", "s24", "s32", "f32", "f64", "u16", "u24", "u32")
        for order in ("le", "be")
    ),
    *("pcm_s64le", "pcm_s64be", "pcm_s8", "pcm_u8", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd"),
    *("pcm_s8_planar", "pcm_s16be_planar", "pcm_s16le_planar", "pcm_s24le_planar", "pcm_s32le_planar"),
    *("pcm_f16le", "pcm_f24le", "s302m"),
)
_ADPCM: Final = (
    *("adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ima_oki", "adpcm_ms", "adpcm_swf", "adpcm_yamaha"),
    *("adpcm_ct", "adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "adpcm_ima_smjpeg"),
)
DECODERS: Final = frozenset(
    {
        *_PCM,
        *_ADPCM,
        *("aac", "aac_latm", "alac", "flac", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
        *(
            "mp3adu",
            "mp3adufloat",
            "mp3on4",
            "mp3on4float",
            "opus",
            "libopus",
            "vorbis",
            "speex",
            "nellymoser",
        ),
        *(
            "amrnb",
            "libopencore_amrnb",
            "amrwb",
            "libopencore_amrwb",
            "gsm",
            "gsm_ms",
            "ilbc",
            "qcelp",
            "evrc",
        ),
        *("g722", "g723_1", "g726", "g726le", "g729", "truespeech", "dss_sp", "siren", "msnsiren"),
        *("ac3", "eac3", "dca", "mlp", "truehd", "wmav1", "wmav2", "wmapro", "wmavoice", "wmalossless"),
        *("ape", "tta", "tak", "wavpack", "mpc7", "mpc8", "shorten", "atrac1", "atrac3", "atrac3plus"),
        *("cook", "ralf", "sipr", "real_144", "real_288", "mace3", "mace6", "qdm2", "als"),
        *("dsd_lsbf", "dsd_msbf", "dsd_lsbf_planar", "dsd_msbf_planar", "dst"),
    }
)

_OPTIONS: Final = {
    "format_whitelist": DEMUXERS,
    "protocol_whitelist": "file",
    # Holds while FFmpeg looks at the streams by itself; `tracks` holds for our own decoding.
    "codec_whitelist": ",".join(sorted(DECODERS)),
}
_ARCHIVES: Final = (b"PK\x03\x04", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%PDF")
_TAR_AT: Final = 257
_TAR: Final = b"ustar"
"""FFmpeg looks for sound anywhere, and finds the MP3 that was stored in an archive."""


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """The container, under a name that tells FFmpeg nothing. Raises NotMedia, or JoinedMedia."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.pread(descriptor, 8, 0).startswith(_ARCHIVES) or os.pread(descriptor, 5, _TAR_AT) == _TAR:
            raise NotMedia
        with av.open(
            _source(descriptor), "r", options=dict(_OPTIONS), metadata_errors="ignore"
        ) as container:
            yield container
    except FFmpegError as problem:
        raise NotMedia from problem
    finally:
        os.close(descriptor)


def _source(descriptor: int) -> str | Spans:
    """The file as it is, or without what would mislead FFmpeg about where its sound is."""
    if behind := source_behind_junk(descriptor):
        return behind
    require_single(descriptor)
    waves = survey(descriptor)
    if waves is not None and waves.is_odd:
        return Spans(descriptor, header_of(waves), waves.spans)
    if source := amr_source(descriptor) or sized_source(descriptor) or patched_source(descriptor):
        return source
    if tags := id3_bytes(descriptor):
        return Spans(descriptor, b"", [(tags, max(tags, os.fstat(descriptor).st_size))])
    return f"/dev/fd/{descriptor}"

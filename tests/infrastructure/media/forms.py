"""What phones, voicemail, cameras and recorders write, as far as PyAV can make it."""

from typing import Final

from tests.infrastructure.media.recordings import Form

FORMS: Final = (
    *(Form("amr", "libopencore_amrnb", 8_000), Form("3gp", "libopencore_amrnb", 8_000), Form("3g2", "aac")),
    *(Form("aiff", "pcm_s16be"), Form("aiff", "pcm_s24be"), Form("aiff", "pcm_alaw", 8_000)),
    *(
        Form("caf", "pcm_s16be"),
        Form("caf", "alac"),
        Form("caf", "adpcm_ima_qt"),
        Form("au", "pcm_mulaw", 8_000),
    ),
    *(
        Form("w64", "pcm_s16le"),
        Form("asf", "wmav1", bit_rate=64_000),
        Form("asf", "wmav2", bit_rate=64_000),
    ),
    *(
        Form("mpegts", "aac"),
        Form("mpegts", "mp2"),
        Form("mpegts", "ac3"),
        Form("mpegts", "libopus", 48_000),
    ),
    *(
        Form("mpeg", "mp2"),
        Form("vob", "ac3", 48_000),
        Form("mp2", "mp2"),
        Form("ac3", "ac3"),
        Form("eac3", "eac3"),
    ),
    *(Form("avi", "libmp3lame"), Form("avi", "pcm_s16le"), Form("avi", "adpcm_ms"), Form("avi", "ac3")),
    *(
        Form("flv", "libmp3lame"),
        Form("flv", "aac"),
        Form("flv", "nellymoser", 22_050),
        Form("latm", "aac"),
    ),
    *(
        Form("mov", "pcm_s16le"),
        Form("mov", "adpcm_ima_qt"),
        Form("mov", "pcm_alaw", 8_000),
        Form("mp4", "flac"),
    ),
    *(Form("tta", "tta"), Form("wv", "wavpack"), Form("rm", "real_144", 8_000), Form("ogg", "flac")),
    *(Form("matroska", "pcm_s16le"), Form("matroska", "libmp3lame"), Form("matroska", "flac")),
)

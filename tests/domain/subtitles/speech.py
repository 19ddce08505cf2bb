"""Transcripts to make subtitles of: random ones, and texts spoken at a steady pace."""

from hypothesis import strategies as st

from domain.cells import graphemes
from domain.transcript import Segment, Timing, Transcript, Word, transcript_of

_SIGNS = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf", "Mn", "Me", "Mc"]
)
_ENGLISH = [
    "the",
    "and",
    "of",
    "1",
    "000",
    "3.5",
    "%",
    "yes.",
    "No!",
    "well,",
    "Anna",
    "Berg",
    "-based",
    "--",
    "(so)",
    "-->",
    "<b>",
    "&amp;",
    "{x}",
]
_OTHERS = [
    "海",
    "很平静",
    "です。",
    "っ",
    "「",
    "สวัสดี",
    "ครับ",
    "שלום",
    "مرحبا",
    "été",
    "क्षत्रिय",
    "👩\u200d👩\u200d👧\u200d👦",
    "🇩🇪🇫🇷",
]
_WIDE = ["https://example.com/" + "a" * 60, "海" * 70, "👩\u200d👩\u200d👧\u200d👦" * 30]
_SPELLED = st.sampled_from([*_ENGLISH, *_OTHERS, *_WIDE])
_TEXTS = st.one_of(_SPELLED, st.text(_SIGNS, min_size=1, max_size=14))
_TIMINGS: st.SearchStrategy[Timing] = st.sampled_from(("heard", "heard", "heard", "estimated"))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Any words with any pauses between them, some glued, some typed, some of no length, as they come."""
    words, now_ms = [], 0
    for text in draw(st.lists(_TEXTS, min_size=1, max_size=60)):
        start_ms = now_ms + draw(st.sampled_from([0, 0, 60, 300, 2_500]))
        end_ms = start_ms + draw(st.sampled_from([0, 120, 400, 900, 9_000]))
        space = draw(st.sampled_from([" ", " ", " ", ""]))
        timing = draw(_TIMINGS)
        words.append(Word(text=space + text, start_ms=start_ms, end_ms=end_ms, timing=timing))
        now_ms = end_ms
    size = draw(st.integers(1, 12))
    segments = [Segment(words=tuple(words[at : at + size])) for at in range(0, len(words), size)]
    language = draw(st.sampled_from(["en", "de", "fr", "es", "it", "pt", "nl", "ru", "zh", "th", "he", ""]))
    return transcript_of(
        segments, language=language, duration_ms=now_ms + draw(st.sampled_from([1, 4_000]))
    )


def speech(
    text: str, *, word_ms: int = 350, gap_ms: int = 0, language: str = "en", silence_ms: int = 0
) -> Transcript:
    """Every word takes `word_ms`; after the last there is silence."""
    words = [
        Word(text=f" {word}", start_ms=at * (word_ms + gap_ms), end_ms=at * (word_ms + gap_ms) + word_ms)
        for at, word in enumerate(text.split())
    ]
    duration_ms = words[-1].end_ms + silence_ms
    return transcript_of([Segment(words=tuple(words))], language=language, duration_ms=duration_ms)


def signs(text: str) -> list[str]:
    """What a reader sees, without the spaces; one may carry a sign that belongs to what is before it."""
    return [sign.strip() for sign in graphemes(text) if not sign.isspace()]

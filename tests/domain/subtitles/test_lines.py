"""Lines: broken where a reader would break, balanced, and never inside a sign, a number or a name."""

import pytest

from domain.cells import cells, graphemes
from domain.subtitles.cues import cues_of
from domain.subtitles.layout import Layout
from domain.transcript import Segment, Word, transcript_of
from tests.domain.subtitles.speech import signs, speech


def lines_of(text: str, language: str = "en", line_cells_max: int = 42) -> list[str]:
    transcript = speech(text, word_ms=200, language=language, silence_ms=20_000)
    return [
        line for cue in cues_of(transcript, Layout(line_cells_max=line_cells_max)) for line in cue.lines
    ]


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ["Thank you all for coming,", "and good morning to everyone here"]),
        ("en", ["We have known about it for years", "but nobody has said so"]),
        ("en", ["She put the old letters back", "into the box in the kitchen"]),
        ("de", ["Wir wissen es seit vielen Jahren,", "aber niemand hat es gesagt"]),
        ("de", ["Wir gehen heute nicht arbeiten", "weil die Sonne so schön scheint"]),
        ("fr", ["Nous le savons depuis longtemps", "mais personne ne l'a jamais dit"]),
        ("es", ["Todos lo sabemos desde siempre", "pero nadie lo ha dicho nunca"]),
        ("it", ["Lo sappiamo tutti quanti da anni", "ma nessuno lo ha mai detto"]),
        ("pt", ["Todos sabemos disso há muito tempo", "mas ninguém disse nada"]),
        ("nl", ["Wij weten het al heel erg lang", "maar niemand heeft het gezegd"]),
        ("ru", ["Мы все это знаем уже давно", "но никто об этом не говорил"]),
    ],
)
def test_a_line_ends_where_a_reader_would_pause(language: str, lines: list[str]) -> None:
    assert lines_of(" ".join(lines), language) == lines


@pytest.mark.parametrize(
    "together",
    [
        "1 000 000",
        "3.5 million",
        "20 %",
        "€ 5",
        "Angela Merkel",
        "Dr. Smith",
        "the house",
        "New York City",
        "10 km",
    ],
)
def test_a_line_never_ends_inside_a_number_or_a_name(together: str) -> None:
    """Wherever in the sentence it stands: elsewhere there is always a better place."""
    for before in range(1, 45):
        lines = lines_of(f"{'x ' * before}{together} {'x ' * 45}")
        assert [line for line in lines if together in line], lines


def test_two_lines_are_about_as_long_as_each_other() -> None:
    first, second = lines_of("aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj", language="xx")
    assert abs(cells(first) - cells(second)) <= 5


def test_what_fits_one_line_is_in_one_line() -> None:
    assert lines_of("Well, then, that is that, my friend.") == ["Well, then, that is that, my friend."]


def test_wide_signs_are_two_cells() -> None:
    """Row 33: sixty of them in one line were seen."""
    words = tuple(Word(text="海", start_ms=at * 200, end_ms=at * 200 + 200) for at in range(60))
    cues = cues_of(transcript_of([Segment(words=words)], language="zh", duration_ms=20_000))
    assert max(len(line) for cue in cues for line in cue.lines) <= 21
    assert "".join(cue.text for cue in cues) == "海" * 60


def test_no_line_begins_with_what_closes_or_ends_with_what_opens() -> None:
    text = "彼は「今日、海へ行く。」と言っ、た。「きょう、ー、」" * 20
    words = tuple(Word(text=sign, start_ms=at * 150, end_ms=at * 150 + 150) for at, sign in enumerate(text))
    cues = cues_of(transcript_of([Segment(words=words)], language="ja", duration_ms=99_000))
    lines = [line for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert not [line for line in lines if line[0] in "、。」っょー" or line[-1] == "「"]


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧\u200d👦" * 60,
        "🇩🇪" * 60,
        "👍🏽" * 60,
        "e\u0301\u0323" * 120,
        "क्षत्रिय" * 30,
        "ที่นี่กำลัง" * 30,
        "葛\U000e0100" * 60,
        "각" * 60,
    ],
)
@pytest.mark.parametrize("pieces", [False, True])
def test_nothing_is_split_inside_a_grapheme(text: str, *, pieces: bool) -> None:
    """Row 36, also where an engine gives each code point as a word of its own."""
    said = list(text) if pieces else [text]
    words = tuple(Word(text=each, start_ms=at * 50, end_ms=at * 50 + 50) for at, each in enumerate(said))
    transcript = transcript_of([Segment(words=words)], language="xx", duration_ms=99_000)
    lines = [line for cue in cues_of(transcript, Layout(line_cells_max=11)) for line in cue.lines]
    assert [sign for line in lines for sign in graphemes(line)] == list(graphemes(text))
    assert all(cells(line) <= 11 for line in lines)


@pytest.mark.parametrize("text", ["שלום לכולם, ותודה שבאתם (היום) 3.5 אחוז.", "مرحبا بكم في 2026، وشكرا."])
def test_right_to_left_text_keeps_its_order(text: str) -> None:
    assert signs("".join(lines_of(text * 5, language="he"))) == signs(text * 5)


def test_a_word_wider_than_a_line_goes_on_in_the_next() -> None:
    address = "https://example.com/" + "a" * 60
    lines = lines_of(f"see {address} now")
    assert address in "".join(lines)
    assert all(cells(line) <= 42 for line in lines)

"""What the Riva engine asks of a server, and what becomes of answers that are late, wrong, or never come."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from domain.errors import LanguageRequired, LanguageUnsupported, PromptUnsupported, TranslationUnsupported
from domain.instructions import Instructions
from domain.ports import UNDETERMINED, Recognised, Window
from inference_worker import faults
from inference_worker.engines.riva.engine import RivaEngine
from inference_worker.engines.riva.server import RivaServer
from inference_worker.faults import EngineAway, Fault, Misfit
from infrastructure.media.pcm import BYTES_PER_SECOND, SAMPLE_RATE
from tests.inference_worker.riva_server import (
    ENGLISH,
    Riva,
    answering,
    failing,
    result,
    silent,
    slow,
)
from tests.stack.certificates import Authority

Code = grpc.StatusCode
PATIENCE_SECONDS = 2.0
STREAMING = ("parakeet-en", {"language_code": "en-US", "type": "online"})
TOKEN = "Bearer nvapi-secret"
WAIT_SECONDS_MAX = 20.0


@pytest.fixture
def riva() -> Iterator[Riva]:
    with Riva() as running:
        yield running


@pytest.fixture(params=[ENGLISH, STREAMING], ids=["offline", "streaming"])
def either(request: pytest.FixtureRequest) -> Iterator[Riva]:
    with Riva(request.param) as running:
        yield running


def engine(riva: Riva, **settings: Any) -> RivaEngine:
    settings = {"patience_seconds": PATIENCE_SECONDS, "deadline_seconds": 10.0} | settings
    return RivaEngine(RivaServer(address=riva.address, **settings))


def sound(seconds: float, *, start_ms: int = 0) -> Window:
    pcm = np.full(round(seconds * SAMPLE_RATE), 1_000, dtype="<i2").tobytes()
    return Window(index=0, start_ms=start_ms, end_ms=start_ms + round(seconds * 1000), pcm=pcm)


def hear(
    asked: RivaEngine, window: Window | None = None, instructions: Instructions | None = None
) -> Recognised:
    return asked.transcribe(window or sound(4.0), instructions or Instructions(), lambda _: None)


def words(recognised: Recognised) -> list[tuple[str, int]]:
    return [(word.text, word.start_ms) for segment in recognised.segments for word in segment.words]


def refusal(asked: RivaEngine) -> Fault:
    with pytest.raises(Fault) as refused:
        hear(asked)
    return refused.value


def test_a_call_says_what_the_sound_is_and_what_is_wanted_of_it(riva: Riva) -> None:
    hear(
        engine(riva, model="parakeet-en", boost=7.5),
        sound(2.0),
        Instructions(language="en-GB", vocabulary=("Anna Nowak", "Araçatuba")),
    )
    [call] = riva.calls
    config = call.config
    assert (config.encoding, config.sample_rate_hertz, config.audio_channel_count) == (1, 16_000, 1)
    assert (config.language_code, config.model) == ("en-US", "parakeet-en")
    assert (config.enable_word_time_offsets, config.enable_automatic_punctuation) == (True, True)
    [context] = config.speech_contexts
    assert (list(context.phrases), context.boost) == (["Anna Nowak", "Araçatuba"], 7.5)
    assert len(call.pcm) == 2 * BYTES_PER_SECOND
    assert call.seconds_left < 11.0


def test_without_punctuation_none_is_asked_for_and_the_engine_is_another_one(riva: Riva) -> None:
    plain = engine(riva, punctuation=False)
    hear(plain)
    assert not riva.calls[0].config.enable_automatic_punctuation
    assert not riva.calls[0].config.speech_contexts
    assert len({plain.name, engine(riva).name, engine(riva, boost=1.0).name}) == 3


def test_words_have_the_servers_times_confidences_and_punctuation(riva: Riva) -> None:
    heard = hear(engine(riva), sound(1.0, start_ms=60_000))
    [segment] = heard.segments
    assert [(each.text, each.start_ms, each.end_ms, each.probability) for each in segment.words] == [
        (" word-0", 60_000, 60_400, 0.9003),
        (" word-500.", 60_500, 60_900, 0.9003),
    ]
    assert heard.language == "en-US"


def test_what_the_server_cannot_do_is_refused_before_it_is_asked(riva: Riva) -> None:
    english = engine(riva)
    for asked, problem in [
        (Instructions(language="de"), LanguageUnsupported),
        (Instructions(task="translate"), TranslationUnsupported),
        (Instructions(prompt="A meeting."), PromptUnsupported),
    ]:
        with pytest.raises(problem):
            hear(english, instructions=asked)
    assert riva.calls == []


def test_among_several_languages_one_has_to_be_told() -> None:
    with Riva(("m", {"language_code": "en-US,de-DE", "type": "offline"})) as several:
        asked = engine(several)
        with pytest.raises(LanguageRequired):
            hear(asked)
        assert hear(asked, instructions=Instructions(language="de")).language == "de"
        assert several.calls[0].config.language_code == "de-DE"


def test_a_model_that_detects_the_language_tells_it() -> None:
    with Riva(("m", {"language_code": "multi", "type": "offline"})) as multilingual:
        heard = hear(engine(multilingual))
    assert (heard.language, {each.language for each in heard.segments}) == ("fr-FR", {"fr-FR"})


def test_silence_is_in_no_language(either: Riva) -> None:
    heard = hear(engine(either), Window(index=0, start_ms=0, end_ms=1_000, pcm=bytes(BYTES_PER_SECOND)))
    assert (list(heard.segments), heard.language) == ([], UNDETERMINED)


def test_a_long_window_is_sent_in_parts_below_the_message_limit_and_loses_nothing(riva: Riva) -> None:
    limit = 300_000
    positions: list[int] = []
    window = sound(30.0, start_ms=60_000)
    asked = engine(riva, message_bytes_max=limit)
    heard = asked.transcribe(window, Instructions(vocabulary=("x" * 100,) * 1), positions.append)
    assert len(riva.calls) > 3
    assert all(len(call.pcm) + call.config.ByteSize() < limit for call in riva.calls)
    assert b"".join(call.pcm for call in riva.calls) == window.pcm
    begins = [begin for _, begin in words(heard)]
    assert begins == sorted(begins)
    assert len(begins) > 50
    assert (positions[0], positions[-1]) == (60_000, 90_000)
    assert positions == sorted(positions)


def test_a_window_of_the_usual_size_is_one_message(riva: Riva) -> None:
    hear(engine(riva), sound(60.0))
    assert [len(call.pcm) for call in riva.calls] == [60 * BYTES_PER_SECOND]


def test_a_server_that_takes_shorter_messages_is_a_wrong_setting(riva: Riva) -> None:
    """The tests' server has gRPC's own limit of four mebibytes."""
    with pytest.raises(Misfit, match=r"^STENOLOG_RIVA_MESSAGE_BYTES_MAX: .* lower it .*RESOURCE_EXHAUSTED"):
        hear(engine(riva, message_bytes_max=64 << 20), sound(180.0))


def test_a_slow_answer_is_waited_for(either: Riva) -> None:
    either.script.append(slow(1.0))
    assert words(hear(engine(either)))
    assert len(either.calls) == 1


def test_streaming_tells_how_far_it_has_come_and_only_final_results_count() -> None:
    positions: list[int] = []
    with Riva(STREAMING) as streaming:
        heard = engine(streaming).transcribe(sound(10.0, start_ms=5_000), Instructions(), positions.append)
    assert [begin for _, begin in words(heard)] == list(range(5_000, 15_000, 500))
    assert positions == sorted(positions)
    assert len(set(positions)) > 8


def test_a_stream_that_breaks_after_a_part_of_its_results_is_asked_again_for_all() -> None:
    with Riva(STREAMING) as streaming:
        streaming.script.append(failing(Code.UNAVAILABLE))
        heard = hear(engine(streaming), sound(10.0))
        assert len(streaming.calls) == 2
    assert [begin for _, begin in words(heard)] == list(range(0, 10_000, 500))


def test_a_stream_that_ends_well_before_the_server_had_all_the_sound_is_asked_again_for_all() -> None:
    with Riva(STREAMING) as streaming:
        streaming.early_ends.append(1)
        heard = hear(engine(streaming), sound(120.0))
        assert len(streaming.calls) == 2
    assert [begin for _, begin in words(heard)] == list(range(0, 120_000, 500))


def test_a_server_that_ends_every_stream_too_early_fails_the_attempt_rather_than_lose_words() -> None:
    with Riva(STREAMING) as streaming:
        streaming.early_ends.extend([1] * 100)
        with pytest.raises(Fault) as failed:
            hear(engine(streaming), sound(120.0))
    assert (failed.value.reason, failed.value.permanent) == (faults.ENGINE_STALLED, False)
    assert "it ended a stream before it had all the sound" in failed.value.problem


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED])
def test_an_outage_is_sat_out(either: Riva, code: grpc.StatusCode) -> None:
    either.script.extend([failing(code), failing(code)])
    assert words(hear(engine(either)))
    assert len(either.calls) == 3


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED])
def test_an_outage_that_lasts_is_one(either: Riva, code: grpc.StatusCode) -> None:
    either.script.extend([failing(code)] * 100)
    with pytest.raises(EngineAway, match=f"{code.name}: on purpose"):
        hear(engine(either))
    assert len(either.calls) > 2


def test_a_server_that_answers_nothing_any_more_is_away(either: Riva) -> None:
    asked = engine(either, deadline_seconds=1.0)
    either.script.extend([silent()] * 10)
    either.glances.extend([silent()] * 10)
    with pytest.raises(EngineAway, match="DEADLINE_EXCEEDED"):
        hear(asked)


def test_a_piece_that_a_healthy_server_never_gets_through_with_is_a_failed_attempt(either: Riva) -> None:
    """Handed back without cost it would go round for ever."""
    asked = engine(either, deadline_seconds=1.0)
    either.script.extend([silent()] * 10)
    failed = refusal(asked)
    assert (failed.reason, failed.permanent) == (faults.ENGINE_STALLED, False)


def test_a_call_that_is_given_up_is_cancelled_at_the_server(either: Riva) -> None:
    asked = engine(either, deadline_seconds=1.0)
    either.script.append(silent())
    assert words(hear(asked))
    ends_at = time.monotonic() + WAIT_SECONDS_MAX
    while not either.cancelled:
        assert time.monotonic() < ends_at
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    ("code", "reason", "permanent"),
    [
        (Code.INVALID_ARGUMENT, faults.ENGINE_REFUSED, True),
        (Code.FAILED_PRECONDITION, faults.ENGINE_REFUSED, True),
        (Code.INTERNAL, faults.ENGINE_FAILED, False),
        (Code.UNKNOWN, faults.ENGINE_FAILED, False),
        (Code.ABORTED, faults.ENGINE_FAILED, False),
    ],
)
def test_what_is_no_outage_fails_at_once_with_the_servers_reason(
    riva: Riva, code: grpc.StatusCode, reason: str, permanent: bool
) -> None:
    riva.script.append(failing(code, "no such\n thing"))
    failed = refusal(engine(riva))
    assert (failed.reason, failed.permanent, len(riva.calls)) == (reason, permanent, 1)
    assert failed.problem.endswith(f"{code.name}: no such thing")


def test_a_vocabulary_is_not_in_the_reason(riva: Riva) -> None:
    riva.script.append(failing(Code.INVALID_ARGUMENT, "cannot boost 'anna NOWAK', nor Nowak"))
    with pytest.raises(Fault) as refused:
        hear(engine(riva), instructions=Instructions(vocabulary=("Anna Nowak",)))
    assert refused.value.problem == "Riva refuses it: INVALID_ARGUMENT: cannot boost '…', nor …"


@pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED])
def test_a_server_that_does_not_let_us_in_is_a_wrong_setting_at_the_start_and_later(
    riva: Riva, code: grpc.StatusCode
) -> None:
    riva.glances.append(failing(code))
    with pytest.raises(Misfit, match=f"^STENOLOG_RIVA_METADATA: .*{code.name}: on purpose"):
        engine(riva)
    riva.script.append(failing(code))
    with pytest.raises(Misfit, match=r"^STENOLOG_RIVA_METADATA: "):
        hear(engine(riva))


def test_answers_may_lack_results_alternatives_and_words(riva: Riva) -> None:
    riva.script.append(answering())
    assert words(hear(engine(riva))) == []
    riva.script.append(answering(result(""), result("one.", ("one", 100, 300))))
    assert words(hear(engine(riva))) == [(" one.", 100)]


def test_an_engine_waits_at_its_start_for_a_server_that_comes(riva: Riva) -> None:
    riva.glances.extend([failing(Code.UNAVAILABLE), failing(Code.UNAVAILABLE)])
    assert engine(riva).abilities.only_english


def test_a_server_that_is_not_there_at_the_start_is_away() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(EngineAway, match=r"UNAVAILABLE: .*refused"):
            RivaEngine(RivaServer(address=address, patience_seconds=0.5))


def test_a_server_that_went_away_is_found_again_when_it_is_back() -> None:
    with Riva() as first:
        asked = engine(first, patience_seconds=WAIT_SECONDS_MAX)
        port = int(first.address.rpartition(":")[2])
        assert words(hear(asked))
    back = Riva(port=port)
    starting = threading.Timer(1.0, back.__enter__)
    starting.start()
    try:
        assert words(hear(asked))
    finally:
        starting.join()
        back.__exit__()


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (Code.UNIMPLEMENTED, "ADDRESS: what answers there recognises no speech, or is not Riva"),
        (Code.NOT_FOUND, "ADDRESS: what answers there recognises no speech, or is not Riva"),
        (Code.INVALID_ARGUMENT, "ADDRESS: what answers there does not say what it has"),
    ],
)
def test_what_speaks_no_riva_is_a_wrong_address(riva: Riva, code: grpc.StatusCode, wrong: str) -> None:
    riva.glances.append(failing(code))
    with pytest.raises(Misfit, match=f"^STENOLOG_RIVA_{wrong}"):
        engine(riva)


def test_a_server_with_an_error_of_its_own_at_the_start_is_away(riva: Riva) -> None:
    riva.glances.append(failing(Code.INTERNAL))
    with pytest.raises(EngineAway, match="INTERNAL: on purpose"):
        engine(riva)


def test_a_server_that_has_lost_its_models_fails_no_recording(riva: Riva) -> None:
    riva.script.append(failing(Code.INVALID_ARGUMENT, "Error: Unavailable model requested given these"))
    with pytest.raises(Misfit, match=r"^STENOLOG_RIVA_MODEL: the server has no longer"):
        hear(engine(riva))


def test_over_tls_a_certificate_and_metadata_are_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    theirs, ours = authority.certify("theirs"), authority.certify("ours")
    with Riva(tls=theirs, client_ca=authority.ca.read_bytes()) as secure:
        asked = engine(
            secure,
            tls=True,
            ca=str(authority.ca),
            cert=str(ours.certificate),
            key=str(ours.key),
            metadata=(("authorization", TOKEN), ("function-id", "0-1")),
        )
        assert words(hear(asked))
        [call] = secure.calls
    assert (call.metadata["authorization"], call.metadata["function-id"]) == (TOKEN, "0-1")


def test_a_token_that_a_server_repeats_is_not_in_the_reason(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Riva(tls=authority.certify("theirs")) as secure:
        secure.glances.append(failing(Code.UNAUTHENTICATED, f"who is {TOKEN.split()[1]}?"))
        with pytest.raises(Misfit, match=r"UNAUTHENTICATED: who is …\?") as refused:
            engine(secure, tls=True, ca=str(authority.ca), metadata=(("authorization", TOKEN),))
        assert "nvapi" not in str(refused.value)


@pytest.mark.parametrize(
    ("server", "trusted", "why"),
    [
        ("stranger", "authority", "CERTIFICATE_VERIFY_FAILED"),
        ("other name", "authority", "Hostname Verification Check failed"),
        ("no TLS", "authority", "WRONG_VERSION_NUMBER"),
    ],
)
def test_a_server_that_is_not_to_be_trusted_is_a_wrong_setting(
    tmp_path: Path, server: str, trusted: str, why: str
) -> None:
    authority, stranger = Authority(tmp_path, trusted), Authority(tmp_path, "stranger")
    shown = {
        "stranger": stranger.certify("theirs"),
        "other name": authority.certify("elsewhere", host="example.org"),
        "no TLS": None,
    }[server]
    with Riva(tls=shown) as untrusted, pytest.raises(Misfit, match=f"^STENOLOG_RIVA_TLS, .*{why}"):
        engine(untrusted, tls=True, ca=str(authority.ca))


def test_a_certificate_that_cannot_be_read_is_named(riva: Riva, tmp_path: Path) -> None:
    with pytest.raises(Misfit, match=r"^STENOLOG_RIVA_CA: .* cannot be read: no such file"):
        engine(riva, tls=True, ca=str(tmp_path / "missing"))

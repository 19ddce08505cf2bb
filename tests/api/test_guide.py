"""The guide's main path: its fields, messages and status codes."""

from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from domain.transcript import MediaWarning, Transcript
from domain.transcription import transcription_id_of
from tests.api.rig import HEARD, PASSWORD, Installation, Person, fail, sound, start


async def test_registering_answers_the_guides_message(installation: Installation) -> None:
    credentials = {"email": "New.Person@Example.com", "password": PASSWORD}
    answer = await installation.client().post("/auth/register", json=credentials)
    assert (answer.status_code, answer.json()) == (201, {"message": "User registered successfully"})


async def test_a_login_answers_a_token_and_the_user(installation: Installation, anna: Person) -> None:
    credentials = {"email": anna.email.upper(), "password": PASSWORD}
    answer = await installation.client().post("/auth/login", json=credentials)
    assert answer.status_code == 200
    assert answer.json()["user"] == {"id": anna.user_id, "email": anna.email, "quota_minutes": 60}
    token = answer.json()["token"]
    me = await installation.client().get("/auth/me", headers={"Authorization": f"bearer {token}"})
    assert (me.status_code, me.json()["user"]["id"]) == (200, anna.user_id)


async def test_an_upload_answers_what_was_measured(anna: Person) -> None:
    answer = await anna.uploads(sound(2.5), "my talk.wav")
    assert answer.status_code == 201
    body = answer.json()
    assert body == {
        "file_id": str(UUID(body["file_id"])),
        "filename": "my talk.wav",
        "status": "uploaded",
        "duration_seconds": 2.5,
        "message": "File uploaded successfully",
    }


async def test_uploads_are_listed_newest_first_with_their_transcriptions(anna: Person) -> None:
    first = await anna.has_file("first.wav")
    second = await anna.has_file("second.wav")
    await anna.client.post("/transcriptions", json={"file_id": first})
    answer = await anna.client.get("/files")
    assert answer.status_code == 200
    shown = [(each["file_id"], each["filename"], each["transcription_status"]) for each in answer.json()]
    assert shown == [(second, "second.wav", "not_initiated"), (first, "first.wav", "queued")]
    assert answer.json()[0]["transcription_id"] is None
    assert answer.json()[1]["transcription_id"] == str(transcription_id_of(UUID(first)))
    assert answer.json()[1]["upload_date"].endswith("Z")
    assert (await anna.client.get(f"/files/{first}")).json() == answer.json()[1]


async def test_a_request_is_accepted_and_reserves_minutes(anna: Person) -> None:
    file_id = await anna.has_file()
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id})
    transcription_id = str(transcription_id_of(UUID(file_id)))
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "transcription_id": transcription_id,
            "file_id": file_id,
            "status": "queued",
            "message": "Transcription queued successfully",
        },
    )
    assert answer.headers["Location"] == f"/v1/transcriptions/{transcription_id}"
    assert (await anna.client.get("/user/quota")).json() == {
        "quota_minutes_remaining": 59,
        "quota_minutes_reserved": 1,
        "quota_minutes_used": 0,
    }


async def test_a_queued_transcription_says_when_to_ask_again(anna: Person) -> None:
    answer = await anna.client.get(f"/transcriptions/{await anna.has_requested()}")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["progress_percentage"]) == ("queued", 0)
    assert answer.headers["Retry-After"] == "1"
    assert "transcript_text" not in answer.json()


async def test_a_completed_transcription_has_its_text_and_spent_its_minutes(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    body = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()
    assert body["status"] == "completed"
    assert body["transcript_text"] == "Hello world."
    assert body["progress_percentage"] == 100
    assert body["processing_time_seconds"] == 3
    assert body["completed_at"].startswith("2026-03-01T12:00:00")
    assert (await anna.client.get("/user/quota")).json() == {
        "quota_minutes_remaining": 59,
        "quota_minutes_reserved": 0,
        "quota_minutes_used": 1,
    }


async def test_a_failed_transcription_says_when_and_why(installation: Installation, anna: Person) -> None:
    transcription_id = await anna.has_requested()
    await fail(installation, UUID(transcription_id), UUID(anna.user_id))
    body = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()
    assert (body["status"], body["failure_reason"]) == ("failed", "unreadable")
    assert "completed_at" in body


async def test_transcriptions_are_listed_newest_first(anna: Person) -> None:
    older = await anna.has_requested("older.wav")
    newer = await anna.has_requested("newer.wav")
    answer = await anna.client.get("/transcriptions")
    assert [each["transcription_id"] for each in answer.json()] == [newer, older]
    assert answer.json()[0]["completed_at"] is None


@pytest.mark.parametrize("running", [False, True])
async def test_cancelling_releases_the_minutes(
    installation: Installation, anna: Person, *, running: bool
) -> None:
    transcription_id = await anna.has_requested()
    if running:
        await start(installation, UUID(transcription_id), UUID(anna.user_id))
    answer = await anna.client.post(f"/transcriptions/{transcription_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (await anna.client.get("/user/quota")).json()["quota_minutes_remaining"] == 60
    assert (await anna.client.get(f"/transcriptions/{transcription_id}")).json()["status"] == "cancelled"


async def test_an_edit_is_what_is_read_afterwards(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    answer = await anna.client.put(
        f"/transcriptions/{transcription_id}/text", json={"transcript_text": "Hello you."}
    )
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "transcription_id": transcription_id,
            "status": "completed",
            "message": "Transcript updated successfully",
            "revision": 2,
        },
    )
    body = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()
    assert (body["transcript_text"], body["revision"]) == ("Hello you.", 2)
    shown = (await anna.client.get(f"/transcriptions/{transcription_id}/transcript")).json()
    words = shown["transcript"]["segments"][0]["words"]
    assert [(word["text"], word["start_ms"], word["edited"]) for word in words] == [
        ("Hello", 0, False),
        (" you.", 500, True),
    ]


async def test_a_text_may_be_edited_away(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    path = f"/transcriptions/{transcription_id}"
    assert (await anna.client.put(f"{path}/text", json={"transcript_text": ""})).status_code == 200
    assert (await anna.client.get(path)).json()["transcript_text"] == ""
    assert (await anna.client.get(f"{path}/export")).text == ""


@pytest.mark.parametrize(
    ("format_", "media_type", "content"),
    [
        ("txt", "text/plain", "Hello world."),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:00,900\nHello world.\n"),
        ("VTT", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHello world.\n"),
        ("lrc", "text/plain", "[00:00.00]Hello world.\n[00:00.90]\n"),
        (
            "csv",
            "text/csv",
            '"number","start_seconds","end_seconds","text"\r\n1,0.0,0.9,"Hello world."\r\n',
        ),
    ],
)
async def test_an_export_is_a_file_with_real_times(
    anna: Person, format_: str, media_type: str, content: str
) -> None:
    transcription_id = await anna.has_transcript('Gespräch "eins".wav')
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/export", params={"format": format_})
    assert (answer.status_code, answer.text) == (200, content)
    assert answer.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="Gespr_ch _eins_.{format_.lower()}"; '
        f"filename*=UTF-8''Gespr%C3%A4ch%20%22eins%22.{format_.lower()}"
    )


@pytest.mark.parametrize(
    ("format_", "media_type", "words"),
    [
        ("ttml", "application/ttml+xml", '<p begin="00:00:00.000" end="00:00:00.900">Hello world.</p>'),
        ("html", "text/html", "<time>00:00:00</time> Hello world.</p>"),
    ],
)
async def test_an_export_is_a_document(anna: Person, format_: str, media_type: str, words: str) -> None:
    transcription_id = await anna.has_transcript()
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/export", params={"format": format_})
    assert answer.status_code == 200
    assert words in answer.text
    assert answer.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


async def test_a_cue_is_as_narrow_and_as_short_as_was_asked(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}/export?format=vtt"
    narrow = await anna.client.get(f"{path}&max_line=10&max_lines=2")
    assert "Hello\nworld.\n" in narrow.text
    single = await anna.client.get(f"{path}&max_line=10&max_lines=1&cue_seconds_max=1.5")
    assert single.text.count(" --> ") == 2


async def test_words_that_were_typed_say_that_their_times_are_estimated(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}"
    await anna.client.put(f"{path}/text", json={"transcript_text": "Hello you, wide world."})
    words = (await anna.client.get(f"{path}/export?format=json")).json()["segments"][0]["words"]
    assert [(word["text"], word["timing"], word["edited"]) for word in words] == [
        ("Hello", "heard", False),
        (" you,", "estimated", True),
        (" wide", "estimated", True),
        (" world.", "heard", False),
    ]


async def test_an_export_as_json_is_the_whole_transcript(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/export?format=json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["segments"][0]["words"][1]["end_ms"] == 900


async def test_a_damaged_recording_says_where_words_are_missing(anna: Person) -> None:
    missing = {"code": "media_damaged", "from_seconds": 1.0, "to_seconds": 2.0}
    damaged = replace(HEARD, warnings=(MediaWarning(from_seconds=1.0, to_seconds=2.0),))
    transcription_id = await anna.has_transcript(heard=damaged)
    path = f"/transcriptions/{transcription_id}"
    assert (await anna.client.get(path)).json()["warnings"] == [missing]
    assert (await anna.client.get("/transcriptions")).json()[0]["warnings"] == [missing]
    assert (await anna.client.get(f"{path}/transcript")).json()["transcript"]["warnings"] == [missing]
    assert (await anna.client.get(f"{path}/export?format=json")).json()["warnings"] == [missing]
    await anna.client.put(f"{path}/text", json={"transcript_text": "Hello you."})
    assert (await anna.client.get(f"{path}/transcript")).json()["transcript"]["warnings"] == [missing]


async def test_a_transcript_in_an_assumed_language_says_so(anna: Person) -> None:
    assumed = {"code": "language_assumed", "from_seconds": 0.0, "to_seconds": 2.0}
    warning = MediaWarning(code="language_assumed", from_seconds=0.0, to_seconds=2.0)
    path = f"/transcriptions/{await anna.has_transcript(heard=replace(HEARD, warnings=(warning,)))}"
    assert (await anna.client.get(path)).json()["warnings"] == [assumed]
    assert (await anna.client.get(f"{path}/transcript")).json()["transcript"]["warnings"] == [assumed]
    assert (await anna.client.get(f"{path}/export?format=json")).json()["warnings"] == [assumed]


async def test_a_long_transcript_comes_whole_though_it_is_sent_in_parts(anna: Person) -> None:
    long = replace(HEARD, segments=HEARD.segments * 1_000)
    path = f"/transcriptions/{await anna.has_transcript(heard=long)}/transcript"
    answer = await anna.client.get(path)
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.convert(answer.json()["transcript"], Transcript) == long
    head = await anna.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "application/json"


async def test_a_healthy_recording_has_no_warnings(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}"
    assert (await anna.client.get(path)).json()["warnings"] == []
    assert (await anna.client.get(f"{path}/transcript")).json()["transcript"]["warnings"] == []


async def test_a_recording_without_speech_exports_nothing(anna: Person) -> None:
    silence = replace(HEARD, text="", segments=())
    transcription_id = await anna.has_transcript(heard=silence)
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/export?format=vtt")
    assert (answer.status_code, answer.text) == (200, "WEBVTT\n")


async def test_lists_go_on_behind_a_link(anna: Person) -> None:
    files = [await anna.has_file(f"{number}.wav") for number in range(3)]
    first = await anna.client.get("/files", params={"limit": 2})
    assert [each["file_id"] for each in first.json()] == [files[2], files[1]]
    path = first.links["next"]["url"]
    second = await anna.client.get(f"http://stenolog{path}")
    assert [each["file_id"] for each in second.json()] == [files[0]]
    assert "Link" not in second.headers

"""Bad input: each has the guide's status and an error that says what to do, and leaves nothing behind."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import av
import httpx
import jwt
import pytest

from api.tokens import AUDIENCE, ISSUER, Tokens
from tests.api.conftest import SECRET
from tests.api.rig import PASSWORD, Installation, Person, sound, spend


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document, if it is a whole one with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["error"] == body["detail"]
    assert body["type"] == f"/problems/{body['code']}"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


# Registering and logging in


@pytest.mark.parametrize("route", ["/auth/register", "/auth/login"])
@pytest.mark.parametrize(
    ("sent", "field", "error"),
    [
        ({"password": PASSWORD}, "email", "email is required"),
        ({"email": "anna@example.com"}, "password", "password is required"),
        ({"email": 7, "password": PASSWORD}, "email", "email: expected `str`, got `int`"),
        (
            {"email": "anna@example.com", "password": None},
            "password",
            "password: expected `str`, got `null`",
        ),
        ([], None, "The body does not fit: expected `object`, got `array`"),
    ],
)
async def test_wrong_and_missing_fields_are_named(
    installation: Installation, route: str, sent: object, field: str | None, error: str
) -> None:
    body = problem(await installation.client().post(route, json=sent), 400)
    assert (body["error"], body.get("field")) == (error, field)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"email": "\\ud800"}'])
async def test_a_body_that_is_no_json_is_refused(installation: Installation, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await installation.client().post("/auth/login", content=content, headers=headers)
    assert "body" in problem(answer, 400)["error"]


@pytest.mark.parametrize("route", ["/auth/register", "/auth/login"])
@pytest.mark.parametrize("field", ["email", "password"])
async def test_empty_fields_are_named(installation: Installation, route: str, field: str) -> None:
    credentials = {"email": "anna@example.com", "password": PASSWORD} | {field: ""}
    body = problem(await installation.client().post(route, json=credentials), 400)
    assert (body["error"], body["field"]) == (f"{field} is required", field)


@pytest.mark.parametrize("email", ["anna", "anna@", "anna@example", "a b@example.com", " ", "a\x00@b.co"])
async def test_a_bad_email_is_refused(installation: Installation, email: str) -> None:
    credentials = {"email": email, "password": PASSWORD}
    body = problem(await installation.client().post("/auth/register", json=credentials), 400)
    assert (body["code"], body["error"]) == (
        "invalid_email",
        "Invalid email format: send an address like name@example.com",
    )


@pytest.mark.parametrize("password", ["1234567", "x" * 1025])
async def test_a_password_of_a_wrong_length_is_refused(installation: Installation, password: str) -> None:
    credentials = {"email": f"{uuid4().hex}@example.com", "password": password}
    body = problem(await installation.client().post("/auth/register", json=credentials), 400)
    assert body["error"] == "The password needs 8 to 1024 characters"


async def test_a_taken_email_is_refused_in_any_spelling(installation: Installation, anna: Person) -> None:
    before = await installation.parts.read_models.fetchval("select count(*) from events")
    credentials = {"email": anna.email.upper(), "password": PASSWORD}
    body = problem(await installation.client().post("/auth/register", json=credentials), 409)
    assert body["error"].startswith("User with this email already exists: log in")
    assert await installation.parts.read_models.fetchval("select count(*) from events") == before


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(
    installation: Installation, anna: Person
) -> None:
    unknown = f"{uuid4().hex}@example.com"
    nobodys = "no address\x00"
    answers = [
        await installation.client().post("/auth/login", json={"email": email, "password": "wrong password"})
        for email in (anna.email, unknown, nobodys)
    ]
    bodies = [problem(answer, 401) for answer in answers]
    assert {body["error"] for body in bodies} == {"Invalid credentials: check the email and the password"}


async def test_a_refused_login_says_with_what_one_is_let_in(anna: Person) -> None:
    wrong = {"email": anna.email, "password": "a wrong password"}
    answer = await anna.client.post("/auth/login", json=wrong)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_long_password_counts_to_its_last_character(installation: Installation) -> None:
    credentials = {"email": f"{uuid4().hex}@example.com", "password": "x" * 100 + "1"}
    assert (await installation.client().post("/auth/register", json=credentials)).status_code == 201
    assert (await installation.client().post("/auth/login", json=credentials)).status_code == 200
    almost = credentials | {"password": "x" * 100 + "2"}
    problem(await installation.client().post("/auth/login", json=almost), 401)


# Tokens

PROTECTED = [
    ("GET", "/auth/me"),
    ("POST", "/files/upload"),
    ("GET", "/files"),
    ("GET", f"/files/{UUID(int=1)}"),
    ("POST", "/transcriptions"),
    ("GET", "/transcriptions"),
    ("GET", f"/transcriptions/{UUID(int=1)}"),
    ("POST", f"/transcriptions/{UUID(int=1)}/cancel"),
    ("GET", f"/transcriptions/{UUID(int=1)}/transcript"),
    ("PUT", f"/transcriptions/{UUID(int=1)}/text"),
    ("GET", f"/transcriptions/{UUID(int=1)}/export"),
    ("GET", "/user/quota"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_a_missing_token_is_refused(installation: Installation, method: str, path: str) -> None:
    answer = await installation.client().request(method, path)
    assert problem(answer, 401)["error"].startswith("Authorization header missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


OPEN = {"/v1/auth/register", "/v1/auth/login", "/v1/health/live", "/v1/health/ready", "/v1/health/system"}


async def test_every_route_that_is_not_said_to_be_open_needs_a_token(installation: Installation) -> None:
    client = installation.client()
    seen = 0
    for route in installation.app.routes:
        path = route.path_format.replace("{transcription_id}", str(UUID(int=1))).replace(
            "{file_id}", str(UUID(int=1))
        )
        if not path.startswith("/v1") or path in OPEN:
            continue
        for method in set(route.methods) - {"OPTIONS"}:
            answer = await client.request(method, path.removeprefix("/v1"), content=b"{")
            assert answer.status_code == 401, path
            seen += 1
    assert seen >= len(PROTECTED)


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "token"])
async def test_a_header_that_is_not_bearer_is_refused(installation: Installation, header: str) -> None:
    answer = await installation.client().get("/auth/me", headers={"Authorization": header})
    assert problem(answer, 401)["error"].startswith("Authorization header must be Bearer")


class AnHourAgo:
    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)


async def test_an_expired_token_is_refused(installation: Installation, anna: Person) -> None:
    token = Tokens(SECRET, 60, AnHourAgo()).issue(UUID(anna.user_id))
    answer = await installation.client().get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert problem(answer, 401)["error"] == "The token has expired: log in again"


def claims(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    whole = {
        "sub": str(uuid4()),
        "iat": now,
        "exp": now + timedelta(hours=1),
        "iss": ISSUER,
        "aud": AUDIENCE,
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


FORGED = {
    "no token at all": "abc",
    "another secret": jwt.encode(claims(), "another secret, that is as long as it has to be"),
    "no signature": jwt.encode(claims(), "", algorithm="none"),
    "another algorithm": jwt.encode(claims(), SECRET * 2, algorithm="HS512"),
    "no expiry": jwt.encode(claims(exp=None), SECRET),
    "another issuer": jwt.encode(claims(iss="somebody"), SECRET),
    "another audience": jwt.encode(claims(aud="something"), SECRET),
    "no user": jwt.encode(claims(sub="admin"), SECRET),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused(installation: Installation, name: str) -> None:
    headers = {"Authorization": f"Bearer {FORGED[name]}"}
    answer = await installation.client().get("/auth/me", headers=headers)
    assert problem(answer, 401)["error"] == "Invalid or expired token: log in again"


# Whose it is


async def test_another_users_ids_are_refused(anna: Person, bert: Person) -> None:
    transcription_id = await anna.has_transcript()
    [file] = (await anna.client.get("/files")).json()
    path = f"/transcriptions/{transcription_id}"
    answers = [
        await bert.client.get(f"/files/{file['file_id']}"),
        await bert.client.post("/transcriptions", json={"file_id": file["file_id"]}),
        await bert.client.get(path),
        await bert.client.post(f"{path}/cancel"),
        await bert.client.get(f"{path}/transcript"),
        await bert.client.put(f"{path}/text", json={"transcript_text": "mine"}),
        await bert.client.get(f"{path}/export"),
    ]
    assert {problem(answer, 403)["error"] for answer in answers} == {"This belongs to another user"}
    assert await bert.left_nothing()
    assert (await anna.client.get(path)).json()["transcript_text"] == "Hello world."


async def test_unknown_ids_are_not_found(anna: Person) -> None:
    path = f"/transcriptions/{uuid4()}"
    answers = {
        "No file": [
            await anna.client.get(f"/files/{uuid4()}"),
            await anna.client.post("/transcriptions", json={"file_id": str(uuid4())}),
        ],
        "No transcription": [
            await anna.client.get(path),
            await anna.client.post(f"{path}/cancel"),
            await anna.client.get(f"{path}/transcript"),
            await anna.client.put(f"{path}/text", json={"transcript_text": "x"}),
            await anna.client.get(f"{path}/export"),
        ],
    }
    for error, of_that in answers.items():
        assert all(problem(answer, 404)["error"].startswith(error) for answer in of_that)
    assert await anna.left_nothing()


async def test_ids_that_are_none_are_named(anna: Person) -> None:
    answer = await anna.client.get("/transcriptions/not-an-id")
    assert problem(answer, 400)["field"] == "transcription_id"
    answer = await anna.client.post("/transcriptions", json={"file_id": "not-an-id"})
    assert problem(answer, 400)["error"] == "file_id: invalid UUID"
    answer = await anna.client.post("/transcriptions", json={})
    assert problem(answer, 400)["error"] == "file_id is required"


# Uploads


def picture_without_sound() -> bytes:
    """A second of an MP4 video that has no audio track."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    return file.getvalue()


async def test_an_empty_file_is_refused(anna: Person) -> None:
    body = problem(await anna.uploads(b"", "talk.wav"), 400)
    assert body["error"] == "The file is empty: send the recording's bytes"
    assert await anna.left_nothing()


@pytest.mark.parametrize("content", [b"just some text\n" * 100, bytes(10_000), b"PK\x03\x04" + bytes(100)])
async def test_a_text_file_named_mp3_is_refused(anna: Person, content: bytes) -> None:
    body = problem(await anna.uploads(content, "talk.mp3"), 400)
    assert (body["code"], "send WAV, MP3" in body["error"]) == ("media_unreadable", True)
    assert await anna.left_nothing()


async def test_a_video_without_sound_is_refused(anna: Person) -> None:
    body = problem(await anna.uploads(picture_without_sound(), "film.mp4"), 400)
    assert body["error"] == "The file has no sound to transcribe: send a recording with an audio track"
    assert await anna.left_nothing()


async def test_a_file_over_the_size_limit_is_refused(installation: Installation, anna: Person) -> None:
    limit = installation.parts.settings.upload_max_bytes
    body = problem(await anna.uploads(bytes(limit + 100_000)), 413)
    assert body["error"].startswith(f"The upload is larger than the {limit} bytes that are allowed")
    assert await anna.left_nothing()


async def test_a_file_over_the_size_limit_is_refused_also_when_it_does_not_say_its_size(
    installation: Installation, anna: Person
) -> None:
    sent_bytes = 0

    async def endless() -> Any:
        nonlocal sent_bytes
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while True:
            sent_bytes += 1 << 16
            yield bytes(1 << 16)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await anna.client.post("/files/upload", content=endless(), headers=headers)
    problem(answer, 413)
    assert sent_bytes <= installation.parts.settings.upload_max_bytes + (1 << 17)
    assert await anna.left_nothing()


@pytest.mark.parametrize("length", ["9" * 12, "9" * 5_000, "0" * 5_000])
async def test_a_length_that_no_upload_has_is_refused_before_the_body(anna: Person, length: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": length}
    problem(await anna.client.post("/files/upload", content=b"--x--", headers=headers), 413)
    assert await anna.left_nothing()


async def test_a_length_that_is_no_number_counts_as_none(anna: Person) -> None:
    headers = {
        b"Content-Type": b"multipart/form-data; boundary=x",
        b"Content-Length": "²".encode("latin-1"),
    }
    problem(await anna.client.post("/files/upload", content=b"--x--", headers=headers), 400)


async def test_a_file_of_just_the_size_limit_is_taken(installation: Installation, anna: Person) -> None:
    limit = installation.parts.settings.upload_max_bytes
    whole = sound(60)
    padded = whole + bytes(limit - len(whole))
    assert (await anna.uploads(padded)).status_code == 201


def body_of(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


FILE_PART = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + sound()
NAMELESS = b'Content-Disposition: form-data; name="file"; filename=""\r\n\r\nabc'
FIELD = b'Content-Disposition: form-data; name="file"\r\n\r\nabc'
OTHER = b'Content-Disposition: form-data; name="note"\r\n\r\nabc'
HUGE = b'Content-Disposition: form-data; name="note"\r\n\r\n' + bytes(100_000)
MALFORMED = {
    "no file part": (body_of(OTHER), "No file part in the request"),
    "the file is a field": (body_of(FIELD), "No file part in the request: the part 'file' has no filename"),
    "no filename": (body_of(NAMELESS), "No selected file"),
    "two files": (body_of(FILE_PART, FILE_PART), "Send one recording per upload"),
    "a huge field": (body_of(HUGE, FILE_PART), "Send nothing but the recording"),
    "too many fields": (body_of(*[OTHER] * 30, FILE_PART), "The body has more than 20 parts"),
    "it ends early": (body_of(FILE_PART, end=b""), "The multipart body is broken or ends early"),
    "no multipart": (b"hello", "The multipart body is broken or ends early"),
    "nothing": (b"", "The multipart body is broken or ends early"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_body_that_is_no_upload_is_refused(anna: Person, name: str) -> None:
    content, error = MALFORMED[name]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await anna.client.post("/files/upload", content=content, headers=headers)
    assert problem(answer, 400)["error"].startswith(error)
    assert await anna.left_nothing()


async def test_an_upload_that_is_not_multipart_is_refused(anna: Person) -> None:
    for content_type in ("audio/wav", "multipart/form-data", "multipart/mixed; boundary=x"):
        headers = {"Content-Type": content_type}
        answer = await anna.client.post("/files/upload", content=sound(), headers=headers)
        assert problem(answer, 400)["error"].startswith("Send the recording as multipart/form-data")
    assert await anna.left_nothing()


async def test_a_token_is_looked_at_before_the_body(installation: Installation) -> None:
    read: list[bytes] = []

    async def body() -> Any:
        read.append(b"something")
        yield read[0]

    answer = await installation.client().post("/files/upload", content=body())
    problem(answer, 401)
    assert read == []


# Transcriptions


async def test_too_little_quota_is_refused_with_what_is_left(
    installation: Installation, anna: Person
) -> None:
    files = [await anna.has_file(f"{number}.wav") for number in range(2)]
    await spend(installation, UUID(anna.user_id), minutes=59)
    first = await anna.client.post("/transcriptions", json={"file_id": files[0]})
    assert first.status_code == 202
    before = await installation.events_of(anna.user_id)
    body = problem(await anna.client.post("/transcriptions", json={"file_id": files[1]}), 402)
    assert body["error"].startswith("Insufficient quota")
    assert (body["quota_minutes_remaining"], body["quota_minutes_required"]) == (0, 1)
    assert await installation.events_of(anna.user_id) == before


async def test_a_second_request_for_the_same_file_answers_the_first(anna: Person) -> None:
    transcription_id = await anna.has_requested()
    [file] = (await anna.client.get("/files")).json()
    before = await anna.installation.events_of(anna.user_id)
    answer = await anna.client.post("/transcriptions", json={"file_id": file["file_id"]})
    body = problem(answer, 409)
    assert body["error"].startswith("Transcription already initiated for this file")
    assert body["transcription_id"] == transcription_id
    assert await anna.installation.events_of(anna.user_id) == before


async def test_an_export_before_completion_is_refused(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_requested()}"
    for answer in (await anna.client.get(f"{path}/export"), await anna.client.get(f"{path}/transcript")):
        body = problem(answer, 400)
        assert body["error"] == (
            "This needs a completed transcription; it is queued: wait for it to complete"
        )


async def test_an_edit_before_completion_is_refused(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_requested()}"
    before = await anna.installation.events_of(anna.user_id)
    answer = await anna.client.put(f"{path}/text", json={"transcript_text": "x"})
    assert problem(answer, 400)["code"] == "transcription_not_completed"
    assert await anna.installation.events_of(anna.user_id) == before
    assert not [path for path in anna.installation.objects_of(anna.user_id) if "transcripts" in str(path)]


async def test_an_edit_without_a_text_is_refused(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}/text"
    assert problem(await anna.client.put(path, json={}), 400)["error"] == "transcript_text is required"
    assert (
        problem(await anna.client.put(path, json={"transcript_text": 7}), 400)["field"] == "transcript_text"
    )


async def test_an_unknown_export_format_is_refused(anna: Person) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}/export"
    body = problem(await anna.client.get(path, params={"format": "docx"}), 400)
    assert "txt, srt, vtt, json" in body["error"]
    assert body["field"] == "format"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_line", "9"),
        ("max_line", "201"),
        ("max_line", "wide"),
        ("max_lines", "0"),
        ("max_lines", "5"),
        ("max_lines", "1.5"),
        ("cue_seconds_max", "0"),
        ("cue_seconds_max", "31"),
        ("cue_seconds_max", "nan"),
        ("cue_seconds_max", "inf"),
        ("cue_seconds_max", ""),
    ],
)
async def test_cues_that_nobody_could_read_are_refused(anna: Person, field: str, value: str) -> None:
    path = f"/transcriptions/{await anna.has_transcript()}/export?format=srt"
    answer = await anna.client.get(path, params={"format": "srt", field: value})
    assert problem(answer, 400)["field"] == field


async def test_an_edit_that_would_be_stored_as_far_more_than_was_said_is_refused(anna: Person) -> None:
    """Row 33: ideographs are stored one by one, whatever they count as when they are sent."""
    path = f"/transcriptions/{await anna.has_transcript()}"
    for text in ("海" * 20_000, "ครับ" * 5_000, "a " * 10_010):
        body = problem(await anna.client.put(f"{path}/text", json={"transcript_text": text}), 400)
        assert "would take" in body["error"]
        assert body["field"] == "transcript_text"
    assert (await anna.client.get(path)).json()["transcript_text"] == "Hello world."


async def test_a_completed_transcription_cannot_be_cancelled(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    body = problem(await anna.client.post(f"/transcriptions/{transcription_id}/cancel"), 409)
    assert body["code"] == "transcription_not_cancellable"


# Lists and routes


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=abc", "cursor=%00"])
@pytest.mark.parametrize("path", ["/files", "/transcriptions"])
async def test_a_bad_page_is_refused(anna: Person, path: str, query: str) -> None:
    body = problem(await anna.client.get(f"{path}?{query}"), 400)
    assert body["field"] == query.partition("=")[0]


async def test_an_unknown_route_is_a_problem(anna: Person) -> None:
    body = problem(await anna.client.get("/nothing/here"), 404)
    assert body["error"] == "Nothing is at /v1/nothing/here: /schema lists what there is"


async def test_a_wrong_method_is_a_problem_that_lists_the_right_ones(anna: Person) -> None:
    answer = await anna.client.delete("/files")
    assert "not allowed" in problem(answer, 405)["error"]
    assert "GET" in answer.headers["Allow"]


async def test_a_long_body_is_refused(anna: Person) -> None:
    answer = await anna.client.post("/transcriptions", json={"file_id": "x" * 70_000})
    assert "too long" in problem(answer, 413)["error"]

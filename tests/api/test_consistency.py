"""A client reads its own writes."""

import pytest

from tests.api.rig import Installation, Person


async def test_a_query_with_a_token_waits_for_it(installation: Installation, anna: Person) -> None:
    answer = await anna.uploads(headers={"Prefer": "respond-async"})
    token = answer.headers["Consistency-Token"]
    listed = await anna.client.get("/files", headers={"Consistency-Token": token})
    assert [each["file_id"] for each in listed.json()] == [answer.json()["file_id"]]
    assert "Consistency-Status" not in listed.headers


@pytest.mark.parametrize("token", ["", "abc", "1", "1:", ":1", "1:-1", "1:1:1", "9" * 30 + ":1"])
async def test_a_malformed_token_is_refused(anna: Person, token: str) -> None:
    answer = await anna.client.get("/files", headers={"Consistency-Token": token})
    assert (answer.status_code, answer.json()["field"]) == (400, "Consistency-Token")


async def test_everything_a_client_does_is_seen_by_its_next_query(anna: Person) -> None:
    for number in range(10):
        file_id = await anna.has_file(f"{number}.wav")
        assert (await anna.client.get("/files")).json()[0]["file_id"] == file_id
        answer = await anna.client.post("/transcriptions", json={"file_id": file_id})
        path = f"/transcriptions/{answer.json()['transcription_id']}"
        assert (await anna.client.get(path)).json()["status"] == "queued"
        await anna.client.post(f"{path}/cancel")
        assert (await anna.client.get(path)).json()["status"] == "cancelled"

"""What clears temporary files away may take the folder for uploads of a process that nobody sent anything to."""

from tests.api.rig import Person


async def test_an_upload_is_taken_although_the_folder_for_uploads_was_cleared_away(anna: Person) -> None:
    spool = anna.installation.parts.spool
    spool.rmdir()
    assert (await anna.uploads()).status_code == 201
    assert spool.stat().st_mode & 0o777 == 0o700

"""PostgreSQL refuses root, and the account it gets instead reaches what it needs, also through closed folders."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.accounts import server_account
from embedded.processes import Command, run


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that only its owner may enter, as temporary folders and /root are."""
    with tempfile.TemporaryDirectory(prefix="stenolog-") as folder:
        yield Path(folder)


async def test_a_server_reaches_its_program_and_files_in_a_closed_folder(closed: Path) -> None:
    program = closed / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = Command(
        # test -x asks access(2), as PostgreSQL does: that disregards capabilities unless told otherwise.
        arguments=["/bin/sh", "-c", f"test -x {program} && cat {program}"],
        environment={"PATH": os.environ["PATH"]},
        log=closed / "log",
        account=server_account([program]),
    )
    assert (await run(command, deadline_seconds=20), (closed / "log").read_text()) == (0, "#!/bin/sh\n")


async def test_a_server_is_never_root(closed: Path) -> None:
    command = Command(
        arguments=["/bin/sh", "-c", "id -u"],
        environment={"PATH": os.environ["PATH"]},
        log=closed / "log",
        account=server_account([closed]),
    )
    assert await run(command, deadline_seconds=20) == 0
    assert int((closed / "log").read_text()) != 0


def test_an_open_path_needs_no_special_right() -> None:
    account = server_account([Path("/bin/sh")])
    assert account is None or not account.passes_closed_folders

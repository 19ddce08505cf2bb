"""All migrations in one process: `python -m cli.migrations`; what there is to do they say themselves."""

import sys

from cli.auditor_role import provide_auditor
from cli.sealing_log import seal_earlier_events
from dispatcher.__main__ import migrate as migrate_queue
from evidence.tables import migrate_evidence_tables
from infrastructure.postgres.__main__ import bring_up_to_date
from infrastructure.postgres.errors import rights_told
from infrastructure.process import run_process
from infrastructure.settings import Settings
from projections.__main__ import migrate_tables


async def migrate_database(settings: Settings) -> None:
    """The log first: all else lies beside it, or is folded from it. Auditors last: they may read some of all that.

    What is in the clear is sealed once it can be asked what evidence shows.
    """
    with rights_told():
        await bring_up_to_date(settings)
        await migrate_tables(settings)
        await migrate_queue(settings)
        await migrate_evidence_tables(settings)
        await seal_earlier_events(settings)
        await provide_auditor(settings)


if __name__ == "__main__":
    sys.exit(run_process(migrate_database, ["database"]))

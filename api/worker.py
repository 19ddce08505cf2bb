"""One of several API processes behind one port: `python -m api.worker SUPERVISOR NUMBER COUNT FOLDER`, run by `api.workers`."""

import sys
from functools import partial
from pathlib import Path

from infrastructure.media.sandbox import end_with_parent
from infrastructure.process import run_process
from infrastructure.telemetry.together import count_together


def main(supervisor: int, number: int, count: int, folder: Path) -> int:
    end_with_parent(supervisor)
    count_together(folder, number)
    # Only now, since metrics begin to count where they are declared.
    from api.serving import serve  # noqa: PLC0415
    from api.share import Share  # noqa: PLC0415

    share = Share(number=number, count=count, folder=folder)
    return run_process(partial(serve, share=share), ["database", "http"])


if __name__ == "__main__":
    _supervisor, _number, _count = map(int, sys.argv[1:4])
    sys.exit(main(_supervisor, _number, _count, Path(sys.argv[4])))

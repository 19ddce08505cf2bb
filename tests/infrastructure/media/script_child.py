"""A child that does what a test tells it in Python. Arguments: parent, the script, and what the script finds in `sys.argv[1:]`."""

import sys
import textwrap

PRELUDE = """
import json, os, socket, sys, time
from pathlib import Path
from infrastructure.media.sandbox import Limits, confine, end_with_parent, leave_the_network, reach_only

def refused(attempt):
    try:
        attempt()
    except OSError as problem:
        return type(problem).__name__
    return None
"""


def main(arguments: list[str]) -> None:
    parent, script, *sys.argv[1:] = arguments
    code = compile(PRELUDE + textwrap.dedent(script), "script of a test", "exec")
    exec(code, {"parent": int(parent)})

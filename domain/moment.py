"""A point in time as events have it: aware, so that nobody has to guess of which place it is."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 with an offset; ours are UTC."""

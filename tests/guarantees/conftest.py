"""Read models on a real PostgreSQL and a log in memory, as the tests of projections have them."""

from tests.projections.conftest import connections, pool, store

__all__ = ["connections", "pool", "store"]

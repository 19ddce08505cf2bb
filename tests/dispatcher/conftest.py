"""The log and objects that the handlers' tests use serve the dispatcher's as well."""

from tests.commands.conftest import credentials, objects, store

__all__ = ["credentials", "objects", "store"]

"""Object stores: a folder on this machine or a bucket behind the S3 protocol, by one URL."""

from infrastructure.object_store.opening import open_object_store

__all__ = ["open_object_store"]

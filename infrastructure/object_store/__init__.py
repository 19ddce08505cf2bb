"""Object stores: a folder on this machine or a bucket behind the S3 protocol, by one URL."""

from infrastructure.object_store.opening import folder_of, open_object_store

__all__ = ["folder_of", "open_object_store"]

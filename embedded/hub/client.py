"""The hub's own client, with its telemetry off: which files there are, and one file from where it broke off.

The client's `snapshot_download` begins each file anew after a kill (it writes to a name made up per run), which for
three gigabytes is no way to resume. Its `http_get`, which it is built on, takes the size of what is there already.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

from embedded.hub.origin import Origin, RemoteFile, fetched_files
from embedded.hub.problems import ModelNotFetched
from inference_worker.catalogue import Published

OnBytes = Callable[[int], None]
"""Told how many more bytes there are; a negative number takes some back."""

_ANSWER_SECONDS: Final = 20.0
_UNAUTHORIZED: Final = 401


def listed(model: Published) -> Origin:
    """What the hub has of the model, at its commit or else at what `main` is now. Raises ModelNotFetched."""
    hub = _client()
    with _plainly(hub, model.repo, model.commit):
        found = hub.HfApi().model_info(
            model.repo, revision=model.commit or "main", files_metadata=True, timeout=_ANSWER_SECONDS
        )
    if not found.sha or model.commit not in ("", found.sha):
        raise ModelNotFetched(
            f"the hub answered for {model.repo} with commit {found.sha}, asked was {model.commit or 'main'}: "
            "check HF_ENDPOINT"
        )
    return Origin(model.repo, found.sha, fetched_files([_described(each) for each in found.siblings or ()]))


def _described(sibling: Any) -> RemoteFile:
    """Raises ModelNotFetched for a file that could not be checked."""
    sha256 = sibling.lfs.sha256 if sibling.lfs is not None else ""
    if sibling.size is None or not (sha256 or sibling.blob_id):
        raise ModelNotFetched(f"the hub does not say what {sibling.rfilename} has to be: check HF_ENDPOINT")
    return RemoteFile(sibling.rfilename, sibling.size, sha256, sibling.blob_id or "")


def fetch(origin: Origin, file: RemoteFile, path: Path, on_bytes: OnBytes) -> None:
    """Adds what `path` lacks of the file. Raises ModelNotFetched; what has come until then stays.

    A connection that breaks is taken up again for as long as anything comes.
    """
    hub, http = _client(), import_module("httpx2")
    with _plainly(hub, origin.repo, origin.commit):
        while True:
            before = path.stat().st_size if path.exists() else 0
            try:
                return _append(hub, origin, file, path, on_bytes)
            except http.TransportError:
                if path.stat().st_size <= before:
                    raise
            except OSError as problem:
                if isinstance(problem, http.HTTPError) or problem.errno is not None:
                    raise
                return None  # it came to its end and is too short: whoever compares the hashes says so


def _append(hub: ModuleType, origin: Origin, file: RemoteFile, path: Path, on_bytes: OnBytes) -> None:
    with path.open("ab") as content:
        hub.file_download.http_get(
            hub.hf_hub_url(origin.repo, file.name, revision=origin.commit),
            content,
            resume_size=content.tell(),
            headers=hub.utils.build_hf_headers() | {"Accept-Encoding": "identity"},
            expected_size=file.size_bytes,
            displayed_filename=file.name,
            tqdm_class=_meter(on_bytes, file.size_bytes),
        )
        content.flush()
        os.fsync(content.fileno())


def _meter(on_bytes: OnBytes, bytes_max: int) -> Callable[..., "_Meter"]:
    return lambda **told: _Meter(on_bytes, told.get("initial", 0), bytes_max)


class _Meter:
    """Stands where the client would draw its own bar. It is told of bytes before they are written."""

    def __init__(self, on_bytes: OnBytes, there_bytes: int, bytes_max: int) -> None:
        self._on_bytes = on_bytes
        self._there = there_bytes
        self._max = bytes_max

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, count: int) -> None:
        self._there += count
        if self._there > self._max:
            raise ModelNotFetched("the hub sends more than it said: check HF_ENDPOINT")
        self._on_bytes(count)


def _client() -> ModuleType:
    """Imported with its settings made, which it reads once; whoever does not fetch need not wait for it."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    for part in ("constants", "errors", "file_download", "utils"):
        import_module(f"huggingface_hub.{part}")
    return import_module("huggingface_hub")


@contextmanager
def _plainly(hub: ModuleType, repo: str, commit: str) -> Iterator[None]:
    """Raises ModelNotFetched for whatever the client says. Order matters: a gated repository also counts as not found."""
    endpoint, errors = hub.constants.ENDPOINT, hub.errors
    try:
        yield
    except errors.GatedRepoError as problem:
        raise ModelNotFetched(
            f"{repo} is gated: accept its terms at {endpoint}/{repo}, then let HF_TOKEN be a token of that account"
        ) from problem
    except errors.RepositoryNotFoundError as problem:
        raise ModelNotFetched(
            f"{endpoint} has no {repo}, or shows it to nobody without a right to it: check the name, or set HF_TOKEN"
        ) from problem
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as problem:
        raise ModelNotFetched(
            f"{repo} has no commit {commit or 'main'}, or not whole: name another"
        ) from problem
    except errors.HfHubHTTPError as problem:
        raise ModelNotFetched(_refusal(endpoint, repo, problem.response.status_code)) from problem
    except errors.OfflineModeIsEnabled as problem:
        raise ModelNotFetched("HF_HUB_OFFLINE forbids to ask the hub: unset it") from problem
    except import_module("httpx2").HTTPError as problem:
        raise ModelNotFetched(
            f"{endpoint} cannot be reached or broke off ({type(problem).__name__}): try again; what has come is kept"
        ) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelNotFetched(f"{endpoint} does not answer as a hub does: check HF_ENDPOINT") from problem


def _refusal(endpoint: str, repo: str, status: int) -> str:
    if status == _UNAUTHORIZED:
        return f"{endpoint} does not accept the token for {repo}: set HF_TOKEN anew, or unset it"
    return f"{endpoint} answered {status} for {repo}: try again later; what has come is kept"

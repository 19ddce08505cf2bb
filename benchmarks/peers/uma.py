"""Appends single events to a UmaDB server and prints how many a second: `python uma.py URL CALLERS SECONDS BYTES`."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from umadb import AppendCondition, Client, Event, Query, QueryItem


def append_until(client: Client, ends_at: float, payload: bytes) -> int:
    """Each event is the first of its stream, which a tag stands for; the condition refuses a second first one."""
    count = 0
    while time.perf_counter() < ends_at:
        tag = str(uuid4())
        is_new = AppendCondition(Query([QueryItem(tags=[tag])]))
        client.append([Event("QuotaGranted", payload, [tag])], is_new)
        count += 1
    return count


def main(url: str, callers: str, seconds: str, size_bytes: str) -> None:
    clients = [Client(url) for _ in range(int(callers))]
    payload = b"x" * int(size_bytes)
    for client in clients:
        client.head()  # Connects, which is not what is measured.
    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as threads:
        counts = threads.map(lambda client: append_until(client, began + float(seconds), payload), clients)
        print(sum(counts) / (time.perf_counter() - began))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The smallest application there is, and what to say to it over a bare socket."""

from typing import Any

HELLO = b"GET / HTTP/1.1\r\nHost: stenolog\r\n\r\n"
LARGE = b"x" * (16 << 20)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 at once, /large with a lot, and /read when it has read the body."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    body = LARGE if scope["path"] == "/large" else b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def post(length: int) -> bytes:
    return f"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()

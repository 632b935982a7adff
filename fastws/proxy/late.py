"""Variables of what a request comes to, which change until it is over: functions of a `Trace`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastws.proxy.trace import Trace, Try

Late = Callable[["Trace"], bytes]


def finish(pieces: Iterable[tuple[bytes, str]], trace: Trace) -> bytes:
    """Return a line of texts, each with the name of one of these variables behind it, or none."""
    return b"".join([text + VARIABLES[name](trace) if name else text for text, name in pieces])


def seconds(duration: float) -> bytes:
    """Return a time as nginx writes it: in seconds, to the millisecond."""
    return b"%d.%03d" % divmod(int(max(0.0, duration) * 1000), 1000)


def _each(show: Callable[[Try], bytes]) -> Late:
    """Return what shows all attempts, and where one led to another upstream."""

    def read(trace: Trace) -> bytes:
        shown = b""
        for attempt in trace.tries:
            if shown:
                shown += b" : " if attempt.detour else b", "
            shown += show(attempt)
        return shown

    return read


def _since_began(attempt: Try, until: float | None) -> bytes:
    return b"-" if until is None else seconds(until - attempt.began)


def _request_time(trace: Trace) -> bytes:
    return seconds((trace.ended or time.monotonic()) - trace.began)


@lru_cache(maxsize=1)
def _local(second: int) -> bytes:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second)).encode()


@lru_cache(maxsize=1)
def _iso8601(second: int) -> bytes:
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
    return f"{text[:-2]}:{text[-2:]}".encode()


VARIABLES: dict[str, Late] = {
    "body_bytes_sent": lambda trace: b"%d" % trace.body_sent,
    "bytes_sent": lambda trace: b"%d" % trace.sent,
    "connection_requests": lambda trace: b"%d" % trace.request,
    "msec": lambda _: b"%.3f" % time.time(),
    "pipe": lambda trace: b"p" if trace.pipelined else b".",
    "request_completion": lambda trace: b"OK" if trace.whole else b"",
    "request_length": lambda trace: b"%d" % trace.received,
    "request_time": _request_time,
    "time_iso8601": lambda _: _iso8601(int(time.time())),
    "time_local": lambda _: _local(int(time.time())),
    "upstream_addr": _each(lambda attempt: attempt.address.encode()),
    "upstream_bytes_received": _each(lambda attempt: b"%d" % attempt.received),
    "upstream_bytes_sent": _each(lambda attempt: b"%d" % attempt.sent),
    "upstream_connect_time": _each(lambda attempt: _since_began(attempt, attempt.connected)),
    "upstream_header_time": _each(lambda attempt: _since_began(attempt, attempt.heard)),
    "upstream_response_length": _each(lambda attempt: b"%d" % attempt.body),
    "upstream_response_time": _each(lambda attempt: _since_began(attempt, attempt.ended)),
    "upstream_status": _each(lambda attempt: b"%d" % attempt.status if attempt.status else b"-"),
}

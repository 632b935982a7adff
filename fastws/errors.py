"""Every error a user can see, with where it came from."""

from collections.abc import Sequence


class FastwsError(Exception):
    """Something the operator can put right; its text is one line that says what and where."""


class ConfigError(FastwsError):
    """One fault in a configuration.

    ``origin`` says where it was written (a file, a file and a key path, or a flag), ``message``
    what is wrong, and ``hint``, which may be empty, what would be right.
    """

    def __init__(self, origin: str, message: str, hint: str = "") -> None:
        self.origin = origin
        self.message = message
        self.hint = hint
        super().__init__(f"{origin}: {message}" + (f"; {hint}" if hint else ""))


class InvalidConfigError(FastwsError):
    """All the faults of a configuration that can be found at once; its text has a line for each."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


# nginx's own, for those who are not worth an answer: the connection ends without one.
HANG_UP = 444


class Reject(Exception):  # noqa: N818 - an answer to give, not a fault of ours
    """The request is answered with an error of our own instead of being relayed.

    ``reason`` is one ASCII sentence that says why and what to do: it is the body of the answer
    and stands in the log. ``headers`` are added to the answer.
    """

    # What the client gets to read, where the reason is for the log alone.
    told = ""
    # The status by which a site finds what takes its place, if that is another one.
    page: int | None = None

    def __init__(
        self, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        super().__init__(f"{status}: {reason}")


class NoTlsReject(Reject):
    """Plain HTTP came to a listener for TLS."""

    page = 497  # nginx's

    def __init__(self) -> None:
        super().__init__(
            400, "This is plain HTTP, but this listener speaks TLS; use https:// or wss://."
        )


class SlowPattern(Reject):
    """A pattern of the configuration took longer on what a client sent than it may."""

    told = "The proxy's configuration takes too long on this request."

    def __init__(self, pattern: str, seconds: float) -> None:
        super().__init__(500, f"The pattern {pattern!a} took longer than {seconds:g} s.")


class UpstreamReject(Reject):
    """What the upstream answered cannot be relayed, so the client gets a 502 that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(502, reason)

"""The rules of tunnels, from what is configured."""

from fastws._pipe import Rules
from fastws.config import model


def tunnel_rules(
    limits: model.Limits,
    timeouts: model.Timeouts,
    *,
    max_message: int = 0,
    validate_utf8: bool = False,
) -> Rules:
    """Return the rules of tunnels under these limits; the rest as in `model.Route`."""
    return Rules(
        max_message=max_message,
        validate_utf8=validate_utf8,
        queued_bytes=limits.queued_bytes,
        idle=timeouts.idle,
        stall=timeouts.stall,
        close=timeouts.close,
        linger=timeouts.linger,
        ping=timeouts.ping,
    )

import msgspec
import pytest

from fastws.config.model import Address, Config, Limits, Listener, Timeouts


def test_the_defaults() -> None:
    assert Config() == Config(
        timeouts=Timeouts(
            head=15, connect=5, handshake=15, idle=0, stall=60, close=30, linger=5, ping=25
        ),
        limits=Limits(
            head_bytes=65536, headers=200, target_bytes=8192, queued_bytes=65536, connections=0
        ),
    )


def test_the_model_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Config().workers = 2  # type: ignore[misc]


def test_the_model_is_a_key() -> None:
    listener = Listener(address=Address(port=80))
    one = Config(listeners=(listener,))
    assert {one: 1}[msgspec.structs.replace(Config(), listeners=(listener,))] == 1

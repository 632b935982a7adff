"""What a reload changes, in the words of the configuration."""

from collections.abc import Iterator

import msgspec

from fastws.config.model import Config

# What the supervisor and the workers begin with, and keep.
_AT_A_START = ("driver", "pid", "control", "admin")

# What is told item by item.
_LISTS = ("listeners", "upstreams")


def changes(old: Config, new: Config) -> list[str]:
    """Return a line for each change; none when all is as it was."""
    return [
        *_differences("listener", _listeners(old), _listeners(new)),
        *_differences("server", _servers(old), _servers(new)),
        *_sections(old, new),
    ]


def _listeners(config: Config) -> dict[str, object]:
    return {str(each.address): each for each in config.listeners}


def _servers(config: Config) -> dict[str, object]:
    return {
        f"{server.address} of upstream {upstream.name}": server
        for upstream in config.upstreams
        for server in upstream.servers
    }


def _differences(kind: str, old: dict[str, object], new: dict[str, object]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"{kind} {name}: removed"
    for name in new.keys() - old.keys():
        yield f"{kind} {name}: added"
    for name in old.keys() & new.keys():
        if old[name] != new[name]:
            yield f"{kind} {name}: changed"


def _sections(old: Config, new: Config) -> Iterator[str]:
    for field in msgspec.structs.fields(Config):
        name = field.name
        if name in _LISTS or getattr(old, name) == getattr(new, name):
            continue
        yield f"{name}: " + ("changes at the next start" if name in _AT_A_START else "changed")
    if _settings(old) != _settings(new):
        yield "upstreams: changed"


def _settings(config: Config) -> list[object]:
    """Return all of the upstreams but their servers."""
    return [msgspec.structs.replace(upstream, servers=()) for upstream in config.upstreams]

"""Values with the places where they were written, until they are in the raw form."""

from collections.abc import Mapping
from typing import Any

import msgspec

from fastws.config.nginx.findings import Place
from fastws.config.nginx.parser import Directive


class Said(msgspec.Struct, frozen=True):
    """A value of the raw form, which may hold others, and where it was written."""

    value: Any
    place: Place


def said(value: Any, directive: Directive) -> Said:
    """Return a value with the place of the directive that says it."""
    return Said(value, directive.place)


def settle(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Place]]:
    """Return the plain raw form, and the place of every key that has one, by the key's path."""
    places: dict[str, Place] = {}
    return _settle(raw, "", places), places


def _settle(value: Any, path: str, places: dict[str, Place]) -> Any:
    match value:
        case Said():
            places[path] = value.place
            return _settle(value.value, path, places)
        case dict():
            return {
                key: _settle(each, f"{path}.{key}" if path else key, places)
                for key, each in value.items()
            }
        case list():
            return [_settle(each, f"{path}[{i}]", places) for i, each in enumerate(value)]
        case _:
            return value

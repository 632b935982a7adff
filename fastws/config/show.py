"""A configuration as TOML that reads back as the same: what differs from the defaults."""

import json
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from fastws.config.balance import Balance, write_balance
from fastws.config.build import struct_of
from fastws.config.model import Config
from fastws.config.template import read_template, write_template


def show(config: Config, places: Mapping[str, object]) -> str:
    """Return the text of a configuration, each value behind which stands where it was written.

    ``places`` are those of the keys, by their paths.
    """
    writer = _Writer(places)
    return "\n".join(writer.table(config, "", "")).strip() + "\n"


class _Writer:
    def __init__(self, places: Mapping[str, object]) -> None:
        self._places = places

    def table(self, struct: msgspec.Struct, path: str, name: str) -> Iterator[str]:
        """Yield the lines of a table: its values first, for TOML has tables last.

        ``path`` is that of `Faults`, ``name`` is what TOML calls the table.
        """
        kinds = typing.get_type_hints(type(struct), include_extras=True)
        tables = []
        for field in msgspec.structs.fields(type(struct)):
            value = getattr(struct, field.name)
            if not field.required and value == field.default:
                continue
            here = _join(path, field.name)
            inner = _join(name, field.name)
            if isinstance(value, msgspec.Struct) and struct_of(kinds[field.name]):
                tables.append(self._inner(value, here, inner, "[{}]"))
            elif _holds_tables(kinds[field.name]):
                tables += [
                    self._inner(each, f"{here}[{i}]", inner, "[[{}]]")
                    for i, each in enumerate(value)
                ]
            else:
                line = f"{field.name} = {_write(value, kinds[field.name])}"
                yield self._with_place(line, here)
        for lines in tables:
            yield from lines

    def _inner(self, struct: msgspec.Struct, path: str, name: str, brackets: str) -> Iterator[str]:
        yield ""
        yield self._with_place(brackets.format(name), path)
        yield from self.table(struct, path, name)

    def _with_place(self, line: str, path: str) -> str:
        place = self._places.get(path)
        if place is None:
            return line
        text = str(place)
        return f"{line}  # {text if text.isprintable() else ascii(text)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _holds_tables(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple and struct_of(typing.get_args(kind)[0]) is not None


def _write(value: Any, kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        inside = typing.get_args(kind)[0]
        return f"[{', '.join(_write(each, inside) for each in value)}]"
    if read_template in getattr(kind, "__metadata__", ()):
        return _text(write_template(value))
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(int(value)) if int(value) == value else repr(value)
        case Balance():
            return _text(write_balance(value))
    return _text(str(value))


def _text(text: str) -> str:
    """Return a basic string of TOML, which is one of JSON but for a byte."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

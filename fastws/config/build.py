"""From the raw form, which every syntax is brought into, to the model.

The raw form is what `tomllib` gives: tables, arrays, texts, numbers and booleans under the names
of the model's fields.
"""

import json
import re
import typing
from collections.abc import Mapping
from types import MappingProxyType, UnionType
from typing import Any, TypeVar

import msgspec

from fastws.config.expected import expected
from fastws.config.faults import Faults, did_you_mean
from fastws.config.model import Config

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_WORDS = {"str": "a text", "int": "a whole number", "bool": "true or false"}
_NO_FLAGS: Mapping[str, str] = MappingProxyType({})


def build(raw: Mapping[str, Any], origin: str, flags: Mapping[str, str] = _NO_FLAGS) -> Config:
    """Return the model that ``raw`` describes.

    ``origin`` names the file, and ``flags`` says which keys came from which flag (see `Faults`).
    Raises InvalidConfigError with every unknown or missing key and every value of a wrong type.
    What concerns more than one key is left to `fastws.config.checks`.
    """
    faults = Faults(origin, flags)
    config = _Builder(faults).table(spell_out(raw), Config, "")
    faults.settle()
    return config


def spell_out(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``raw`` with its shorthands in full.

    An address may stand for a listener or a server that is nothing more, and a single upstream
    without a route or a site gets a route for every request.
    """
    full = dict(raw)
    if "listeners" in full:
        full["listeners"] = _spell_out_addresses(full["listeners"])
    if isinstance(full.get("upstreams"), list):
        full["upstreams"] = [_spell_out_upstream(upstream) for upstream in full["upstreams"]]
    if not (full.get("routes") or full.get("sites")) and (
        name := _only_name(full.get("upstreams"))
    ):
        full["routes"] = [{"upstream": name}]
    return full


def _spell_out_upstream(upstream: Any) -> Any:
    if not isinstance(upstream, dict) or "servers" not in upstream:
        return upstream
    return {**upstream, "servers": _spell_out_addresses(upstream["servers"])}


def _spell_out_addresses(items: Any) -> Any:
    if not isinstance(items, list):
        return items
    return [{"address": item} if isinstance(item, str) else item for item in items]


def _only_name(upstreams: Any) -> str:
    match upstreams:
        case [{"name": str(name)}]:
            return name
        case _:
            return ""


class _Builder:
    """Walks the raw form beside the model's types, so that every fault has its path.

    msgspec alone would stop at the first. What has a fault is built all the same, with None in its
    place, and never leaves `build`.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def table(self, raw: Any, kind: type[_Struct], path: str) -> _Struct:
        if not isinstance(raw, dict):
            raise expected("a table", raw)
        kinds = typing.get_type_hints(kind, include_extras=True)
        for name in [name for name in raw if name not in kinds]:
            self._faults.add(_join(path, name), "unknown key", did_you_mean(name, kinds))
        fields = {
            name: self._value(raw[name], kinds[name], _join(path, name))
            for name in raw
            if name in kinds
        }
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in raw:
                self._faults.add(_join(path, field.name), "is missing")
                fields[field.name] = None
        return kind(**fields)

    def _value(self, raw: Any, kind: Any, path: str) -> Any:
        try:
            if typing.get_origin(kind) is tuple:
                return self._array(raw, typing.get_args(kind)[0], path)
            if table := struct_of(kind):
                return self.table(raw, table, path)
            return _leaf(raw, kind)
        except ValueError as error:
            return self._faults.add(path, str(error))

    def _array(self, raw: Any, kind: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            raise expected("an array", raw)
        return tuple(self._value(item, kind, f"{path}[{i}]") for i, item in enumerate(raw))


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a table of this kind is made into, None for what is no table."""
    if isinstance(kind, UnionType):
        kind = typing.get_args(kind)[0]
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _leaf(raw: Any, kind: Any) -> Any:
    for read in getattr(kind, "__metadata__", ()):
        if callable(read):
            return read(raw)
    if typing.get_origin(kind) is typing.Literal:
        return _one_of(raw, typing.get_args(kind))
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise expected(_in_words(str(error)), raw) from None


def _one_of(raw: Any, words: tuple[str, ...]) -> str:
    if isinstance(raw, str) and raw in words:
        return raw
    raise expected(f"one of {', '.join(words)}", raw)


def _in_words(message: str) -> str:
    """Return what msgspec expected: "Expected `int` >= 1" becomes "a whole number >= 1"."""
    wanted = message.removeprefix("Expected ").partition(", got ")[0].replace(" | null", "")
    for kind, words in _WORDS.items():
        wanted = wanted.replace(f"`{kind}`", words)
    return wanted


def _join(path: str, key: str) -> str:
    name = key if _BARE_KEY.fullmatch(key) else json.dumps(key)
    return f"{path}.{name}" if path else name

"""Brings the values of the command line into the raw form, over that of a file."""

import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from fastws.config import syntax, toml
from fastws.config.addresses import read_listen_address
from fastws.config.build import build, spell_out
from fastws.config.checks import check
from fastws.config.model import Config
from fastws.config.nginx import check as nginx
from fastws.config.nginx.findings import Finding, Level
from fastws.errors import ConfigError, InvalidConfigError

_COMMAND_LINE = "command line"
_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+|\[[0-9]+\])*", re.ASCII)
_STEP = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_NOWHERE: Mapping[str, str] = MappingProxyType({})

_DEFAULT_LISTENER = ":8080"
_DEMO_LISTENER = "127.0.0.1:8080"  # a demonstration is nobody else's business


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What ``fastws serve`` was given; None and empty mean not given."""

    listen: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    balance: str | None = None
    workers: int | None = None
    driver: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    settings: tuple[str, ...] = ()
    log_level: str | None = None
    log_format: str | None = None
    control: str | None = None
    demo: bool = False
    ignore: tuple[str, ...] = ()
    strict: bool = False


def load(path: str | None, flags: Flags) -> Config:
    """Return the checked configuration of a file (or of none) under the flags.

    Raises ConfigError or InvalidConfigError.
    """
    if path is None:
        return merge({}, _COMMAND_LINE, flags)
    data = syntax.read(path)
    if not syntax.is_nginx(data):
        return merge(toml.parse(data, path), path, flags)
    reading = nginx.read(path, data, flags.ignore)
    if refused := [each for each in reading.findings if each.fails(strict=flags.strict)]:
        raise InvalidConfigError([_error(each) for each in refused])
    return merge(reading.raw, path, flags, {key: str(at) for key, at in reading.places.items()})


def merge(
    raw: dict[str, Any], origin: str, flags: Flags, places: Mapping[str, str] = _NOWHERE
) -> Config:
    """Return the checked configuration of a raw form under the flags.

    ``places`` says where keys were written in a file of another syntax. With ``flags.demo`` its
    one upstream, "demo", has no servers: `fastws.server.run` puts the embedded one in. Raises
    ConfigError or InvalidConfigError.
    """
    overlay = _Overlay(raw, places)
    overlay.apply(flags)
    build(overlay.replaced, origin, places)  # a mistake in what is not used is one all the same
    config = build(overlay.raw, origin, overlay.flags)
    check(config, origin, overlay.flags, demo=flags.demo)
    return config


def _error(finding: Finding) -> ConfigError:
    if finding.level is Level.LEFT_OUT:
        return ConfigError(str(finding.place), f"not imported: {finding.what}", finding.why)
    return ConfigError(str(finding.place), finding.what, finding.write.partition("\n")[0])


class _Overlay:
    """The raw form, with every key that a flag set and the flag as it was typed.

    ``replaced`` are the sections of the file in whose places a flag put others.
    """

    def __init__(self, raw: dict[str, Any], places: Mapping[str, str]) -> None:
        self.raw = spell_out(raw)
        self.replaced: dict[str, Any] = {}
        self.flags = dict(places)

    def apply(self, flags: Flags) -> None:
        self._listen(flags)
        self._upstream(flags)
        self._balance(flags)
        self._tls(flags)
        self._put("workers", "--workers", flags.workers)
        self._put("driver", "--driver", flags.driver)
        self._put("control", "--control", flags.control)
        self._put("log.level", "--log-level", flags.log_level)
        self._put("log.format", "--log-format", flags.log_format)
        for setting in flags.settings:
            self._set(setting)

    def _listen(self, flags: Flags) -> None:
        if flags.listen:
            self._replace("listeners", self._addresses("listeners", "--listen", flags.listen))
        elif "listeners" not in self.raw and (flags.demo or flags.upstream):
            address = _DEMO_LISTENER if flags.demo else _DEFAULT_LISTENER
            self.raw["listeners"] = [{"address": address}]

    def _upstream(self, flags: Flags) -> None:
        if not flags.upstream and not flags.demo:
            return
        name = "demo" if flags.demo else "default"
        servers = self._addresses("upstreams[0].servers", "--upstream", flags.upstream)
        self._replace("upstreams", [{"name": name, "servers": servers}])
        self._replace("routes", [{"upstream": name}])
        self._replace("sites", [])

    def _replace(self, section: str, value: list[Any]) -> None:
        if section in self.raw:
            self.replaced[section] = self.raw[section]
        self.raw[section] = value

    def _addresses(self, path: str, flag: str, texts: tuple[str, ...]) -> list[dict[str, str]]:
        for i, text in enumerate(texts):
            # Both, for a fault may lie in the address or in the item as a whole.
            self.flags[f"{path}[{i}]"] = self.flags[f"{path}[{i}].address"] = f"{flag} {text}"
        return [{"address": text} for text in texts]

    def _balance(self, flags: Flags) -> None:
        for path, _ in self._tables("upstreams"):
            self._put(f"{path}.balance", "--balance", flags.balance)

    def _tls(self, flags: Flags) -> None:
        if flags.tls_cert is None and flags.tls_key is None:
            return
        listeners = [
            path
            for path, listener in self._tables("listeners")
            if _is_tls(listener) and not listener.keys() & {"tls_cert", "tls_key"}
        ]
        if not listeners:
            hint = "give one, as in --listen wss://:8443"
            raise ConfigError("--tls-cert", "there is no wss listener without a certificate", hint)
        for path in listeners:
            self._put(f"{path}.tls_cert", "--tls-cert", flags.tls_cert)
            self._put(f"{path}.tls_key", "--tls-key", flags.tls_key)

    def _tables(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the tables of an array with their paths; what is malformed is left to `build`."""
        items = self.raw.get(name)
        if not isinstance(items, list):
            return []
        return [(f"{name}[{i}]", item) for i, item in enumerate(items) if isinstance(item, dict)]

    def _set(self, setting: str) -> None:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not _KEY.fullmatch(key):
            hint = "as in --set timeouts.head=5s"
            raise ConfigError(f"--set {setting}", "expected KEY=VALUE", hint)
        self._put(key, f"--set {key}", _read_value(text))

    def _put(self, key: str, flag: str, value: Any) -> None:
        """Set the value at a key's path, unless it is None, and remember the flag."""
        if value is None:
            return
        *above, last = _STEP.findall(key)
        place, path = self.raw, ""
        for step in above:
            index, path = _step(place, path, step, flag)
            place = place.setdefault(index, {}) if isinstance(place, dict) else place[index]
        index, path = _step(place, path, last, flag)
        place[index] = value
        self.flags = {
            below: other
            for below, other in self.flags.items()
            if not below.startswith((f"{path}.", f"{path}["))
        }
        self.flags[path] = flag


def _step(place: Any, path: str, step: str, flag: str) -> tuple[Any, str]:
    """Return the key or index that a step of a path means in ``place``, and the path with it."""
    if isinstance(place, dict) and not step.isdigit():
        return step, f"{path}.{step}" if path else step
    if isinstance(place, list) and step.isdigit() and int(step) < len(place):
        return int(step), f"{path}[{int(step)}]"
    if step.isdigit():
        raise ConfigError(flag, f"there is no {path}[{step}]")
    raise ConfigError(flag, f"{path} is not a table")


def _is_tls(listener: dict[str, Any]) -> bool:
    try:
        return read_listen_address(listener.get("address")).tls
    except ValueError:
        return False


def _read_value(text: str) -> Any:
    """Read a text as a TOML value if it is one: ``5``, ``true``, ``["a", "b"]``; else as it is."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text

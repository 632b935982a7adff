"""Reads a TOML file into the raw form, and that into the model."""

import tomllib
from typing import Any

from fastws.config import syntax
from fastws.config.build import build
from fastws.config.model import Config
from fastws.errors import ConfigError

__all__ = ["build", "load", "parse"]


def load(path: str) -> Config:
    """Return the model of the file at ``path``.

    Raises ConfigError if it cannot be read or as `parse` does, and InvalidConfigError as `build`
    does.
    """
    return build(parse(syntax.read(path), path), path)


def parse(data: bytes, path: str) -> dict[str, Any]:
    """Return the raw form of the file at ``path``, which holds ``data``.

    Raises ConfigError if it is not UTF-8, or is not TOML.
    """
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(path, f"is not UTF-8: a wrong byte at offset {error.start}") from error
    except ValueError as error:  # TOMLDecodeError, or what int() says of thousands of digits
        raise ConfigError(path, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(path, "is not TOML: nested too deeply") from error

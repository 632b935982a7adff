"""Reads TOML into the raw form."""

import tomllib
from typing import Any

from fastws.errors import ConfigError


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

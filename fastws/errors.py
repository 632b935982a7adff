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

"""The one sentence for a value that is not what it should be, and how values are quoted."""

_LONGEST = 60


def expected(what: str, value: object) -> ValueError:
    """Return the error that says what was expected and, in short, what came."""
    return ValueError(f"expected {what}, got {show(value)}")


def show(value: object) -> str:
    """Return a value as an error quotes it: on one line, and not too long."""
    text = _write(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _write(value: object) -> str:
    """Write a value on one line, as TOML has it where Python does not differ in more than that."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.isprintable() and '"' not in value:
        return f'"{value}"'
    try:
        return repr(value)
    except ValueError:  # Python will not write an integer of thousands of digits
        return "a huge number"

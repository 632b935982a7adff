"""How connections are spread, as nginx's directives say it.

    least_conn    ip_hash    hash KEY [consistent]    random [two [least_conn]]
    sticky cookie NAME [expires=TIME] [domain=NAME] [path=PATH] [httponly] [secure] [samesite=WORD]

and ``round_robin``, for which nginx has no directive. A semicolon stands between a method and
``sticky``.
"""

import re
from typing import Literal

import msgspec

from fastws.config.expected import expected
from fastws.config.faults import did_you_mean
from fastws.config.template import Template, read_template, write_template
from fastws.config.units import read_seconds

Method = Literal[
    "round_robin", "least_conn", "ip_hash", "hash", "consistent_hash", "random", "random_two"
]

_WORD = re.compile(
    r"""\s*(?:
        (?P<end>;)
        | "(?P<double>(?:[^"\\]|\\.)*)"
        | '(?P<single>(?:[^'\\]|\\.)*)'
        | (?P<bare>[^\s;"']+)
    )""",
    re.VERBOSE,
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NOTHING = re.compile(r"(?!)")
# In nginx's order. RFC 6265, 4.1.1: there is no semicolon in them.
_ATTRIBUTES = {
    "domain": re.compile(r"domain=[!-:<-~]+", re.ASCII),
    "httponly": re.compile("httponly"),
    "secure": re.compile("secure"),
    "samesite": re.compile("samesite=(?:strict|lax|none)"),
    "path": re.compile(r"path=[!-:<-~]+", re.ASCII),
}
_USAGE = {
    "round_robin": "round_robin without parameters",
    "least_conn": "least_conn without parameters",
    "ip_hash": "ip_hash without parameters",
    "hash": "hash KEY [consistent]",
    "random": "random [two [least_conn]]",
    "sticky": "sticky cookie NAME [expires=TIME] [domain=NAME] [path=PATH] [httponly] [secure]"
    " [samesite=strict|lax|none]",
}

_WRITTEN = {
    "round_robin": "round_robin",
    "least_conn": "least_conn",
    "ip_hash": "ip_hash",
    "hash": "hash {}",
    "consistent_hash": "hash {} consistent",
    "random": "random",
    "random_two": "random two",
}

# nginx's expires=max: its header's date is in 2037.
_TEN_YEARS = 315360000.0


class Sticky(msgspec.Struct, frozen=True, kw_only=True):
    """A cookie that names a client's server.

    ``expires`` is in seconds; None means with the browser. ``attributes`` are the others as they
    stand in the header, each behind a semicolon.
    """

    name: str
    expires: float | None = None
    attributes: str = ""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A method, what it hashes if it does, and the cookie that comes before it if there is one."""

    method: Method = "round_robin"
    key: Template = ()
    sticky: Sticky | None = None


def read_balance(value: object) -> Balance:
    """Return what the text says. Raises ValueError."""
    directives = _directives(value) if isinstance(value, str) else []
    if not directives:
        raise expected('a method such as "least_conn"', value)
    stickies = [words for words in directives if words[0] == "sticky"]
    methods = [words for words in directives if words[0] != "sticky"] or [["round_robin"]]
    for repeated in methods[1:] + stickies[1:]:
        raise ValueError(f"{repeated[0]} is one too many: there is one method, and one sticky")
    return msgspec.structs.replace(
        _method(*methods[0]), sticky=_sticky(*stickies[0][1:]) if stickies else None
    )


def write_balance(balance: Balance) -> str:
    """Return the text that `read_balance` makes this of."""
    sticky = balance.sticky
    words = [_WRITTEN[balance.method].format(_quoted(write_template(balance.key)))]
    if sticky:
        expires = f" expires={sticky.expires:.3f}" if sticky.expires is not None else ""
        words.append(f"sticky cookie {sticky.name}{expires}{sticky.attributes.replace(';', '')}")
    return "; ".join(words)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _directives(text: str) -> list[list[str]]:
    directives: list[list[str]] = [[]]
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            raise ValueError(f"there is a quote too many, or one is missing: {text}")
        place = match.end()
        if match["end"]:
            directives.append([])
        else:
            directives[-1].append(_unquoted(match))
    return [words for words in directives if words]


def _unquoted(match: re.Match[str]) -> str:
    kind = str(match.lastgroup)
    return match[kind] if kind == "bare" else re.sub(r"\\(.)", r"\1", match[kind])


def _method(word: str, *words: str) -> Balance:
    match word, words:
        case (("round_robin" | "least_conn" | "ip_hash"), ()):
            return Balance(method=word)
        case "hash", (key,):
            return Balance(method="hash", key=_key(key))
        case "hash", (key, "consistent"):
            return Balance(method="consistent_hash", key=_key(key))
        case "random", ():
            return Balance(method="random")
        case "random", ("two",) | ("two", "least_conn"):
            return Balance(method="random_two")
    if word == "least_time" or words[:1] == ("two",):
        raise ValueError("least_time comes with a later version")
    if word not in _USAGE:
        hint = did_you_mean(word, _USAGE) or f"there are {', '.join(_USAGE)}"
        raise ValueError(f'there is no method "{word}"; {hint}')
    raise expected(_USAGE[word], " ".join([word, *words]))


def _key(text: str) -> Template:
    if not text:
        raise expected("a key such as $remote_addr", text)
    return read_template(text)


def _sticky(*words: str) -> Sticky:
    match words:
        case "cookie", name, *attributes if _TOKEN.fullmatch(name):
            return _cookie(name, attributes)
        case (("route" | "learn" as kind), *_):
            raise ValueError(f"sticky {kind} comes with a later version")
    raise expected(_USAGE["sticky"], " ".join(["sticky", *words]))


def _cookie(name: str, attributes: list[str]) -> Sticky:
    given = {word.partition("=")[0]: word for word in attributes}
    if len(given) < len(attributes):
        raise expected("each parameter of sticky once", " ".join(attributes))
    expires = given.pop("expires", None)
    for key, attribute in given.items():
        if not _ATTRIBUTES.get(key, _NOTHING).fullmatch(attribute):
            raise expected(_USAGE["sticky"], attribute)
    return Sticky(
        name=name,
        expires=_expires(expires.partition("=")[2]) if expires else None,
        attributes="".join(f"; {given[key]}" for key in _ATTRIBUTES if key in given),
    )


def _expires(text: str) -> float:
    return _TEN_YEARS if text == "max" else read_seconds(text)

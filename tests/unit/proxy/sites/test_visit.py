from support.incoming import get

from fastws.config.model import compile_pattern
from fastws.proxy.sites.visit import Visit


def visit(target: str = "/") -> Visit:
    return Visit(get(target), None, "192.0.2.1", 50000)  # type: ignore[arg-type]


def test_a_visit_begins_with_the_decoded_path() -> None:
    made = visit("/a%20b//c/../d?x=%20")
    assert (made.path, made.args, made.quoted) == (b"/a b/d", b"x=%20", True)
    assert not visit("/a?%20").quoted


def test_groups_become_variables() -> None:
    made = visit()
    assert made.matches(compile_pattern("^(?<One>.)(?<two>x)?"), b"ab")
    assert made.values == {"one": b"a", "two": b""}
    assert not made.matches(compile_pattern("^x"), b"ab")
    assert made.match is not None


def test_turns_come_to_an_end() -> None:
    made = visit()
    assert [made.turn() for _ in range(10)] == [True] * 9 + [False]

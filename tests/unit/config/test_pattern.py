import time

import pytest

from fastws.config.pattern import compile_pattern, group_names, split_pattern
from fastws.errors import SlowPattern


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        (r"^/(?<n>\d+)$", b"/12", True),
        (r"^/(?'n'\d+)$", b"/12", True),
        (r"(?<!a)b", b"ab", False),
        (r"(?<=a)b", b"ab", True),
        (r"\.php\z", b"x.php\n", False),
        (r"\.php\Z", b"x.php\n", True),
        (r"^[[:alpha:]_]+$", b"ab_", True),
        (r"^[^[:digit:]]+$", b"a1", False),
        (r"^[]a]+$", b"]a", True),
        (r"^[[a&&b]+$", b"[&", True),
        (r"^[\]]$", b"]", True),
        (r"a\hb", b"a\tb", True),
        ("é", "é".encode(), True),
        (r"^[^/?&:'\"]+$", b"x", True),
        (r"\/", b"/", True),
        (r"a\Kb", b"ab", True),
        (r"^(?>a+)b", b"aab", True),
        (r"^a++a", b"aaa", False),
        (r"^(\((?:[^()]++|(?1))*+\))$", b"(a(b)c)", True),
    ],
)
def test_nginx_s_patterns_are_read(pattern: str, subject: bytes, matches: bool) -> None:  # noqa: FBT001
    assert bool(compile_pattern(pattern).search(subject)) is matches


def test_case_may_be_ignored() -> None:
    assert compile_pattern("^A", ignore_case=True).search(b"a")
    assert not compile_pattern("^A").search(b"a")


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a\\", "(?<n>.)(?<n>.)", "["])
def test_what_cannot_be_read_is_an_error_in_words(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        compile_pattern(pattern)


def test_a_tilde_makes_a_pattern() -> None:
    assert split_pattern("~a") == ("a", False)
    assert split_pattern("~*a") == ("a", True)
    assert split_pattern(r"\~a") is None


def test_groups_have_names() -> None:
    assert group_names(r"(?<One>.)(?P<two>.)(?'three'.)(?<=x)(?:y)") == ["one", "two", "three"]


@pytest.mark.parametrize("pattern", ["(x+x+)+y", r"^(([a-z])+.)+[A-Z]([a-z])+$", "(?R)x"])
def test_no_subject_makes_a_match_last(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    began = time.process_time()
    with pytest.raises(SlowPattern) as caught:
        compiled.search(b"x" * 8000)
    assert time.process_time() - began < 1
    assert caught.value.status == 500
    assert pattern in caught.value.reason.replace("\\\\", "\\")

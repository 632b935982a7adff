import pytest

from fastws.config.nginx.findings import Findings
from fastws.config.nginx.lexer import LONGEST, Mark, Word, lex, spell


def lexed(text: str) -> tuple[list[str], list[str]]:
    """Return the words and marks, and what is wrong with its place."""
    findings = Findings()
    tokens = [token.text for token in lex(text, "f", findings)]
    assert tokens.pop() == ""  # the mark of the end
    return tokens, [f"{each.place}: {each.what}" for each in findings.all]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("a b;c{}", ["a", "b", ";", "c", "{", "}"]),
        ("a\tb\r\nc;", ["a", "b", "c", ";"]),
        ("# c ; {\na; # d\n#", ["a", ";"]),
        ("a#b c#;", ["a#b", "c#", ";"]),
        ("a}b; }", ["a}b", ";", "}"]),
        ("${a} b${c}d $e;", ["${a}", "b${c}d", "$e", ";"]),
        ("a${{b;", ["a${{b", ";"]),
        ("a{b;", ["a", "{", "b", ";"]),
        ("${a;b};", ["${a", ";", "b}", ";"]),
        (r"a\;b\{\}\ c\#;", [r"a\;b\{\}\ c\#", ";"]),
        (r"\"a\' \\b \t\r\n \x;", ["\"a'", "\\b", "\t\r\n", r"\x", ";"]),
        (r'"a\"b" "\'" "\n" "\d" "\\";', ['a"b', "'", "\n", r"\d", "\\", ";"]),
        ('\'a "b" ; { #\' "it\'s";', ['a "b" ; { #', "it's", ";"]),
        ("'' \"\";", ["", "", ";"]),
        ("'a\nb';", ["a\nb", ";"]),
        ('a"b"c d\'e;', ['a"b"c', "d'e", ";"]),
        ('if ("a");', ["if", '("a")', ";"]),
        ("if ( 'a')b;", ["if", "(", "a", ")b", ";"]),
        ('"a"{"b";', ["a", "{", "b", ";"]),
    ],
)
def test_words_end_where_nginx_ends_them(text: str, tokens: list[str]) -> None:
    assert lexed(text) == (tokens, [])


def test_every_word_and_mark_has_its_place() -> None:
    findings = Findings()
    tokens = lex("a 'b\nc' # x\r\n\td{é f;}", "f", findings)
    assert [(token.text, token.place.line, token.place.column) for token in tokens] == [
        ("a", 1, 1),
        ("b\nc", 1, 3),
        ("d", 3, 2),
        ("{", 3, 3),
        ("é", 3, 4),
        ("f", 3, 6),
        (";", 3, 7),
        ("}", 3, 8),
        ("", 3, 9),
    ]


def test_words_remember_their_quotes() -> None:
    words = [token for token in lex("a 'a' \"a\"", "f", Findings()) if isinstance(token, Word)]
    assert [word.quoted for word in words] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a;\n b 'c; d\n\n", "f:2:4: the quote ' that opens here is never closed"),
        ("a 'b'c;", 'f:1:6: unexpected "c" right behind a closing \''),
        ("a 'b'};", 'f:1:6: unexpected "}" right behind a closing \''),
        ("\ufeffa;", "f:1:1: the file begins with a byte order mark"),
        (
            "a " + "b" * LONGEST + "b;",
            "f:1:3: a word of more than 4095 bytes, the most nginx reads",
        ),
        ("a " + "é" * 2048 + ";", "f:1:3: a word of more than 4095 bytes, the most nginx reads"),
        ("#" + "b" * LONGEST, "f:1:1: a comment of more than 4095 bytes, the most nginx reads"),
        ("a \\", "f:1:3: a backslash ends the file"),
    ],
)
def test_what_nginx_cannot_read_has_its_place(text: str, fault: str) -> None:
    assert lexed(text)[1] == [fault]


def test_reading_goes_on_behind_a_fault() -> None:
    assert lexed("a 'b'c; d;")[0] == ["a", "b", "c", ";", "d", ";"]
    assert lexed("\ufeffa;")[0] == ["a", ";"]


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("a", "a"),
        ("", '""'),
        ("a b", '"a b"'),
        ("$a", "$a"),
        ("a${b}", "a${b}"),
        ("a;", '"a;"'),
        ("#", '"#"'),
        ("'a'", "\"'a'\""),
        ('a"\\', '"a\\"\\\\"'),
    ],
)
def test_a_word_is_quoted_only_where_it_has_to_be(text: str, spelt: str) -> None:
    assert spell(text) == spelt


def test_the_end_is_a_mark() -> None:
    *_, end = lex("a;\n", "f", Findings())
    assert isinstance(end, Mark)
    assert end.text == ""

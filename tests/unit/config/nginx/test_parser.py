import os
from pathlib import Path

import pytest

from fastws.config.nginx import files
from fastws.config.nginx.findings import EnoughError, Findings
from fastws.config.nginx.parser import Directive, parse, write


def shape(tree: tuple[Directive, ...]) -> list[object]:
    """Return names, arguments and blocks without their places."""
    return [
        [each.name.text, *each.values, *([shape(each.block)] if each.block is not None else [])]
        for each in tree
    ]


def parsed(text: str, file: Path = Path("f")) -> tuple[list[object], list[str]]:
    findings = Findings()
    try:
        tree = parse(str(file), text.encode(), findings)
    except EnoughError:
        tree = ()
    return shape(tree), [f"{each.place}: {each.what}" for each in findings.all]


def test_directives_and_blocks() -> None:
    text = "a; b c 'd e'; f { g h { i; } } j {}"
    assert parsed(text) == (
        [["a"], ["b", "c", "d e"], ["f", [["g", "h", [["i"]]]]], ["j", []]],
        [],
    )


@pytest.mark.parametrize(
    ("text", "tree", "fault"),
    [
        ("a;; b;", [["a"], ["b"]], 'f:1:3: unexpected ";": no directive stands before it'),
        ("a; } b;", [["a"], ["b"]], 'f:1:4: unexpected "}": no block is open here'),
        ("{ a; } b;", [["a"], ["b"]], 'f:1:1: unexpected "{": no directive stands before it'),
        ("a {\n b;\n", [["a", [["b"]]]], 'f:1:1: the block of "a" is never closed'),
        ("a b", [["a", "b"]], 'f:1:3: "a" is not ended by ";" before the end of the file'),
        ("a { b c }", [["a", [["b", "c"]]]], 'f:1:7: "b" is not ended by ";" before a "}"'),
    ],
)
def test_reading_goes_on_behind_a_fault(text: str, tree: list[object], fault: str) -> None:
    found, (first,) = parsed(text)
    assert found == tree
    assert first.startswith(fault)


def test_includes_are_relative_to_the_main_file_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("b.conf", "a.conf", ".hidden.conf", "B.conf"):
        (tmp_path / "d" / name).write_text(f"{name.strip('.')[0]} x;")
    (tmp_path / "one").write_text("include d/*.conf; one;")
    tree, faults = parsed("x { include one; } include none*;", tmp_path / "main")
    assert (tree, faults) == ([["x", [["B", "x"], ["a", "x"], ["b", "x"], ["one"]]]], [])


def test_included_directives_have_their_own_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("\n\n a;")
    findings = Findings()
    (directive,) = parse(str(tmp_path / "main"), b"include one;", findings)
    assert str(directive.place) == f"{tmp_path / 'one'}:3:2"


def test_a_block_does_not_end_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("a {")
    (tmp_path / "close").write_text("}")
    _, faults = parsed("x { include close; include open; }", tmp_path / "main")
    assert [fault.partition(": ")[2] for fault in faults] == [
        'unexpected "}": no block is open here',
        'the block of "a" is never closed: a "}" is missing',
    ]


def test_a_file_that_is_not_there_is_a_fault_of_the_include(tmp_path: Path) -> None:
    tree, (fault,) = parsed("a;\ninclude no;\nb;", tmp_path / "m")
    assert tree == [["a"], ["b"]]
    missing = tmp_path / "no"
    assert fault == f"{tmp_path / 'm'}:2:9: cannot include {missing}: No such file or directory"
    assert "Is a directory" in parsed("include .;", tmp_path / "m")[1][0]
    assert "NUL" in parsed("include 'a\0b';", tmp_path / "m")[1][0]


def test_a_file_that_includes_itself_is_a_fault(tmp_path: Path) -> None:
    main = tmp_path / "main"
    main.write_text("include b;")
    (tmp_path / "b").write_text("\ninclude mai[n];")
    _, (fault,) = parsed(main.read_text(), main)
    assert fault.startswith(f"{tmp_path / 'b'}:2:9: {main} includes itself")


def test_includes_have_a_limit_in_depth(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / str(i)).write_text(f"include {i + 1};")
    assert "16 files include one another" in parsed("include 0;", tmp_path / "m")[1][0]


def test_files_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a;" * 10)
    monkeypatch.setattr(files, "MOST_FILES", 3)
    assert "more than 3 files" in parsed("include a;" * 3, tmp_path / "m")[1][0]
    monkeypatch.setattr(files, "MOST_BYTES", 30)
    assert "MiB in one configuration" in parsed("include a; include a;", tmp_path / "m")[1][0]
    assert "MiB in one configuration" in parsed("a;" * 20)[1][0]


@pytest.mark.parametrize("text", ["a {" * 1000, "{" * 1000, "a { {" * 1000])
def test_blocks_have_a_limit_in_depth(text: str) -> None:
    assert parsed(text)[1][-1].endswith("more than 100 blocks inside one another")


def test_faults_have_a_limit() -> None:
    *_, last = parsed(";" * 100_000)[1]
    assert last.endswith("more than 10000 findings: what comes behind is not checked")


def test_bytes_that_are_no_utf8_are_kept() -> None:
    (directive,) = parse("f", b"a \xff\xfe;", Findings())
    assert os.fsencode(directive.values[0]) == b"\xff\xfe"


def test_a_directive_is_written_so_that_it_reads_back() -> None:
    assert write("a", "b c", "", "d") == 'a "b c" "" d;'

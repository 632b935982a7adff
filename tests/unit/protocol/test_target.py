from __future__ import annotations

import pytest

from fastws.errors import Reject
from fastws.protocol.target import normal_path


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/chat?room=/../%00", b"/chat"),
        (b"/a/b/", b"/a/b/"),
        (b"/a//b///c", b"/a/b/c"),
        (b"//", b"/"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/..", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/a/.", b"/a/"),
        (b"/.", b"/"),
        (b"/a/b//", b"/a/b/"),
        (b"/a//../b", b"/b"),
        (b"/%61%2Fb", b"/a/b"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/a%2f..%2fb", b"/b"),
        (b"/caf%c3%A9", b"/caf\xc3\xa9"),
        (b"/.hidden/..x/...", b"/.hidden/..x/..."),
        (b"/%2541", b"/%41"),
        (b"/a+b", b"/a+b"),
    ],
)
def test_normal_paths(target: bytes, path: bytes) -> None:
    assert normal_path(target) == path


@pytest.mark.parametrize(
    "target",
    [b"/..", b"/a/../..", b"/%2e%2e/a", b"//../a", b"/a%00", b"/a%", b"/a%2", b"/a%zz", b"/%u0041"],
)
def test_paths_that_are_refused(target: bytes) -> None:
    with pytest.raises(Reject) as caught:
        normal_path(target)
    assert caught.value.status == 400


def test_a_clean_path_is_not_copied() -> None:
    target = b"/socket.io/"
    assert normal_path(target) is target

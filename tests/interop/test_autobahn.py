"""Autobahn's fuzzing client, direct and through fastws: no verdict may get worse.

Autobahn TestSuite 0.8.2 runs on Python 2.7 only. It is installed once, into pytest's cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import peers
from support.proxy import Proxy
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from support.loops import LoopThread

# Groups 1 to 7, 9 and 10, and some of the compression.
CASES = [
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7)),
    "10.*",
    "9.*",
    *(f"12.{group}.{case}" for group in range(1, 6) for case in (1, 4, 11)),
    *(f"13.{group}.{case}" for group in range(1, 8) for case in (1, 4)),
]

# Better first. What Autobahn only notes is as good as a pass.
RANKS = {
    "OK": 0,
    "INFORMATIONAL": 0,
    "NON-STRICT": 1,
    "UNIMPLEMENTED": 2,
    "WRONG CODE": 3,
    "UNCLEAN": 3,
    "FAILED BY CLIENT": 4,
    "FAILED": 4,
}


def python27() -> str:
    """A Python 2.7 that runs."""
    found = [shutil.which("python2.7")]
    found += map(str, Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))
    for path in filter(None, found):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run([path, "-c", "import pip"], check=True, capture_output=True, timeout=20)
            return path
    pytest.skip("needs Python 2.7 with pip")


@pytest.fixture(scope="module")
def wstest(pytestconfig: pytest.Config) -> Path:
    """The command of Autobahn TestSuite."""
    folder = pytestconfig.cache.mkdir("autobahn-0.8.2")
    program, ready = folder / "venv" / "bin" / "wstest", folder / "ready"
    if not ready.exists():
        python = python27()
        tools = str(folder / "tools")
        steps: list[list[str]] = [
            [python, "-m", "pip", "install", "--target", tools, "virtualenv"],
            [python, "-m", "virtualenv", str(folder / "venv")],
            [str(folder / "venv/bin/pip"), "install", "autobahntestsuite==0.8.2"],
        ]
        for step in steps:
            environment = {**os.environ, "PYTHONPATH": tools} if "virtualenv" in step[2:3] else None
            done = subprocess.run(
                step, capture_output=True, text=True, timeout=300, check=False, env=environment
            )
            if done.returncode:
                pytest.skip(f"Autobahn could not be installed: {done.stderr.strip()[-300:]}")
        ready.touch()
    return program


async def echo(connection: Any) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_verdict_is_worse_through_fastws(
    wstest: Path, loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The echo server's only limit without an option; cases 9.3 and 9.4 send 65,536 fragments.
    monkeypatch.setattr("websockets.asyncio.messages.MAX_FRAGMENTS", 1 << 30, raising=False)
    server = peers.websockets_echo(handler=echo, process_request=None, process_response=None)
    with peers.serving(loop, server) as address, Proxy(address) as proxy:
        servers = [
            {"agent": "direct", "url": f"ws://{address}"},
            {"agent": "fastws", "url": proxy.url()},
        ]
        spec = {
            "outdir": str(tmp_path / "reports"),
            "servers": servers,
            "cases": CASES,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        command = [str(wstest), "-m", "fuzzingclient", "-s", str(tmp_path / "spec.json")]
        subprocess.run(command, check=True, capture_output=True, timeout=800, cwd=tmp_path)
    verdicts = json.loads((tmp_path / "reports" / "index.json").read_text())
    direct, through = verdicts["direct"], verdicts["fastws"]
    assert len(direct) > 300
    # What fails without a proxy shows nothing about one.
    assert {case for case in direct if direct[case]["behavior"] == "FAILED"} <= {"7.1.5"}
    assert direct.keys() == through.keys()
    worse = {
        case: f"{name}: {direct[case][name]} direct, {through[case][name]} through fastws"
        for case in direct
        for name in ("behavior", "behaviorClose")
        if RANKS[through[case][name]] > RANKS[direct[case][name]]
    }
    assert worse == {}

"""The commands of the command line against a proxy of the tests."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from support.proxy import FASTWS, Proxy
from support.waiting import PATIENCE

from fastws.admin import client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def fastws(*arguments: object, env: Mapping[str, str] | None = None) -> Any:
    """A command that ends by itself."""
    return subprocess.run(
        [str(FASTWS), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        env=env,
    )


class Controlled(Proxy):
    """A proxy whose file can be written anew, and its control socket."""

    def __init__(self, folder: Path, text: str, **more: Any) -> None:
        self.file = folder / "fastws.toml"
        self.control = folder / "control.sock"
        self.file.write_text(text)
        flags = (str(self.file), "--control", str(self.control), *more.pop("flags", ()))
        super().__init__(listen=(), flags=flags, **more)

    def say(self, command: str, *arguments: object) -> str:
        """What a command prints that succeeds."""
        result = fastws(command, "--control", self.control, *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout.strip()

    def refuse(self, command: str, *arguments: object) -> str:
        """Why a command fails."""
        result = fastws(command, "--control", self.control, *arguments)
        assert result.returncode == 1, result.stdout
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr.removeprefix("fastws: error: ").strip()

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """What the control socket answers; as `say`, without a process for each command."""
        return client.ask(str(self.control), command, **arguments)

    def status(self) -> dict[str, Any]:
        """What `fastws status` knows."""
        return json.loads(self.say("status", "--json"))

    @property
    def loads(self) -> list[int]:
        """The tunnels of each worker that serves."""
        workers = self.ask("status")["workers"]
        return [worker["tunnels"] for worker in workers if worker["state"] == "serving"]

    def stop(self) -> int:
        """End it, whichever process it is by now, if it has not ended."""
        if self.matching("upgraded") and self.control.exists():
            self.say("stop")
            return self.wait()
        return super().stop()

    def reload(self, text: str) -> str:
        """Go by another file; what changed."""
        self.file.write_text(text)
        return self.say("reload")


def config(*servers: str, listen: tuple[str, ...] = ("127.0.0.1:0",), more: str = "") -> str:
    """A file with one upstream, "u"."""
    return (
        f"listeners = {json.dumps(listen)}\n{more}\n"
        f'[[upstreams]]\nname = "u"\nservers = {json.dumps(servers)}\n'
    )

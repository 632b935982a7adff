"""Chromium, driven by tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Self

from support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--remote-debugging-pipe",
)


class Browser:
    """Chromium with one page, driven over its debugging pipe: JSON messages that end with a NUL."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.number = 0
        self.unread = b""

    def __enter__(self) -> Self:
        theirs_in, self.out = os.pipe()
        self.inward, theirs_out = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        script = 'exec "$0" "$@" 3<&"$FROM" 4>&"$TO"'
        environment = {
            **os.environ,
            "FROM": str(theirs_in),
            "TO": str(theirs_out),
            "HOME": str(self.profile),
        }
        self.process = subprocess.Popen(
            ["bash", "-c", script, CHROMIUM, *FLAGS, f"--user-data-dir={self.profile}"],
            pass_fds=(theirs_in, theirs_out),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self.out)
            os.close(self.inward)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events in between are of no interest."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str) -> None:
        result = self.call("Page.navigate", self.session, url=url)
        assert "errorText" not in result, result

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page, or of its promise."""
        result = self.call(
            "Runtime.evaluate",
            self.session,
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        return result["result"].get("value")

    def text(self, selector: str) -> str:
        """The text of the element, or nothing while it is not there."""
        return self.evaluate(f"document.querySelector('{selector}')?.textContent?.trim() ?? ''")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            more = os.read(self.inward, 65536)
            assert more, "the browser has gone"
            self.unread += more
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

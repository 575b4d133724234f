"""Chromium without a window, driven over two pipes (the DevTools protocol): messages are JSON, each ends with 0."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]


class Browser:
    """One browser with one page. `problems` is what pages have complained of since it was last emptied."""

    def __init__(self) -> None:
        program = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
        if program is None:
            raise SystemExit("site: there is no chromium; scripts/prepare test installs it")
        self.problems: list[str] = []
        self._profile = tempfile.mkdtemp()
        ours, theirs = self._pipes()
        self._process = subprocess.Popen(
            [program, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            pass_fds=(3, 4),
            preexec_fn=lambda: (os.dup2(theirs[0], 3), os.dup2(theirs[1], 4)),
            stderr=subprocess.DEVNULL,
        )
        for descriptor in theirs:
            os.close(descriptor)
        self._from = os.fdopen(ours[0], "rb", buffering=0)
        self._to = os.fdopen(ours[1], "wb", buffering=0)
        self._buffer = b""
        self._count = 0
        self._loaded = False
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
        """Our ends and its ends, for reading and writing; out of the way of 3 and 4."""
        pairs = [os.pipe(), os.pipe()]
        high = [[fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pair] for pair in pairs]
        for pair in pairs:
            for end in pair:
                os.close(end)
        return (high[0][0], high[1][1]), (high[1][0], high[0][1])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; events that come meanwhile are taken note of."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise SystemExit(f"site: {method}: {answer['error']['message']}")
                return answer["result"]
            self._hear(answer)

    def open(self, url: str) -> None:
        """Goes to a page, and waits until all of it is there."""
        self._loaded = False
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise SystemExit(f"site: {url}: {failed}")
        while not self._loaded:
            self._hear(self._receive())

    def run(self, script: str) -> Any:
        """The value of an expression in the page; of a promise, what it is kept with."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"site: {answer['exceptionDetails']}\nin {script}")
        return answer["result"].get("value")

    def look(self, width: int, height: int, scheme: str) -> None:
        """The size of the window, and whether the system is light or dark."""
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = self._from.read(1 << 16)
            if not piece:
                raise SystemExit("site: the browser ended")
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _hear(self, event: dict[str, Any]) -> None:
        method, said = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.problems.append(f"a script threw {said['exceptionDetails']}")
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.problems.append(f"the console has {said['args']}")
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"the browser complains: {said['entry']['text']}")

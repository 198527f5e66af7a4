"""A browser without a screen, spoken to by the protocol of its developer tools over pipes."""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

NAMES = ("chromium", "chromium-browser", "google-chrome")

# The browser reads from descriptor 3 and writes to 4. Through copies, as one may be the other now.
_LAUNCH = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 100) for pipe in sys.argv[1:3]]
for place, pipe in enumerate(pipes, 3):
    os.dup2(pipe, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


def browser_path() -> str | None:
    """Where a browser is; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Asks for something, and waits for the answer; what happens meanwhile is kept."""
        self._number += 1
        request: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            request["sessionId"] = self._session
        self._requests.write(json.dumps(request).encode() + b"\0")
        self._requests.flush()
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def open(self, page: Path) -> None:
        """Opens a file, and waits until all of it is there."""
        self("Page.navigate", url=page.resolve().as_uri())
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            self._receive()

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        found = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Presses a key where the focus is."""
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            self(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def look(self, *, theme: str = "light", media: str = "") -> None:
        """Says what the page is shown on."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self("Emulation.setEmulatedMedia", media=media, features=features)

    def screenshot(self, file: Path) -> None:
        """A picture of the whole page."""
        shot = self("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(b64decode(shot["data"]))

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """Parameters of events of these kinds, so far."""
        return [one["params"] for one in self.events if one["method"] in methods]

    def _receive(self) -> dict[str, Any]:
        content = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser is gone"
            content += byte
        message: dict[str, Any] = json.loads(content)
        if "method" in message:
            self.events.append(message)
        return message


@contextmanager
def browser(program: str, home: Path) -> Iterator[Browser]:
    """Starts a browser, and ends it.

    Args:
        program: the browser.
        home: an empty folder for what it writes.
    """
    to_browser, from_browser = os.pipe(), os.pipe()
    arguments = [
        "--headless",
        "--no-sandbox",  # which containers do not let it have
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-component-update",
        "--disable-background-networking",
        "--window-size=1200,900",
        f"--user-data-dir={home}",
        "--remote-debugging-pipe",
    ]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _LAUNCH,
            str(to_browser[0]),
            str(from_browser[1]),
            program,
            *arguments,
        ],
        pass_fds=(to_browser[0], from_browser[1]),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        with (
            os.fdopen(to_browser[1], "wb") as requests,
            os.fdopen(from_browser[0], "rb") as answers,
        ):
            yield Browser(requests, answers)
    finally:
        process.kill()
        process.wait()

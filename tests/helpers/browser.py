"""A headless Chromium, driven through its own debugging pipe.

By the Chrome DevTools Protocol, so that no driver is needed. Debian's package is called `chromium`,
and `make test` installs it where it may (scripts/browser); set CHROMIUM to use another.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bayes_mlm.report.pdf import HEADLESS, PROGRAMS

PROGRAM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
WHY = "no Chromium on this machine: apt-get install chromium, or set CHROMIUM to its path"

OPTIONS = [
    *HEADLESS,
    "--remote-debugging-pipe",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
]
# Chromium reads descriptor 3 and writes 4, which may be taken here.
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(text), fcntl.F_DUPFD, 10) for text in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0  # seconds; a slow machine takes ten to start Chromium


class Browser:
    """One tab of a headless Chromium, spoken to over a pair of pipes."""

    def __init__(self, profile: Path) -> None:
        self.events, self.number, self.session, self.unread = [], 0, None, b""
        to_read, self.write_to = os.pipe()
        self.read_from, to_write = os.pipe()
        # A sandbox needs what root does not have.
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [PROGRAM, *OPTIONS, *as_root, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(to_read), str(to_write), *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            self.start()
        except (AssertionError, OSError):
            self.close()
            raise

    def start(self) -> None:
        """Open a tab, and listen to it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        opened = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = opened["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(timeout=PATIENCE)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.write_to)
        os.close(self.read_from)

    def call(self, method: str, **parameters):
        """Send one command, and give its result; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self.write_to, content) :]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.read_from], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self.read_from, 1 << 20) if ready else b""
            if not part:
                raise TimeoutError("Chromium does not answer, or has ended")
            self.unread += part
        first, _, self.unread = self.unread.partition(b"\0")
        return json.loads(first)

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a file as on a screen of some size, and wait until it is loaded and painted."""
        self.events.clear()
        self.size(width, height)
        scheme = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())
        self.evaluate("Promise.all([...document.images].map((image) => image.decode()))")

    def size(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def evaluate(self, expression: str):
        """Evaluate JavaScript in the page, and give its value."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        key_of = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **key_of)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key_of)

    def screenshot(self, **options) -> bytes:
        """Return the visible page as a PNG."""
        shot = self.call("Page.captureScreenshot", format="png", **options)
        return base64.b64decode(shot["data"])

    def print(self) -> bytes:
        made = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(made["data"])

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for, other than what the page itself holds."""
        sent = [one for one in self.events if one.get("method") == "Network.requestWillBeSent"]
        urls = [one["params"]["request"]["url"] for one in sent]
        return [url for url in urls if not url.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        """What the console and the log say, violations of the content policy included."""
        shown = []
        for event in self.events:
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    shown.append(event["params"]["exceptionDetails"]["text"])
                case "Log.entryAdded":
                    shown.append(event["params"]["entry"]["text"])
                case "Runtime.consoleAPICalled":
                    shown.append(str(event["params"]["args"]))
        return shown

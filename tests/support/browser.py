"""A real Chromium, driven over chromedriver's HTTP interface. Nothing of it outlives the `with` block."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
from attrs import frozen
from needed import missing

_REMEDY = "chromium and chromedriver are not installed; on Debian: apt-get install chromium chromium-driver"
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@frozen
class Browser:
    client: httpx.Client
    session: str

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.client.post(f"/session/{self.session}/{path}", json=body)
        answer.raise_for_status()
        return answer.json()["value"]

    def open(self, url: str) -> None:
        self.post("url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        return self.post("execute/sync", {"script": script, "args": list(arguments)})

    def cdp(self, command: str, **parameters: object) -> Any:
        return self.post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def console(self) -> list[str]:
        """What the browser has complained of since it was last asked."""
        return [entry["message"] for entry in self.post("se/log", {"type": "browser"})]

    def press(self, key: str) -> None:
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def show(self, *, width: int, dark: bool = False) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        printed = self.cdp("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(printed["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Skips the test where there is no browser; fails it in CI, where there has to be one."""
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        missing(_REMEDY)
    server = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert server.stdout is not None
        port = next(found[1] for line in server.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield from _session(client, binary, profile)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _session(client: httpx.Client, binary: str, profile: Path) -> Iterator[Browser]:
    options = {"binary": binary, "args": [*_ARGUMENTS, f"--user-data-dir={profile}"]}
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
    answer.raise_for_status()
    session = answer.json()["value"]["sessionId"]
    try:
        yield Browser(client, session)
    finally:
        client.delete(f"/session/{session}")


def browser_tool(name: str, root: Path) -> Path:
    """A script that tests run inside the browser. Skips the test where it was not fetched; fails it in CI."""
    found = root / "build" / "browser" / f"{name}.js"
    if not found.is_file():
        missing(f"{found} does not exist; fetch it with `python script/browser_tools.py` (needs npm)")
    return found

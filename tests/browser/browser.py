# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Chromium without a window, and what a test asks it about a page."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# Debian's, and the one that machines for tests come with elsewhere.
_BROWSERS = ("chromium", "google-chrome")
_CONTRASTS, _FIND = (
    Path(__file__).with_name(name).read_text() for name in ("contrasts.js", "find.js")
)


class Browser:
    """A browser for one page at a time."""

    def __init__(self) -> None:
        program = next(filter(None, map(shutil.which, _BROWSERS)), None)
        driver = shutil.which("chromedriver")
        # Otherwise selenium would look for them on the network.
        assert program and driver, "./dev test browser installs chromium and chromedriver"
        options = webdriver.ChromeOptions()
        options.binary_location = program
        options.add_argument("--headless=new")
        options.add_argument("--disable-dev-shm-usage")
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        # What others do on the machine meanwhile does not count.
        self._tell("Performance.enable", timeDomain="threadTicks")

    def open(
        self, path: Path, *, width: int = 1280, dark: bool = False, media: str = "", js: bool = True
    ) -> None:
        """Opens a page in a window of this width, in the colors and for the medium asked for."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", **size)
        self._tell("Emulation.setScriptExecutionDisabled", value=not js)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.driver.get(path.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        """What the console has, since it was asked the last time."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def faint(self) -> list[dict[str, Any]]:
        """Texts and forms with less contrast than they need."""
        texts = self.run(_CONTRASTS)
        assert len(texts) > 50
        return [text for text in texts if text["ratio"] < text["least"]]

    def find(self, word: str) -> tuple[float, float]:
        """Types a word into the search field, and waits until the rows are drawn.

        Returns the milliseconds that this took, and those of them that the page was at work.
        """
        before = self._busy()
        took: float = self.driver.execute_async_script(_FIND, word)
        return took, self._busy() - before

    def _busy(self) -> float:
        metrics = self._tell("Performance.getMetrics")["metrics"]
        values = {str(metric["name"]): float(metric["value"]) for metric in metrics}
        return 1000 * values["TaskDuration"]

    def overflow(self) -> list[int]:
        """How wide the page is, and how wide the window."""
        widths: list[int] = self.run(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        return widths

    def names(self) -> list[str]:
        """The VMs in rows that can be seen, in their order."""
        seen: list[str] = self.run(
            "return [...document.getElementById('table').tBodies[0].rows]"
            ".filter((row) => row.checkVisibility()).map((row) => row.cells[0].firstChild.data)"
        )
        return seen

    def picture(self, path: Path) -> None:
        """Writes a picture of the page's first part."""
        height = min(self.run("return document.documentElement.scrollHeight"), 4000)
        width = self.run("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._tell("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as PDF, as the browser prints it."""
        return base64.b64decode(self._tell("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        self.driver.quit()

    def _tell(self, command: str, **arguments: object) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

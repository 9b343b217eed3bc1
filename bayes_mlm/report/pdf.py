"""The report as PDF, printed by a headless Chromium that is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bayes_mlm.base import StorageError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Nothing that a browser does of its own accord: no updates, no first run, no services.
HEADLESS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)
_PRINTING = (
    "--no-pdf-header-footer",
    "--print-to-pdf-no-header",  # its name before version 112
)
_PATIENCE = 180.0  # seconds; a slow machine takes ten to start Chromium


def find_chromium() -> str:
    """Return the program that prints reports: that of the variable CHROMIUM, or one on the path.

    Raises
    ------
    StorageError
        If there is none; with what to install.
    """
    named = os.environ.get("CHROMIUM")
    if found := next(filter(None, map(shutil.which, [named] if named else PROGRAMS)), None):
        return found
    what = f"CHROMIUM is {named!r}, which is no program" if named else "there is no Chromium"
    raise StorageError(
        f"{what}, and the PDF of a report is printed by one; install it (Debian and Ubuntu: "
        "apt-get install chromium; others: Chromium or Chrome), set CHROMIUM to its path, or omit "
        "--pdf, open report.html in a browser and print it"
    )


def print_pdf(page: str, program: str | None = None) -> bytes:
    """Return a page of HTML as PDF, in its print style.

    Parameters
    ----------
    page : str
        Complete HTML that needs no other file.
    program : str, optional
        Of `find_chromium` by default.

    Returns
    -------
    bytes

    Raises
    ------
    StorageError
        If there is no Chromium, or it does not print.
    """
    program = program or find_chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, target = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page, encoding="utf-8")
        # A sandbox needs what root does not have.
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [program, *HEADLESS, *_PRINTING, *as_root, f"--user-data-dir={folder}/profile"]
        command += [f"--print-to-pdf={target}", source.as_uri()]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
            reason = f"it ended with code {ended.returncode}"
        except subprocess.TimeoutExpired:
            reason = f"it took more than {_PATIENCE:.0f} seconds"
        except OSError as error:
            reason = str(error)
        content = target.read_bytes() if target.is_file() else b""
    if not content.startswith(b"%PDF"):
        raise StorageError(
            f"{program} did not print the report: {reason}; omit --pdf, open report.html in a "
            "browser and print it"
        )
    return content

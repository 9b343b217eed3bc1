"""The report as PDF: printed by an installed Chromium, or one error that says what to do."""

import shutil
import subprocess

import pytest

from bayes_mlm.base.errors import StorageError
from bayes_mlm.report.page import Origin
from bayes_mlm.report.pdf import find_chromium, print_pdf
from bayes_mlm.report.rendering import render_report
from tests.helpers.browser import PROGRAM, WHY
from tests.helpers.report_page import Page, fitted, simulated


@pytest.mark.skipif(PROGRAM is None, reason=WHY)
def test_a_report_is_printed_in_full(undrawn, tmp_path):
    analysis = fitted("y ~ x + (1 | g)", simulated(6, 10), engine="reml")
    source = render_report([analysis], Origin(title="A study"), sections=["answer", "methods"])
    printed = print_pdf(source, PROGRAM)
    assert printed.startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        return
    (tmp_path / "report.pdf").write_bytes(printed)
    command = ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    words = " ".join(text.split())
    (first,) = Page(source).all("p", **{"class": "lead"})
    assert " ".join(first["text"].split())[:60] in words
    # The references are there as text; as BibTeX they are for the screen, as controls are.
    assert "The bayes_mlm authors" in words
    assert "@software{bayes_mlm" not in words
    assert "Skip to the content" not in words
    assert "Contents" not in words


def test_without_chromium_one_error_says_what_to_do(monkeypatch, run_command):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StorageError, match=r"install it .* open report.html in a browser"):
        find_chromium()
    monkeypatch.setenv("CHROMIUM", "no-such-program")
    with pytest.raises(StorageError, match="CHROMIUM is 'no-such-program', which is no program"):
        find_chromium()
    model = ("fit", "y ~ x", "--data", "no-such-file.csv", "--pdf")
    code, _, err = run_command(*model, "--out", "results")
    assert code != 0  # before the file is looked for
    assert "CHROMIUM" in err
    code, _, err = run_command(*model)
    assert code != 0
    assert "add --out" in err


def test_a_program_that_prints_nothing_is_an_error():
    with pytest.raises(StorageError, match=r"true did not print the report: .* print it"):
        print_pdf("<p>text</p>", shutil.which("true"))

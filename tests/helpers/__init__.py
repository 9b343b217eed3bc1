"""What several test files use: where files lie, how a command is run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
REFERENCE = TESTS / "reference"
CASES = TESTS / "cases"

"""Hold the version: the one place it is written; the wheel, the CLI and every result read it."""

__version__ = "0.1.0"

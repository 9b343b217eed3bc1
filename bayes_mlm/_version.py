"""Version of the package: written here alone; the wheel, the CLI and every result read it."""

__version__ = "0.1.0"

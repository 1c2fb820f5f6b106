"""What can be typed? Each command parses, calls one function, and prints."""

from leaven.cli.entry import main

__all__ = ["main"]

"""The `leaven` command line: each command parses its options, calls one function and prints the result."""

from leaven.cli.entry import main

__all__ = ["main"]

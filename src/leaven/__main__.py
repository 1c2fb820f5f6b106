"""Entry point of `python -m leaven`, which is the `leaven` command."""

from leaven.cli import main

if __name__ == "__main__":
    main()

"""What does `python -m leaven` do? The same as `leaven`."""

from leaven.cli import main

if __name__ == "__main__":
    main()

"""What every kernel stands on: how it is called, where it writes, how its rows lie, which numbers stand for texts."""

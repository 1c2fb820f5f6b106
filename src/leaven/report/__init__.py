"""Reports: the facts of a run as one HTML page, and as a table on the terminal."""

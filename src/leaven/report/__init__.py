"""What did a run find? Its facts as one page, and as a table on the terminal."""

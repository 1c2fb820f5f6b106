"""The studio: a local web page that shows data, operators, plans, runs and results."""

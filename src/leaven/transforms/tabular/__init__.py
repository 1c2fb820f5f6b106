"""Transforms of labeled rows that keep their labels valid."""

"""Generators of item images of known categories; their images are views of items, never new catalog items."""

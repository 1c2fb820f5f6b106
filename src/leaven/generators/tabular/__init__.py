"""Generators of labeled feature rows."""

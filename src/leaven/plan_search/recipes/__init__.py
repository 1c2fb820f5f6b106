"""Recipes: candidates that help under known conditions. One module per regime."""

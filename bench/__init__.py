"""Benchmarks of leaven: cost and quality, measured next to reference libraries in the same run."""

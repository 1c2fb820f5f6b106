"""Layers, losses, batches, and the one training loop of every net."""

"""Networks, losses, batching and the shared training loop."""

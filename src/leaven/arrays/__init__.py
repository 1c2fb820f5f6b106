"""Array utilities below the kernels: parallel calls, pooled memory, ragged layout, sorting, strings, hashes."""

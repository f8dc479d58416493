"""Search with torch as the multiplier: on one or several GPUs, or on the CPU."""

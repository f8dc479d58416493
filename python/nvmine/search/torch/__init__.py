"""The search where torch multiplies: on a GPU, on several, or on the CPU."""

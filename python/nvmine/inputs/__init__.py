"""Inputs of callers, checked once: arrays, tensors, Arrow columns, keys of queries and whole numbers."""

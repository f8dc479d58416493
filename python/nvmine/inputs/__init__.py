"""What callers hand in, checked once: arrays, tensors, Arrow columns, keys and whole numbers."""

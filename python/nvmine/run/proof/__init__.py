"""Proves a finished run right without trusting the code that mined it."""

"""Shared parts of all model teachers: checkpoints, loading, settings, presets, inference, outputs."""

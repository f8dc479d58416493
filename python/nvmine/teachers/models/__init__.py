"""What all encoders share: checkpoints, loading, settings, presets, inference."""

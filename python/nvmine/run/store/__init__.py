"""The files of a run folder: how they are written, recorded and read, and nothing else."""

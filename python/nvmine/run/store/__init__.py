"""What is on the disk of a run folder, and nothing else."""

"""The best passages of every query, and what is known of its positives."""

"""File formats, row by row: named columns, lines, JSONL, TREC runs, frames that stream."""

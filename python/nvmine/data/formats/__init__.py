"""File formats read row by row: text lines, JSONL, tables with named columns, TREC runs, and streamed frames."""

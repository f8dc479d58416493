"""Runs the command line: ``python -m nvmine`` does the same as ``nvmine``."""

from nvmine.cli import main

if __name__ == "__main__":
    main()

"""``python -m nvmine``: the command line."""

from nvmine.cli import main

if __name__ == "__main__":
    main()

"""``python -m secondsite`` is ``secondsite``."""

from secondsite.cli.__main__ import main

if __name__ == "__main__":
    main()

"""`python -m allclear`."""

from __future__ import annotations

from allclear.cli import main

if __name__ == "__main__":
    main()

"""``python -m emolive``."""

from emolive.cli import main

main()

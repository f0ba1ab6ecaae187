"""`python -m soniq`: the same as the command `soniq`."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m translation_server` is the command `translation-server`."""

import sys

from translation_server.cli import main

if __name__ == "__main__":  # workers import this module as well
    sys.exit(main())

"""``python -m translation_client`` is the command ``translation-client``."""

from __future__ import annotations

import sys

from translation_client.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The command line, ``translation-client``."""

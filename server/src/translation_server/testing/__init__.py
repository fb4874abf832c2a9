"""The server inside a test: ``TranslationServer`` and the pytest plugin."""

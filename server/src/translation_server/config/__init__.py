"""The settings, where they come from, and what is allowed."""

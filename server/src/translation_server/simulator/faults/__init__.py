"""What can go wrong on purpose, when, and how it is done."""

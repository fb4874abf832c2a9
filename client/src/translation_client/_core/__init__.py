"""What to do next: decisions that are given the time and the randomness, and do no I/O."""

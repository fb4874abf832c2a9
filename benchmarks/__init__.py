"""Commands that print ratios, side by side in one run; each is a file here that can be run by itself."""

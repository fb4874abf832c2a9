"""What users can do with jobs; knows no HTTP."""

"""What a job is and how its status, progress and hints follow from its record and the time. Pure."""

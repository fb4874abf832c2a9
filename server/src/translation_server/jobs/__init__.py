"""What a job is and how it goes: pure values and functions of a record and a time."""

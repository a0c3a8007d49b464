"""Files of trainings: whole or absent, and found by their content."""

"""Files of trainings, which are complete or absent, and are found by their content."""

"""Gate patterns under a budget."""

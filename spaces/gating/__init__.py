"""Channel gates, their estimators, and records of their state."""

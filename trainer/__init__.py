"""Training, projection to the budget and scoring of one network. It knows tasks and data, not studies."""

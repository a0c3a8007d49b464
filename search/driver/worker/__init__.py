"""What runs inside a worker: one trial."""

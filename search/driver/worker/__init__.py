"""Code that runs inside a worker: one trial."""

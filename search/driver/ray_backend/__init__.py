"""Ray Tune as the pool of workers."""

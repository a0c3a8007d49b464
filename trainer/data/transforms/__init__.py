"""Changes of images together with their labels."""

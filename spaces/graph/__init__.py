"""What a graph's operations do to channels, and what they cost."""

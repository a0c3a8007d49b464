"""Effects of a graph's operations on channels, and their costs."""

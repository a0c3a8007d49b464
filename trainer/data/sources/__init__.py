"""The data sets and folder layouts that can be read."""

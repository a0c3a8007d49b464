"""How one network is trained, cut to its budget and scored. Knows tasks and data, not studies."""

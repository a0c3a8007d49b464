"""The sub-commands of `gatefront` that belong to the search, one file per subject."""

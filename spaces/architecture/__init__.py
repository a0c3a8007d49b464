"""Description of a network: its architecture and its tasks."""

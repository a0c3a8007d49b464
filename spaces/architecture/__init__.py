"""What describes a network: its architecture and its tasks."""

"""The command line: commands, terminal output and the entry points of child processes."""

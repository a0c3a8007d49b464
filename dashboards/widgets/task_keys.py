"""Task names in the ids of components: Dash and the grid read dots, braces and quotes there."""


def task_key(task: str) -> str:
    """The name as letters and digits; :func:`task_of_key` gives it back."""
    return task.encode().hex()


def task_of_key(key: str) -> str:
    """The task whose :func:`task_key` it is."""
    return bytes.fromhex(key).decode()

"""Some of many, from all over them."""


def evenly_spaced(total: int, most: int) -> list[int]:
    """At most ``most`` indices below ``total``, in order, the first one included: all of them if they are as few."""
    count = min(total, most)
    return [position * total // count for position in range(count)]

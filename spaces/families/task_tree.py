"""TaskTree: which tasks share each segment of an encoder, as a sequence of ever finer partitions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from gatefront.spaces.errors import SpaceError

Partition = tuple[tuple[str, ...], ...]
"""Groups of tasks. Tasks within a group and groups are in task order."""


@dataclass(frozen=True, slots=True)
class TaskTree:
    """Partition of the tasks for every segment of an encoder, from the images to the decoders.

    Tasks of one group share the segment. No two tasks that have parted share a later segment. All in one group
    everywhere is hard sharing, every task alone everywhere is single-task networks.
    """

    partitions: tuple[Partition, ...]

    def __post_init__(self) -> None:
        if not self.partitions:
            raise SpaceError("Cannot build a tree: it has no segments (found no partition).", hint="Name at least one.")
        tasks = sorted(name for group in self.partitions[0] for name in group)
        for partition in self.partitions:
            found = sorted(name for group in partition for name in group)
            if found != tasks or len(set(found)) != len(found) or not all(partition):
                raise SpaceError(
                    f"Cannot build a tree: every partition has each task once (found {partition}).",
                    hint=f"Divide {', '.join(tasks)} into groups.",
                )
        for coarse, fine in zip(self.partitions, self.partitions[1:], strict=False):
            if not all(any(set(group) <= set(other) for other in coarse) for group in fine):
                raise SpaceError(
                    f"Cannot build a tree: tasks that have parted share a segment again (found {fine} after {coarse}).",
                    hint="Make every partition as fine as the one before it, or finer.",
                )

    @classmethod
    def of(cls, partitions: Sequence[Sequence[Sequence[str]]]) -> "TaskTree":
        """Return the tree of partitions that are written as lists. :meth:`as_lists` reverses it."""
        return cls(tuple(tuple(tuple(group) for group in partition) for partition in partitions))

    def as_lists(self) -> list[list[list[str]]]:
        """Return the partitions as documents hold them."""
        return [[list(group) for group in partition] for partition in self.partitions]

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(name for group in self.partitions[0] for name in group)

    def group_of(self, segment: int, task: str) -> tuple[str, ...]:
        """Return the tasks that share a segment with ``task``, itself included."""
        return next(group for group in self.partitions[segment] if task in group)

    def parts(self) -> list[tuple[int, tuple[str, ...]]]:
        """Return every part of the encoder that exists once: its segment and its tasks, in depth order."""
        return [(segment, group) for segment, partition in enumerate(self.partitions) for group in partition]

    @property
    def label(self) -> str:
        """Text for people, such as ``{left, right, orientation} > {left, right}{orientation}``.

        A partition that is that of the segment before is left out.
        """
        shown = [one for at, one in enumerate(self.partitions) if at == 0 or one != self.partitions[at - 1]]
        return " > ".join("".join("{" + ", ".join(group) + "}" for group in partition) for partition in shown)


def enumerate_trees(task_names: Sequence[str], num_segments: int) -> Iterator[TaskTree]:
    """Yield every tree of these tasks, from all shared to all separate.

    The number grows fast: three tasks on three segments have 22 trees, four tasks on five segments 561.
    """
    every = list(_partitions(tuple(task_names)))

    def extend(chain: tuple[Partition, ...]) -> Iterator[TaskTree]:
        if len(chain) == num_segments:
            yield TaskTree(chain)
            return
        for partition in every:
            if not chain or _refines(partition, chain[-1]):
                yield from extend((*chain, partition))

    yield from extend(())


def shared_until(task_names: Sequence[str], num_segments: int, branch_at: int) -> TaskTree:
    """Return the tree whose tasks share the first ``branch_at`` segments and are separate behind them."""
    together: Partition = (tuple(task_names),)
    apart: Partition = tuple((name,) for name in task_names)
    return TaskTree((together,) * branch_at + (apart,) * (num_segments - branch_at))


def _refines(fine: Partition, coarse: Partition) -> bool:
    return all(any(set(group) <= set(other) for other in coarse) for group in fine)


def _partitions(names: tuple[str, ...]) -> Iterator[Partition]:
    """Yield the partitions of these tasks, coarse ones first within each choice of the first task's group."""
    if not names:
        yield ()
        return
    first, rest = names[0], names[1:]
    for size in range(len(rest), -1, -1):
        for companions in combinations(rest, size):
            left = tuple(name for name in rest if name not in companions)
            for others in _partitions(left):
                yield ((first, *companions), *others)

"""The splits of rooms: no two of any seed are rendered from one seed."""

from gatefront.trainer.data.cache.array_cache import Split
from gatefront.trainer.data.sources.rooms.source import _split_seed

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def test_split_seed_is_another_for_every_split_of_every_seed() -> None:
    seeds = [_split_seed(split, seed) for split in SPLITS for seed in range(1000)]
    assert len(set(seeds)) == 3000
    # As an earlier release rendered them.
    assert [_split_seed("train", 3), _split_seed("val", 3)] == [6, 7]

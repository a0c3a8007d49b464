"""The composed digits: no source digit crosses the split, and the labels say what was drawn."""

import numpy as np

from gatefront.trainer.data.sources.digits import _SOURCES, _grating, _overlapping_pair, _source_digits


def test_source_digits_of_the_splits_are_disjoint() -> None:
    train, val, test = (_source_digits(_SOURCES[split])[0] for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (1300, 248, 249)
    assert (train.min(), train.max()) == (0.0, 1.0)
    # scikit-learn's set holds no image twice, so equal pixels would mean a leak.
    assert len({digit.tobytes() for digit in (*train, *val, *test)}) == 1797


def test_digits_keep_their_side_and_overlap() -> None:
    ink, empty = np.ones((200, 8, 8)), np.zeros((200, 8, 8))
    rng = np.random.default_rng(0)
    left = _overlapping_pair(rng, ink, empty).any(axis=1)
    right = _overlapping_pair(rng, empty, ink).any(axis=1)
    both = _overlapping_pair(rng, ink, ink).any(axis=1)
    assert left.sum(axis=1).tolist() == right.sum(axis=1).tolist() == [8] * 200
    assert not left[:, 10:].any()
    assert not right[:, :4].any()
    # Together they span 10 to 14 columns: two to six are shared.
    assert both.sum(axis=1).min() == 10
    assert both.sum(axis=1).max() == 14


def test_gratings_vary_along_their_orientation() -> None:
    waves = _grating(np.random.default_rng(0), np.array([0, 2] * 100))
    along_x, along_y = (
        np.abs(np.diff(waves, axis=2)).mean(axis=(1, 2)),
        np.abs(np.diff(waves, axis=1)).mean(axis=(1, 2)),
    )
    assert (along_x > along_y).tolist() == [True, False] * 100

"""Which change an image gets: within the options, by epoch and index alone, and never in validation."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import DataDescription, DataError, DataSpec, MultiTaskData, Sample
from gatefront.trainer.data.dataset import OptionValue
from gatefront.trainer.data.loader import epoch_batches, ordered_batches
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.transforms.augmentation import Augmentation, AugmentOptions, ChangesWithEpoch, augment

TASKS = (Task(name="depth", kind="depth", num_outputs=1),)
PUBLISHED = Augmentation(flip=True, scales=(1.0, 1.2, 1.5))


class Ramps(Dataset[Sample]):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Sample:
        ramp = torch.arange(60.0).view(1, 6, 10) + 100 * index
        return Sample(ramp, {"depth": ramp})


def data() -> MultiTaskData:
    description = DataDescription(
        tasks=TASKS, in_channels=1, input_size=(6, 10), mean=(0.0,), std=(1.0,), num_train=12, num_val=12
    )
    return MultiTaskData(description=description, train=Ramps(), val=Ramps(), fingerprint="ramps")


def choose(**options: OptionValue) -> Augmentation:
    return parse_options(AugmentOptions, DataSpec(name="ramps", options=options)).choose(PUBLISHED)


def shown(train: Dataset[Sample], epoch: int, num_workers: int = 0) -> dict[int, torch.Tensor]:
    """Image number to what was shown of it."""
    batches = epoch_batches(train, TASKS, batch_size=4, seed=5, epoch=epoch, num_workers=num_workers)
    images: Iterator[torch.Tensor] = (image for batch in batches for image in batch.images)
    return {int(image.amax() // 100): image for image in images}


def test_options_choose_and_override() -> None:
    assert choose() == Augmentation()
    assert choose(augment=True) == PUBLISHED
    assert choose(augment=True, flip=False).flip is False
    assert choose(flip=True) == Augmentation(flip=True)
    both = choose(augment=True, scale_low=0.5, rotation=10.0)
    assert (both.scales, both.scale_range, both.rotation) == ((), (0.5, 1.0), 10.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": 1}, "augment must be true or false, found 1"),
        ({"scale_low": 0.0}, "scale_low must be above 0"),
        ({"scale_low": True}, "a real number, found True"),
        ({"scale_low": 1.5, "scale_high": 1.2}, "at most scale_high"),
        ({"scale_low": 1.5}, "at most scale_high"),
        ({"rotation": -3.0}, "between 0 and 180"),
        ({"rotate": 3.0}, "Did you mean 'rotation'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, OptionValue], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(**options)


@given(
    st.booleans(), st.tuples(st.floats(0.5, 1), st.floats(1, 3)), st.floats(0, 180), st.booleans(), st.integers(0, 99)
)
def test_drawn_changes_stay_within(
    flip: bool, scale_range: tuple[float, float], rotation: float, centred: bool, seed: int
) -> None:
    augmentation = Augmentation(flip=flip, scale_range=scale_range, rotation=rotation, centred=centred)
    warp = augmentation.draw((40, 60), torch.Generator().manual_seed(seed))
    assert not warp.flip or flip
    assert scale_range[0] <= warp.scale <= scale_range[1]
    assert abs(warp.angle) <= rotation * 3.15 / 180
    if centred:
        assert warp.centre == (0, 0)
    elif warp.scale > 1:
        # The window is inside the image.
        assert all(
            abs(c) <= side / 2 * (1 - 1 / warp.scale) + 1e-9 for c, side in zip(warp.centre, (40, 60), strict=True)
        )


def test_every_listed_zoom_and_both_sides_occur() -> None:
    generator = torch.Generator().manual_seed(0)
    warps = [PUBLISHED.draw((6, 10), generator) for _ in range(60)]
    assert {warp.scale for warp in warps} == {1.0, 1.2, 1.5}
    assert 15 < sum(warp.flip for warp in warps) < 45


def test_epochs_differ_and_repeat_whatever_the_workers() -> None:
    train = augment(data(), PUBLISHED).train
    first, second = shown(train, 1), shown(train, 2)
    assert any(not torch.equal(first[number], second[number]) for number in first.keys() & second.keys())
    for other in (shown(train, 1), shown(train, 1, num_workers=1)):
        assert other.keys() == first.keys()
        assert all(torch.equal(other[number], first[number]) for number in first)


def test_labels_change_with_the_image() -> None:
    train = augment(data(), Augmentation(flip=True)).train
    (batch, *_) = epoch_batches(train, TASKS, batch_size=12, seed=0, epoch=0)
    torch.testing.assert_close(batch.labels["depth"], batch.images, atol=1e-3, rtol=0)
    is_flipped = batch.images[:, 0, 0, 0] > batch.images[:, 0, 0, -1]
    assert 0 < is_flipped.sum() < 12


def test_a_single_task_sees_the_same_images_and_its_labels_alone() -> None:
    train = augment(data(), PUBLISHED).train
    assert isinstance(train, ChangesWithEpoch)
    whole, alone, none = train.at_epoch(3), train.at_epoch(3, TASKS), train.at_epoch(3, ())
    for index in range(12):
        assert torch.equal(whole[index].image, none[index].image)
        torch.testing.assert_close(whole[index].labels, alone[index].labels, rtol=0, atol=0, equal_nan=True)
        assert none[index].labels == {}


def test_nothing_is_drawn_outside_of_epochs_or_in_validation() -> None:
    changed = augment(data(), PUBLISHED)
    assert torch.equal(changed.train[3].image, Ramps()[3].image)
    (batch,) = ordered_batches(changed.val, TASKS, batch_size=12)
    assert torch.equal(batch.images[3], Ramps()[3].image)


def test_the_fingerprint_tells_changed_images_from_others() -> None:
    plain = data()
    assert augment(plain, choose()) is plain
    assert augment(plain, Augmentation(centred=False)) is plain
    prints = {augment(plain, choose(**options)).fingerprint for options in ({}, {"flip": True}, {"augment": True})}
    assert len(prints) == 3

"""Labels at another size: nothing is invented, and gaps stay where they were."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces.architecture.tasks import TaskKind
from gatefront.trainer.data.transforms.resizing import resize_image, resize_label

SIZES = st.tuples(st.integers(1, 13), st.integers(1, 13))


@given(SIZES, SIZES, st.sampled_from(["segmentation", "depth", "saliency"]))
def test_nearest_invents_no_value(old: tuple[int, int], new: tuple[int, int], kind: TaskKind) -> None:
    label = torch.arange(float(old[0] * old[1])).view(1, *old)
    found = resize_label(label, kind, new)
    assert found.shape == (1, *new)
    assert set(found.unique().tolist()) <= set(label.unique().tolist())
    # Left to right and top to bottom stay so.
    assert (found.diff(dim=-1) >= 0).all()
    assert (found.diff(dim=-2) >= 0).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_nearest_is_centred(factor: int) -> None:
    label = torch.arange(12).view(3, 4)
    larger = resize_label(label, "segmentation", (3 * factor, 4 * factor))
    assert torch.equal(larger, label.repeat_interleave(factor, 0).repeat_interleave(factor, 1))
    assert torch.equal(resize_label(larger, "segmentation", (3, 4)), label)


def test_gaps_of_normals_stay_and_do_not_leak() -> None:
    normals = torch.zeros(3, 8, 8)
    normals[2] = 1
    normals[:, :, :3] = torch.nan
    found = resize_label(normals, "normals", (16, 16))
    assert torch.equal(
        found.isnan().any(dim=0), normals.repeat_interleave(2, 1).repeat_interleave(2, 2).isnan().any(dim=0)
    )
    assert torch.equal(found[:, :, 6:], torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 16, 10))


@given(SIZES, SIZES)
def test_normals_keep_unit_length(old: tuple[int, int], new: tuple[int, int]) -> None:
    normals = torch.nn.functional.normalize(torch.rand(3, *old) + 0.1, dim=0)
    length = resize_label(normals, "normals", new).norm(dim=0)
    torch.testing.assert_close(length, torch.ones(new))


@given(SIZES, SIZES)
def test_images_stay_in_range(old: tuple[int, int], new: tuple[int, int]) -> None:
    found = resize_image((torch.rand(3, *old) > 0.5).float(), new)
    assert found.shape == (3, *new)
    assert found.min() >= 0
    assert found.max() <= 1
    grey = resize_image(torch.full((3, *old), 0.25), new)
    torch.testing.assert_close(grey, torch.full((3, *new), 0.25))


@pytest.mark.parametrize("column", range(8))
def test_resize_label_thin_edge_survives_shrinking(column: int) -> None:
    edges = torch.zeros(1, 8, 8)
    edges[..., column] = 1
    edges[:, 6:] = torch.nan
    found = resize_label(edges, "edges", (4, 4))
    assert found[0, :3].nonzero()[:, 1].tolist() == 3 * [column // 2]
    assert found[0, 3].isnan().all()


def test_resize_label_edges_grow_as_their_nearest_pixel() -> None:
    edges = torch.tensor([[[0.0, 1.0], [torch.nan, 0.0]]])
    expected = edges.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(resize_label(edges, "edges", (4, 4)), expected, equal_nan=True)

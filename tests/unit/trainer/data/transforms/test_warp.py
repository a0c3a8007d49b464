"""Changed samples against rooms that are rendered again: mirrored, turned, or through a longer lens."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, Sample
from gatefront.trainer.data.sources.rooms.intersection import trace
from gatefront.trainer.data.sources.rooms.rays import Rays, cast_rays, rotate, to_camera
from gatefront.trainer.data.sources.rooms.scene import Box, Camera, Scene, Sphere, sample_scene
from gatefront.trainer.data.transforms.warp import LabelGeometry, Warp, warp_sample

SIZE = (48, 48)
TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=9),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
UP = LabelGeometry()


@pytest.fixture(params=range(4))
def scene(request: pytest.FixtureRequest) -> Scene:
    return sample_scene(1, torch.Generator().manual_seed(request.param))


def render(scene: Scene, roll: float = 0.0) -> Sample:
    """One room's labels, with the camera rolled clockwise, so that the image turns counter-clockwise."""
    rays = cast_rays(scene.camera, SIZE)
    level = to_camera(rays.direction, scene.camera)
    angle = torch.tensor(roll)
    right, up = rotate(level[0], level[1], -angle)
    hits = trace(scene, Rays(rays.origin, to_world(torch.stack([right, up, level[2]]), scene.camera)))
    normal = to_camera(hits.normal, scene.camera)
    turned_right, turned_up = rotate(normal[0], normal[1], angle)
    normals = torch.stack([turned_right, turned_up, normal[2]]).view(3, *SIZE)
    labels = {"semseg": hits.surface.view(SIZE), "depth": hits.depth.view(1, *SIZE), "normals": normals}
    return Sample(hits.depth.view(1, *SIZE), labels)


def to_world(vector: Tensor, camera: Camera) -> Tensor:
    right, up, back = vector
    up, back = rotate(up, back, camera.pitch)
    back, right = rotate(back, right, camera.yaw)
    return torch.stack([right, up, back])


def mirrored(scene: Scene) -> Scene:
    """The same room with left and right exchanged."""
    side = torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
    camera, boxes, spheres = scene.camera, scene.boxes, scene.spheres
    return Scene(
        half_size=scene.half_size,
        height=scene.height,
        camera=Camera(
            eye=side * camera.eye, yaw=-camera.yaw, pitch=camera.pitch, field_of_view=camera.field_of_view
        ),
        boxes=tuple(
            Box(
                x=-box.x, z=box.z, half_width=box.half_width, height=box.height, half_depth=box.half_depth,
                angle=-box.angle,
            )
            for box in boxes
        ),
        spheres=tuple(Sphere(centre=side * sphere.centre, radius=sphere.radius) for sphere in spheres),
        lamp=scene.lamp,
        surfaces=scene.surfaces,
    )  # fmt: skip


def through_lens(scene: Scene, scale: float) -> Scene:
    camera = scene.camera
    narrow = 2 * torch.atan(torch.tan(camera.field_of_view / 2) / scale)
    zoomed = Camera(eye=camera.eye, yaw=camera.yaw, pitch=camera.pitch, field_of_view=narrow)
    return Scene(
        half_size=scene.half_size, height=scene.height, camera=zoomed, boxes=scene.boxes, spheres=scene.spheres,
        lamp=scene.lamp, surfaces=scene.surfaces,
    )  # fmt: skip


def share_of_equal(found: Tensor, expected: Tensor, tolerance: float = 1e-3) -> float:
    """Of the pixels that are known in both."""
    off = (found - expected).abs().amax(dim=0)
    return float((off[~off.isnan()] < tolerance).float().mean())


def test_mirrored_labels_are_those_of_the_mirrored_room(scene: Scene) -> None:
    found, expected = warp_sample(render(scene), TASKS, Warp(flip=True), UP), render(mirrored(scene))
    for name in ("depth", "normals"):
        assert share_of_equal(found.labels[name], expected.labels[name]) > 0.995
    assert (found.labels["semseg"] == expected.labels["semseg"]).float().mean() > 0.995
    torch.testing.assert_close(found.image, render(scene).image.flip(-1), atol=1e-4, rtol=1e-4)
    unturned = render(scene).labels["normals"].flip(-1)
    assert share_of_equal(unturned, expected.labels["normals"]) < 0.9


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_quarter_turns_are_exact(scene: Scene, degrees: int) -> None:
    angle = math.radians(degrees)
    found, expected = warp_sample(render(scene), TASKS, Warp(angle=angle), UP), render(scene, roll=angle)
    turned = render(scene).labels["depth"].rot90(degrees // 90, dims=(-2, -1))
    assert share_of_equal(found.labels["depth"], turned) > 0.99
    assert share_of_equal(found.labels["depth"], expected.labels["depth"]) > 0.99
    assert share_of_equal(found.labels["normals"], expected.labels["normals"]) > 0.99


@pytest.mark.parametrize("degrees", [-20.0, 7.0, 20.0])
def test_turned_labels_are_those_of_a_tilted_camera(scene: Scene, degrees: float) -> None:
    angle = math.radians(degrees)
    found, expected = warp_sample(render(scene), TASKS, Warp(angle=angle), UP), render(scene, roll=angle)
    normals = found.labels["normals"]
    corner = found.labels["semseg"][0, 0]
    assert corner == IGNORE_INDEX
    assert normals[:, 0, 0].isnan().all()
    assert share_of_equal(normals, expected.labels["normals"], 0.02) > 0.8
    wrong_way = warp_sample(render(scene), TASKS, Warp(angle=angle), LabelGeometry(normals_point_up=False))
    assert share_of_equal(wrong_way.labels["normals"], expected.labels["normals"], 0.02) < 0.6


def test_zooming_in_is_a_longer_lens_with_nearer_things(scene: Scene) -> None:
    found, expected = warp_sample(render(scene), TASKS, Warp(scale=3.0), UP), render(through_lens(scene, 3.0))
    # With a zoom of 3 every third pixel has the place of an old one.
    at = (slice(None), slice(1, None, 3), slice(1, None, 3))
    assert share_of_equal(3 * found.labels["depth"][at], expected.labels["depth"][at]) > 0.99
    assert share_of_equal(found.labels["normals"][at], expected.labels["normals"][at]) > 0.99
    inverse = warp_sample(render(scene), TASKS, Warp(scale=3.0), LabelGeometry(depth_is_inverse=True))
    torch.testing.assert_close(inverse.labels["depth"], 9 * found.labels["depth"])


def test_zooming_out_leaves_an_unknown_border(scene: Scene) -> None:
    sample = render(scene)
    found = warp_sample(sample, TASKS, Warp(scale=0.5), UP)
    border = torch.ones(SIZE, dtype=torch.bool)
    border[12:36, 12:36] = False
    assert torch.equal(found.labels["depth"][0].isnan(), border)
    assert torch.equal(found.labels["normals"].isnan().any(dim=0), border)
    assert torch.equal(found.labels["semseg"] == IGNORE_INDEX, border)
    assert not found.image[0, border].any()


def test_a_window_off_the_middle(scene: Scene) -> None:
    sample = render(scene)
    found = warp_sample(sample, TASKS, Warp(scale=2.0, centre=(-12.0, 12.0)), UP)
    window = sample.labels["semseg"][:24, 24:]
    assert torch.equal(found.labels["semseg"][::2, ::2], window)
    assert torch.equal(found.labels["semseg"][1::2, 1::2], window)


WARPS = st.builds(
    Warp,
    flip=st.booleans(),
    scale=st.floats(0.5, 2.0),
    angle=st.floats(-math.pi, math.pi),
    centre=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
)


@given(WARPS, st.integers(0, 3))
def test_any_warp_keeps_the_contract_of_samples(warp: Warp, seed: int) -> None:
    sample = render(sample_scene(1, torch.Generator().manual_seed(seed)))
    gappy = dict(sample.labels)
    gappy["normals"] = gappy["normals"].clone()
    gappy["normals"][:, 10:20] = torch.nan
    gappy["semseg"] = gappy["semseg"].clone()
    gappy["semseg"][30:] = IGNORE_INDEX
    found = warp_sample(Sample(sample.image, gappy), TASKS, warp, UP)
    assert found.image.shape == sample.image.shape
    assert found.image.isfinite().all()
    for name, label in gappy.items():
        assert found.labels[name].shape == label.shape
        assert found.labels[name].dtype == label.dtype
    assert set(found.labels["semseg"].unique().tolist()) <= set(gappy["semseg"].unique().tolist()) | {IGNORE_INDEX}
    length = found.labels["normals"].norm(dim=0)
    torch.testing.assert_close(length[~length.isnan()], torch.ones(int((~length.isnan()).sum())))


def test_what_a_sample_lacks_stays_away_and_whole_image_labels_stay() -> None:
    tasks = (*TASKS, Task(name="kind", kind="classification", num_outputs=3))
    sample = Sample(torch.rand(3, 8, 8), {"kind": torch.tensor(2)})
    found = warp_sample(sample, tasks, Warp(flip=True, scale=1.5), UP)
    assert found.labels == sample.labels

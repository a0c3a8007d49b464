"""Geometry of the ray-cast rooms: the labels must agree with each other, not merely look right."""

import pytest
import torch
from torch import Tensor

from gatefront.trainer.data.sources.rooms.intersection import Hits, trace
from gatefront.trainer.data.sources.rooms.rays import Rays, cast_rays, to_camera
from gatefront.trainer.data.sources.rooms.render import render_rooms
from gatefront.trainer.data.sources.rooms.scene import NUM_BOXES, NUM_ROOM_SURFACES, Scene, sample_scene

SIZE = (24, 32)


@pytest.fixture
def traced() -> tuple[Scene, Rays, Hits]:
    scene = sample_scene(16, torch.Generator().manual_seed(3))
    rays = cast_rays(scene.camera, SIZE)
    return scene, rays, trace(scene, rays)


def test_every_ray_ends_inside_the_room(traced: tuple[Scene, Rays, Hits]) -> None:
    scene, rays, hits = traced
    x, y, z = rays.at(hits.depth)
    half_x, half_z = scene.half_size
    slack = 1e-3
    assert (x.abs() <= half_x + slack).all()
    assert (z.abs() <= half_z + slack).all()
    assert ((y >= -slack) & (y <= scene.height + slack)).all()


def test_normals_are_unit_and_face_the_camera(traced: tuple[Scene, Rays, Hits]) -> None:
    _scene, rays, hits = traced
    torch.testing.assert_close(hits.normal.norm(dim=0), torch.ones_like(hits.depth), atol=1e-3, rtol=0)
    assert ((hits.normal * rays.direction).sum(dim=0) <= 1e-4).all()


def test_points_on_spheres_are_one_radius_from_the_centre(traced: tuple[Scene, Rays, Hits]) -> None:
    scene, rays, hits = traced
    point, seen = rays.at(hits.depth), 0
    for number, sphere in enumerate(scene.spheres, NUM_ROOM_SURFACES + NUM_BOXES):
        on_sphere = hits.surface == number
        distance = (point - sphere.centre).norm(dim=0)
        torch.testing.assert_close(distance[on_sphere], sphere.radius.expand_as(distance)[on_sphere], atol=1e-3, rtol=0)
        seen += int(on_sphere.sum())
    assert seen > 100


def test_points_on_boxes_lie_on_a_face(traced: tuple[Scene, Rays, Hits]) -> None:
    scene, rays, hits = traced
    x, y, z = rays.at(hits.depth)
    for number, box in enumerate(scene.boxes, NUM_ROOM_SURFACES):
        on_box = hits.surface == number
        cos, sin = box.angle.cos(), box.angle.sin()
        own_x = cos * (x - box.x) + sin * (z - box.z)
        own_z = -sin * (x - box.x) + cos * (z - box.z)
        to_face = torch.stack([own_x.abs() - box.half_width, (y - box.height / 2).abs() - box.height / 2,
                               own_z.abs() - box.half_depth]).amax(dim=0)  # fmt: skip
        assert to_face[on_box].abs().max() < 1e-3


def test_camera_axes_turn_back_what_the_rays_turned(traced: tuple[Scene, Rays, Hits]) -> None:
    scene, rays, _hits = traced
    in_camera = to_camera(rays.direction, scene.camera)
    torch.testing.assert_close(in_camera[2], torch.full_like(in_camera[2], -1.0))
    right, up = in_camera[0].view(-1, *SIZE), in_camera[1].view(-1, *SIZE)
    assert (right[:, :, -1] > 0).all()
    assert (up[:, 0] > 0).all()


def test_the_camera_looks_down_more_than_up() -> None:
    classes = torch.from_numpy(render_rooms(64, image_size=SIZE, seed=0)["semseg"])
    floor, ceiling = (classes == 1).float().mean(), (classes == 2).float().mean()
    assert floor > 2 * ceiling > 0


def test_edges_are_where_depth_or_normals_break() -> None:
    arrays = render_rooms(32, image_size=SIZE, seed=0)
    edges = torch.from_numpy(arrays["edges"]).bool()[:, 0, :-1, :-1]
    depth, normals = torch.from_numpy(arrays["depth"]), torch.from_numpy(arrays["normals"])

    def step_to_neighbours(values: Tensor) -> Tensor:
        here = values[:, :, :-1, :-1]
        down, right = values[:, :, 1:, :-1] - here, values[:, :, :-1, 1:] - here
        return torch.maximum(down.norm(dim=1), right.norm(dim=1))

    turn = step_to_neighbours(normals)
    # Two faces that meet differ in normal or in depth; inside a flat face the normal is constant.
    assert (turn[edges] > 0.05).float().mean() > 0.85
    assert (turn[~edges] < 1e-4).float().mean() > 0.85
    jump = step_to_neighbours(depth)
    assert jump[edges].mean() > 3 * jump[~edges].mean()


def test_rendering_in_chunks_depends_on_the_seed_only() -> None:
    first, again = (render_rooms(70, image_size=(8, 8), seed=5) for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)
    assert (render_rooms(70, image_size=(8, 8), seed=6)["depth"] != first["depth"]).any()

"""Cloth, fog and panes: each label says what was drawn, and nothing of what the other two say."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gatefront.trainer.data.cache.array_cache import Arrays
from gatefront.trainer.data.sources.veils.render import _cloth, _fog_depth, _inside, _panes, render_veils

Y, X = np.mgrid[:32, :48].astype(float)


@pytest.fixture(scope="module")
def rendered() -> Arrays:
    return render_veils(300, image_size=(32, 48), seed=[0, 0])


def test_render_veils_shapes_and_types(rendered: Arrays) -> None:
    assert {name: (array.shape, array.dtype.name) for name, array in rendered.items()} == {
        "image": ((300, 1, 32, 48), "uint8"),
        "stripes": ((300, 32, 48), "uint8"),
        "depth": ((300, 1, 32, 48), "float32"),
        "panes": ((300, 32, 48), "uint8"),
    }


def test_render_veils_scenes_do_not_depend_on_their_number_at_once(rendered: Arrays) -> None:
    again = render_veils(300, image_size=(32, 48), seed=[0, 0])
    assert all(np.array_equal(again[name], array) for name, array in rendered.items())
    assert not np.array_equal(rendered["image"][0], rendered["image"][256])


def test_cloth_varies_along_the_direction_that_its_label_names() -> None:
    cloth, directions = _cloth(np.random.default_rng(0), 200, X, Y)
    assert cloth.min() >= 0
    assert cloth.max() <= 1
    along_x, along_y = np.abs(np.diff(cloth, axis=2)).mean(axis=2), np.abs(np.diff(cloth, axis=1)).mean(axis=1)
    whole = [index for index in range(200) if len(np.unique(directions[index])) == 1]
    assert whole
    for index in whole:
        if directions[index, 0, 0] == 0:
            assert along_x[index].mean() > 2 * along_y[index].mean()
        elif directions[index, 0, 0] == 2:
            assert along_y[index].mean() > 2 * along_x[index].mean()


def test_fog_has_no_edge() -> None:
    depth = _fog_depth(np.random.default_rng(0), 100, X, Y)
    assert depth.min() >= 0.2
    assert depth.max() <= 4.2
    assert max(np.abs(np.diff(depth, axis=axis)).max() for axis in (1, 2)) < 0.5
    assert depth.std(axis=(1, 2)).min() > 0.1


def test_panes_dim_the_light_exactly_where_a_form_is_named() -> None:
    tint, forms = _panes(np.random.default_rng(0), 100, X, Y)
    assert ((tint < 1) == (forms > 0)).all()
    assert set(np.unique(forms)) == {0, 1, 2, 3}
    assert tint.min() >= 0.5


@pytest.mark.parametrize(("form", "area"), [(1, np.pi * 0.9**2), (2, 1.6**2), (3, 3 * np.sqrt(3) * 0.62**2)])
def test_inside_covers_the_area_of_the_form_at_any_angle(form: int, area: float) -> None:
    y, x = np.mgrid[-1.5:1.5:301j, -1.5:1.5:301j]
    angles = np.linspace(0, 6, 7).reshape(7, 1, 1)
    covered = _inside(np.full((7, 1, 1), form), *np.broadcast_arrays(x[None], y[None]), angles)
    assert covered.mean(axis=(1, 2)) * 9 == pytest.approx(np.full(7, area), rel=0.03)


def test_labels_say_nothing_of_each_other(rendered: Arrays) -> None:
    depth, forms = rendered["depth"][:, 0], rendered["panes"]
    behind = [depth[forms == form].mean() for form in range(4)]
    assert max(behind) - min(behind) < 0.2
    below = [depth[rendered["stripes"] == direction].mean() for direction in range(4)]
    assert max(below) - min(below) < 0.2


def test_fog_brightens_and_panes_darken(rendered: Arrays) -> None:
    image, depth = rendered["image"][:, 0].astype(float), rendered["depth"][:, 0]
    clear = rendered["panes"] == 0

    def brightness(where: NDArray[np.bool_]) -> float:
        return float(image[where].mean())

    assert brightness(clear & (depth > 3.5)) > brightness(clear & (depth < 1)) + 40
    assert brightness(clear) > brightness(~clear) + 10

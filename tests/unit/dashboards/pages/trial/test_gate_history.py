"""The gates over training: the map of every epoch is drawn as the final one is, and says which epoch it shows."""

import json
from typing import Any

import pytest
from dash import no_update
from plotly.utils import PlotlyJSONEncoder

from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.trial.gate_history import course_update, cuts, shown_epoch
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.search.results.states import TrialState
from gatefront.spaces.gating.gate_map import GateMap

SEEN, KEY = ClientState("1", "light"), TrialKey("digits", 7)


def text_of(thing: Any) -> str:
    return json.dumps(thing, cls=PlotlyJSONEncoder, ensure_ascii=False)


def final_map(reader: Any) -> GateMap:
    found = reader.trial("digits", 7).gate_map
    assert isinstance(found, GateMap)
    return found


@pytest.mark.parametrize("by_flops", [False, True])
def test_last_epoch_is_drawn_exactly_as_the_final_map(reader: Any, by_flops: bool) -> None:
    heat = course_update(reader, KEY, SEEN, None, by_flops=by_flops)[3].data[0]
    final = gate_map_figure(final_map(reader), scheme_named("light"), keep="x", by_flops=by_flops).data[0]
    for part in ("z", "x", "y", "customdata", "hovertext", "colorscale", "zmin", "zmax"):
        assert text_of(heat[part]) == text_of(final[part])


def test_every_epoch_shows_its_own_fractions_in_the_same_order_of_sites(reader: Any) -> None:
    course = reader.gate_history("digits", 7)
    for known in course.epochs:
        heat = course_update(reader, KEY, SEEN, known.epoch)[3].data[0]
        assert [list(row) for row in heat.z] == [
            [100 * site.own_fraction(t) for site in known.gates.sites] for t in range(3)
        ]
        assert list(heat.customdata[0]) == [site.name for site in final_map(reader).sites]
    first, last = (course_update(reader, KEY, SEEN, epoch)[3].data[0].z for epoch in (1, 8))
    assert [list(row) for row in first] != [list(row) for row in last]


def test_slider_spans_the_epochs_and_marks_the_cut(reader: Any) -> None:
    *_, first, last, marks, value = course_update(reader, KEY, SEEN, None)
    assert (first, last, marks, value) == (1, 8, [{"value": 8}], 8)
    # A value that a person has just chosen is not sent back: it would fight with the hand on the slider.
    assert course_update(reader, KEY, SEEN, 3)[-1] is no_update


def test_epoch_is_named_with_what_its_tasks_keep(reader: Any) -> None:
    words = course_update(reader, KEY, SEEN, 3)[2]
    shown = shown_epoch(reader.gate_history("digits", 7), 3)
    assert words.startswith("Epoch 3 of 8, while the gates learn: left keeps ")
    assert f"orientation {100 * shown.gates.own_share(2):.0f} %." in words
    assert "frozen for fine-tuning" in course_update(reader, KEY, SEEN, 8)[2]


@pytest.mark.parametrize(("asked", "shown"), [(0, 1), (1, 1), (5, 5), (8, 8), (99, 8), (None, 8)])
def test_an_epoch_that_is_not_known_gives_the_one_before(reader: Any, asked: int | None, shown: int) -> None:
    assert shown_epoch(reader.gate_history("digits", 7), asked).epoch == shown


def test_old_trials_and_trials_without_epochs_say_why_there_is_nothing(reader: Any) -> None:
    old = course_update(reader, TrialKey("digits", 0), SEEN, None)
    assert old[0] == {}
    assert old[1] == {"display": "none"}
    assert "trained by an earlier gatefront" in text_of(old[2])
    assert set(map(id, old[3:])) == {id(no_update)}


def test_a_running_trial_shows_its_gates_so_far(reader: Any) -> None:
    reader.num_finished = 4
    running = next(p.number for p in reader.view("digits").points if p.state is TrialState.RUNNING)
    outputs = course_update(reader, TrialKey("digits", running), SEEN, None)
    assert outputs[4:] == (1, 3, [], 3)
    assert cuts(reader.gate_history("digits", running)) == []


def test_nothing_is_drawn_before_the_page_knows_its_study(reader: Any) -> None:
    assert set(map(id, course_update(reader, KEY, ClientState(), None))) == {id(no_update)}
    reader.error = OSError("gone")
    assert set(map(id, course_update(reader, KEY, SEEN, None))) == {id(no_update)}

"""Pages as plain functions: what each output holds, and that nothing is sent when nothing changed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from dash import no_update
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder
from sqlalchemy.exc import OperationalError

from gatefront.dashboards.pages.studies import studies_update, study_list
from gatefront.dashboards.pages.study import page as study
from gatefront.dashboards.pages.study.page import study_update
from gatefront.dashboards.pages.trial import page as trial
from gatefront.dashboards.pages.trial.layout import layout
from gatefront.dashboards.pages.trial.page import site_update, trial_update
from gatefront.dashboards.server.router import page_at
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.dashboards.widgets.trial_table import table_height, trial_columns, trial_rows
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.protocol import Reader

COLUMNS, ROWS, FRONT_POINTS = (
    [f"{output.component_id}.{output.component_property}" for output in study._LOOK].index(name)
    for name in ("study-trials.columnDefs", "points-rows.data", "study-front-points.children")
)
NETWORKS = [component for component, _ in trial._OUTPUTS].index("trial-networks")
UNREACHABLE = OperationalError("SELECT 1", {}, Exception("connection refused"))


def text_of(thing: Any) -> str:
    """Everything a person could read in a tree of components."""
    return json.dumps(thing, cls=PlotlyJSONEncoder, ensure_ascii=False)


def seen_after(outputs: tuple[Any, ...]) -> ClientState:
    return ClientState.from_json(outputs[-1])


def test_study_page_is_sent_once_per_revision(reader: Any) -> None:
    first = study_update(reader, "digits", ClientState(), "light")
    assert no_update not in first
    second = study_update(reader, "digits", seen_after(first), "light")
    assert set(map(id, second)) == {id(no_update)}
    assert reader.num_views == 1


def test_study_page_follows_the_study_and_keeps_the_columns(reader: Any) -> None:
    reader.num_finished = 4
    first = study_update(reader, "digits", ClientState(), "light")
    reader.grow()
    second = study_update(reader, "digits", seen_after(first), "light")
    assert "5 of 12" in text_of(second[3])
    assert second[COLUMNS] is no_update
    assert second[ROWS] != first[ROWS]  # the table asks for its rows again


def test_study_page_shows_head_figures_and_front(reader: Any) -> None:
    outputs = text_of(study_update(reader, "digits", ClientState(), "light")[2 : FRONT_POINTS + 1])
    for words in (
        "12 of 12",
        "1 stopped early, 1 failed",
        "\u22123.10 %",
        "1.215 MFLOPs",
        "45.0 % of single-task",
        "trial 7",
        "complete",
    ):
        assert words in outputs
    assert "/study/digits/trial/7" in outputs


def test_study_page_of_a_running_study_names_the_time_left(reader: Any) -> None:
    reader.num_finished = 4
    words = text_of(study_update(reader, "digits", ClientState(), "light")[3])
    assert "1 min 16 s" in words
    assert "2 running, 1 failed" in words


def test_study_that_is_not_there(reader: Any) -> None:
    outputs = study_update(reader, "nope", ClientState(), "light")
    assert "there is no study 'nope'" in text_of(outputs[0])
    assert outputs[1] == {"display": "none"}


def test_unreachable_database_keeps_the_last_view_of_both_pages(reader: Any) -> None:
    key = TrialKey("digits", 7)
    shown = study_update(reader, "digits", ClientState(), "light")
    shown_trial = trial_update(reader, key, ClientState(), "light", None)
    reader.error = UNREACHABLE
    for outputs in (
        study_update(reader, "digits", seen_after(shown), "light"),
        trial_update(reader, key, seen_after(shown_trial), "light", None),
    ):
        assert "cannot be reached since" in text_of(outputs[0])
        assert all(output is no_update for output in outputs[1:-1])
    reader.error = None
    back = study_update(reader, "digits", seen_after(shown), "light")
    assert all(output is no_update for output in back)


def test_studies_page(reader: Any) -> None:
    banner, cards, seen = studies_update(reader, ClientState())
    assert banner is None
    assert "/study/digits" in text_of(cards)
    assert "12 of 12, 1 stopped early, 1 failed" in text_of(cards)
    assert studies_update(reader, ClientState.from_json(seen)) == (no_update,) * 3
    reader.error = UNREACHABLE
    assert "cannot be reached since" in text_of(studies_update(reader, ClientState.from_json(seen))[0])


def test_no_study_yet() -> None:
    assert "`" not in text_of(study_list(()))
    assert "gatefront start STUDY.toml" in text_of(study_list(()))


def test_trial_page_of_a_complete_trial(reader: Any) -> None:
    outputs = trial_update(reader, TrialKey("digits", 7), ClientState(), "light", None)
    words = text_of(outputs)
    for expected in (
        "gatefront pull digits --trial 7 -o digits-7",
        "on the front",
        "34\u202f500",
        "1007",
        "2.13.0",
        "cut from 1.308 MFLOPs",
        "FLOPs requested",
        "FLOPs delivered",
        "1.212 MFLOPs",
        "+9.20 points on hard sharing",
    ):
        assert expected in words
    assert outputs[0] is None
    again = trial_update(reader, TrialKey("digits", 7), seen_after(outputs), "light", "stem")
    assert all(output is no_update for output in again)


def test_trial_page_chooses_a_site_and_keeps_the_persons_choice(reader: Any) -> None:
    key, names = TrialKey("digits", 7), trial._OUTPUTS
    value = [prop for _, prop in names].index("value")
    outputs = trial_update(reader, key, ClientState(), "light", None)
    assert outputs[value] == "stage3.block0.conv2"
    assert trial_update(reader, key, ClientState(), "light", "stem")[value] == "stem"
    assert trial_update(reader, key, ClientState(), "light", "gone")[value] == "stage3.block0.conv2"


def test_trial_page_of_a_failed_trial(reader: Any) -> None:
    outputs = trial_update(reader, TrialKey("digits", 3), ClientState(), "light", None)
    words = text_of(outputs)
    assert "This trial failed after 2 of 8 epochs. Cause: the loss of task right is NaN" in words
    assert "Only a complete trial can be pulled." in words
    assert "no final gates" in words
    assert "gatefront pull" not in words


def test_trial_page_of_a_running_trial_shows_its_latest_epoch(reader: Any) -> None:
    reader.num_finished = 4
    outputs = trial_update(reader, TrialKey("digits", 5), ClientState(), "light", None)
    words = text_of(outputs)
    assert "This trial is running: 3 of 8 epochs done." in words
    assert "after epoch 3" in words
    assert "2.000 MFLOPs" in text_of(outputs[3])
    assert "After epoch 3" in words
    assert "until then its gates still move" in words


def test_trial_that_is_not_there(reader: Any) -> None:
    for key in (TrialKey("digits", 77), TrialKey("nope", 1)):
        outputs = trial_update(reader, key, ClientState(), "light", None)
        assert "Not found" in text_of(outputs[0])
        assert outputs[1] == {"display": "none"}


def test_chosen_site_is_drawn(reader: Any) -> None:
    figure, pattern, sentence = site_update(reader, TrialKey("digits", 7), ClientState("12", "light"), "last")
    assert len(figure.layout.shapes) == 1
    assert len(pattern.data[0].z[0]) == 32
    assert sentence.startswith("Own channels of 32: left 29")
    for site in (None, "gone"):
        assert site_update(reader, TrialKey("digits", 7), ClientState(), site) == (no_update,) * 3
    assert site_update(reader, TrialKey("digits", 3), ClientState(), "last") == (no_update,) * 3


def test_trial_page_lists_its_networks_with_their_commands(reader: Any) -> None:
    outputs = trial_update(reader, TrialKey("digits", 7), ClientState(), "light", None)
    networks = text_of(outputs[NETWORKS])
    for words in (
        "/study/digits/trial/7?point=1",
        "/study/digits/trial/7?point=2",
        "1.215 MFLOPs",
        "1.212 MFLOPs",
        "1.150 MFLOPs",
        "1.148 MFLOPs",
        "\u22125.90 %",
        "Δ orientation",
        "\u22123.70 %",
        "● on it",
        "○ dominated",
        "gatefront pull digits --trial 7.1 -o digits-7.1",
        "gatefront pull digits --trial 7.2 -o digits-7.2",
    ):
        assert words in networks
    alone = trial_update(reader, TrialKey("digits", 9), ClientState(), "light", None)
    assert alone[NETWORKS] is None


def test_trial_page_at_a_derived_point_shows_that_network(reader: Any) -> None:
    key = TrialKey("digits", 7, 2)
    outputs = trial_update(reader, key, ClientState(), "light", None)
    head = text_of(outputs[2:4])
    for words in ("Trial 7, derived point 2", "on the front", "1.150 MFLOPs", "1.148 MFLOPs", "30\u202f002"):
        assert words in head
    pull = text_of(outputs[[component for component, _ in trial._OUTPUTS].index("trial-pull")])
    assert "--trial 7.2 -o digits-7.2" in pull
    figure, *_ = site_update(reader, key, ClientState("12", "light"), "last")
    own, *_ = site_update(reader, TrialKey("digits", 7), ClientState("12", "light"), "last")
    detail = reader.trial("digits", 7)
    assert figure.data[0].z[2][19] == 100 * detail.derived[1].gate_map.sites[19].own_fraction(2)
    assert [list(row) for row in figure.data[0].z] != [list(row) for row in own.data[0].z]
    assert figure.layout.uirevision != own.layout.uirevision


def test_a_derived_point_that_is_not_there(reader: Any) -> None:
    outputs = trial_update(reader, TrialKey("digits", 7, 9), ClientState(), "light", None)
    assert "Trial 7 has no derived point 9." in text_of(outputs[0])
    assert outputs[1] == {"display": "none"}
    reader.num_finished = 4
    shown = trial_update(reader, TrialKey("digits", 5, 2), ClientState(), "light", None)
    assert "This trial is running" in text_of(shown[0])


def test_study_page_names_derived_points_of_the_front(reader: Any) -> None:
    outputs = study_update(reader, "digits", ClientState(), "light")
    points = text_of(outputs[FRONT_POINTS])
    assert "Trial 7.2" in points
    assert "/study/digits/trial/7?point=2" in points
    assert "FLOPs requested" in points
    assert "1.150M" in points
    assert "1.148M" in points
    assert "7 points on the front" in text_of(outputs[3])
    row = trial_rows(reader.view("digits"))[7]
    assert row["derived"] == "2, ● 7.2"
    assert row["requested"] == pytest.approx(1.215)


@pytest.mark.parametrize(
    ("pathname", "title"),
    [
        ("/", "Studies · gatefront"),
        ("/study/digits", "digits · gatefront"),
        ("/study/a%20b", "a b · gatefront"),
        ("/study/digits/trial/7", "Trial 7 of digits · gatefront"),
        ("/study/digits/trial/x", "Not found · gatefront"),
        ("/elsewhere", "Not found · gatefront"),
    ],
)
def test_addresses_lead_to_pages(reader: Any, pathname: str, title: str) -> None:
    layout, found = page_at(reader, pathname)
    assert isinstance(layout, Component)
    assert found == title


def test_layout_of_a_study_holds_the_first_look_at_it(reader: Any) -> None:
    page = study.layout(reader, "digits", "dark")
    look = study_update(reader, "digits", ClientState(), "dark")
    for output, value in zip(study._LOOK, look, strict=True):
        assert text_of(getattr(page[output.component_id], output.component_property)) == text_of(value), output
    assert no_update in study_update(reader, "digits", seen_after(look), "dark")


def test_layout_of_an_unreachable_study_says_so_and_looks_again(reader: Any) -> None:
    reader.error = UNREACHABLE
    page = study.layout(reader, "digits")
    assert "cannot be reached" in text_of(page["study-banner"])
    assert page["study-content"].style == {"visibility": "hidden"}
    reader.error = None
    again = study_update(reader, "digits", ClientState.from_json(page["study-seen"].data), "light")
    assert again[1] == {}
    assert no_update not in again


def test_layouts_hold_every_output_of_their_callbacks(reader: Any) -> None:
    words = text_of(layout(TrialKey("digits", 7))) + text_of(study.layout(reader, "digits"))
    for component, _ in trial._OUTPUTS:
        assert f'"{component}"' in words or component == "trial-pull"


def test_table_has_a_cell_for_every_column(view: StudyView) -> None:
    columns = [child for column in trial_columns(view) for child in column.get("children", [column])]
    rows = trial_rows(view)
    assert all(column["field"] in row for column in columns for row in rows)
    assert len({row["id"] for row in rows}) == len(view.points)
    by_number = {row["number"]: row for row in rows}
    assert by_number[7]["front"] == "● on it"
    assert by_number[3]["cause"].startswith("the loss of task right is NaN")
    assert by_number[3]["delta_mtl"] is None
    assert json.loads(json.dumps(rows)) == rows


def test_table_names_metrics_and_units(view: StudyView) -> None:
    groups = [column for column in trial_columns(view) if "children" in column]
    assert [group["headerName"] for group in groups] == ["MFLOPs", "accuracy (%)"]
    assert [child["headerName"] for child in groups[0]["children"]] == ["requested", "delivered"]
    assert [child["headerName"] for child in groups[1]["children"]] == ["left", "right", "orientation"]


def test_long_table_scrolls_inside(view: StudyView) -> None:
    many = replace(view, points=view.points * 200)
    assert int(table_height(many)["height"].removesuffix("px")) < 700


def test_over_budget_trial_is_named_so(view: StudyView) -> None:
    over = replace(view.points[0], is_feasible=False, on_front=False, state=TrialState.COMPLETE)
    assert trial_rows(replace(view, points=(over,)))[0]["front"] == "✕ over budget"


def test_sample_reader_is_a_reader(reader: Any) -> None:
    checked: Reader = reader
    assert checked.study_file("digits").startswith("[study]")

"""The report: one file, nothing fetched, everything in it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatefront.dashboards.errors import ReportError
from gatefront.dashboards.report import report_html, write_report
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.records import StudyView


def without_script(document: str) -> str:
    return re.sub(r"<script.*?</script>", "", document, flags=re.S)


def test_report_holds_front_maps_table_and_study_file(reader: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(reader, "digits", path)
    document = path.read_text(encoding="utf-8")
    text = without_script(document)
    for name in (*(f"Trial {number}" for number in (0, 5, 6, 7, 9, 10)), "Trial 7, derived point 2"):
        assert f"{name}: what its tasks share" in text
    assert "gatefront pull digits --trial 7 -o digits-7" in text
    assert "gatefront pull digits --trial 7.2 -o digits-7.2" in text
    assert "asked 1.150 MFLOPs, delivered 1.148 MFLOPs" in text
    assert "<td>7.1</td>" in text
    assert "1.215 MFLOPs, 45.0 % of single-task" in text
    assert "hard sharing" in text
    assert "flop_budget = &quot;45%&quot;" in text
    assert document.count("Plotly.newPlot(") >= 8
    assert "click to open" not in document


def test_report_fetches_nothing(reader: Any, view: StudyView) -> None:
    document = report_html(view, [(reader.trial("digits", 7), 0), (reader.trial("digits", 7), 2)], "")
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", document)
    assert "@import" not in without_script(document)


def test_report_escapes_what_people_wrote(view: StudyView) -> None:
    point = replace(view.points[3], cause="<script>alert(1)</script>")
    document = report_html(replace(view, points=(point,), derived=(), hypervolume=()), [], "name = '<b>'")
    assert "<script>alert(1)" not in document
    assert "name = &#x27;&lt;b&gt;&#x27;" in document


def test_report_of_a_study_without_a_finished_trial_says_so(view: StudyView) -> None:
    text = without_script(report_html(replace(view, points=(), derived=(), hypervolume=()), [], ""))
    assert "No trial has finished yet" in text


def test_report_of_no_study(reader: Any, tmp_path: Path) -> None:
    with pytest.raises(StudyNotFoundError):
        write_report(reader, "nope", tmp_path / "report.html")


def test_report_that_cannot_be_written(reader: Any, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(reader, "digits", tmp_path / "missing" / "report.html")

"""The command line's contract: its words, its exit statuses, one JSON document where one is asked for."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from gatefront.search.cli.main import build_app, main
from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.spaces import FLOP_CONVENTION

OpenStudy = Callable[..., Any]

DIGITS = Path(__file__).parents[4] / "studies" / "digits.toml"


@pytest.fixture(autouse=True)
def _own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/gatefront.db")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "runs"))


def run(*arguments: str) -> int:
    """The exit status that a shell would see."""
    return main(arguments)


def test_flags_grow_deliberately() -> None:
    group = typer.main.get_command(build_app())
    words = {
        name: sorted(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
        for name, command in group.commands.items()  # type: ignore[attr-defined]
        if name not in ("serve", "report")
    }
    assert words == {
        "doctor": ["--db", "--flop-budget", "--param-budget", "--storage", "file"],
        "flops": ["--json", "file"],
        "start": sorted(
            [
                "--address",
                "--db",
                "--flop-budget",
                "--force",
                "--from",
                "--hours",
                "--latency-budget",
                "--param-budget",
                "--plain",
                "--quiet",
                "--server",
                "--storage",
                "--trials",
                "--workers",
                "file",
            ]
        ),
        "status": ["--db", "--json", "--server", "study"],
        "front": ["--csv", "--db", "--json", "--server", "study"],
        "pull": ["--db", "--flop-budget", "--latency-budget", "--output", "--server", "--trial", "-o", "study"],
        "verify": ["folder"],
        "bench": sorted(
            [
                *("--batch", "--db", "--device", "--json", "--no-save", "--precision", "--repeats", "--runtimes"),
                *("--threads", "folder"),
            ]
        ),
        "compare": sorted(
            [
                *(
                    "--db",
                    "--flop-budget",
                    "--force",
                    "--json",
                    "--output",
                    "--pull",
                    "--seeds",
                    "--storage",
                    "--weightings",
                    "--workers",
                ),
                "-o",
                "file",
            ]
        ),
        "resume": ["--address", "--db", "--hours", "--plain", "--quiet", "--server", "--workers", "study"],
        "stop": ["--db", "--server", "study"],
        "extend": ["--db", "--server", "--trials", "study"],
        "void": ["--db", "--reason", "--server", "--trial", "--undo", "study"],
        "gc": ["--db", "--dry-run", "--json", "study"],
        "db": ["--db", "--json", "action"],
    }


def test_flops_prints_exactly_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("flops", str(DIGITS), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "convention", "single_task", "hard_sharing", "encoder", "decoders", "floor", "ceiling", "params",
    ]  # fmt: skip
    assert document["convention"] == FLOP_CONVENTION
    heads = sum(document["decoders"].values())
    assert document["hard_sharing"] == document["floor"] == document["encoder"] + heads
    assert document["single_task"] == document["ceiling"] == 3 * document["encoder"] + heads


def test_flops_ignores_a_budget_that_nothing_can_meet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.toml"
    path.write_text(DIGITS.read_text().replace('"45%"', '"1%"'))
    assert run("flops", str(path)) == 0
    assert "floor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("lambda_s", "lamda_s", "[gates]: unknown key 'lamda_s'. Did you mean 'lambda_s'?"),
        ('"45%"', '"5%"', "under the floor of 126,144 FLOPs"),
        ('[data]\nname = "digits"', '[data]\nname = "digits"\nroot = "no/such/folder"', "no/such/folder"),
        ('"smallconv"', '"no_such_net"', "no_such_net"),
        ('[data]\nname = "digits"', '[data]\nname = "dogits"', "dogits"),
    ],
)
def test_wrong_input_ends_with_2_before_anything_exists(
    old: str, new: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.toml"
    assert old in DIGITS.read_text()
    path.write_text(DIGITS.read_text().replace(old, new))
    assert run("start", str(path)) == 2
    err = capsys.readouterr().err.replace("\n", " ")
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "gatefront.db").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["front", "nothing"], 2),
        (["resume", "nothing"], 2),
        (["stop", "nothing"], 2),
        (["extend", "nothing", "--trials", "1"], 2),
        (["void", "nothing", "--trial", "0", "--reason", "why"], 2),
        (["pull", "-o", "out"], 2),
        (["start", "nowhere.toml"], 2),
        (["start", str(DIGITS), "--trials", "0"], 2),
        (["status", "--db", "no url"], 2),
        (["no-such-command"], 2),
        (["status"], 0),
        (["--help"], 0),
    ],
)
def test_exit_statuses_on_an_empty_database(arguments: list[str], status: int) -> None:
    assert run(*arguments) == status


def test_status_and_front_speak_json(open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study = open_table_study(max_concurrent=4)
    for name, delta_mtl, flops in (("a", -2.0, 500), ("b", -3.0, 450), ("c", -4.0, 550)):
        study.searcher.suggest(name)
        study.finish(name, delta_mtl=delta_mtl, flops=flops)
    study.searcher.suggest("d")
    study.work("d", TrialFailed("the loss of left is nan"))

    assert run("status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["state"], document["num_done"]) == ("table", "LOST", 4)
    assert document["state_counts"] == {"COMPLETE": 3, "FAILED": 1}
    assert document["trials"][3]["cause"] == "the loss of left is nan"

    assert run("front", "table", "--json") == 0
    front = json.loads(capsys.readouterr().out)
    assert [(point["number"], point["flops"]) for point in front["points"]] == [(1, 450), (0, 500)]
    assert (front["flop_budget"], front["best_trial"], front["best_label"]) == (600, 0, "0")

    assert run("front", "--csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "label,trial,derived,delta_mtl,flops_requested,flops,share_of_single_task,flop_budget,num_parameters,"
        "latency_ms,delta_mtl_mean,delta_mtl_low,delta_mtl_high,seeds,tied_with,test_delta_mtl,test_gap,left,right"
    )
    assert lines[1].startswith("1,1,0,-3.0,600,450,0.45,600,")

    assert run("front") == 0
    table = capsys.readouterr().out
    assert "requested" in table
    assert "delivered" in table
    assert "–" not in table


def test_derived_points_are_shown_beside_their_trials(
    open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str], make_derived: Any
) -> None:
    study = open_table_study(max_concurrent=4)
    study.searcher.suggest("a")
    cheaper, better = (
        make_derived(1, delta_mtl=-3.0, flops=420),
        make_derived(2, delta_mtl=-1.5, flops=480, flop_target=490),
    )
    study.finish("a", delta_mtl=-2.0, flops=500, flop_target=550, derived=(cheaper, better))

    assert run("front", "--json") == 0
    front = json.loads(capsys.readouterr().out)
    found = [(p["label"], p["number"], p["derived"], p["flops_requested"], p["flops"]) for p in front["points"]]
    assert found == [("0.1", 0, 1, 450, 420), ("0.2", 0, 2, 490, 480)]
    assert (front["best_trial"], front["best_label"]) == (0, "0.2")

    assert run("front", "--csv") == 0
    assert [line.split(",")[:6] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["0.1", "0", "1", "-3.0", "450", "420"],
        ["0.2", "0", "2", "-1.5", "490", "480"],
    ]
    assert run("front") == 0
    table = capsys.readouterr().out
    assert re.search(r"0\.2 \* .* −1\.50 .* 490 .* 480 ", table)
    assert "derived from trial" in table

    assert run("status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(p["number"], p["derived"], p["flop_target"]) for p in document["trials"]] == [(0, 0, 550)]
    assert [p["label"] for p in document["derived"]] == ["0.1", "0.2"]
    assert document["cost"]["worker_seconds"] == document["cost"]["per_trial"] == 12.0 + 3.0 + 3.0

    assert run("status") == 0
    assert "best Δ_MTL under 600 −1.50 % (trial 0.2)" in capsys.readouterr().out


def test_the_front_says_how_sure_it_is(open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study = open_table_study(max_concurrent=9)
    for number, delta_mtl in enumerate((-2.0, -3.0, -4.0, -5.0, -6.0, -7.0)):
        study.searcher.suggest(f"ray{number}")
        study.finish(f"ray{number}", delta_mtl=delta_mtl, flops=550 - 10 * number)
    assert run("front") == 0
    assert "One seed each: a difference may be luck." in capsys.readouterr().out
    study.searcher = study.hand_out(next(study.progress.phases()))
    for number, delta_mtl in enumerate((-2.5, -2.0, -3.0)):
        study.searcher.suggest(f"repeat{number}")
        study.finish(f"repeat{number}", delta_mtl=delta_mtl, flops=550)

    assert run("front") == 0
    shown = capsys.readouterr().out
    assert re.search(r"0 \* │ −2\.50 ± 1\.24 ", shown)
    assert "at the ends of the intervals" not in shown  # hard sharing is not trained here, so there is no hypervolume
    assert run("front", "--csv") == 0
    header, *_, last = capsys.readouterr().out.splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    assert (row["label"], row["delta_mtl"], row["delta_mtl_mean"], row["seeds"]) == ("0", "-2.0", "-2.5", "3")
    assert run("front", "--json") == 0
    best = json.loads(capsys.readouterr().out)["points"][-1]
    assert (best["delta_mtl"], best["expected_delta_mtl"], best["confirmation"]["seeds"]) == (-2.0, -2.5, 3)
    assert run("status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["trials"]), document["num_done"]) == (6, 6)
    assert [(point["number"], point["confirms"]) for point in document["repeats"]] == [(6, 0), (7, 0), (8, 0)]
    assert run("status") == 0
    assert "repeats with other seeds: of trial 0, 3 COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("0.9", "trial 0 of study 'table' has no derived point 9"),
        ("9.1", "study 'table' has no trial 9"),
        ("0.x", "found '0.x'"),
        ("0.0", "found '0.0'"),
        ("-1", "found '-1'"),
        ("best", "found 'best'"),
    ],
)
def test_a_point_that_is_not_there_is_wrong_input(
    open_table_study: OpenStudy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make_derived: Any,
    label: str,
    sentence: str,
) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.finish("a", derived=(make_derived(1),))
    assert run("pull", "table", "--trial", label, "-o", str(tmp_path / "out")) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert sentence in err
    assert "Traceback" not in err


def test_front_without_points_says_why(open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    open_table_study()
    assert run("front") == 0
    assert "No point yet: study 'table' is LOST with no trial so far." in capsys.readouterr().out


def test_several_studies_must_be_named(open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    open_table_study()
    open_table_study(text='[study]\nname = "other"\ntrials = 1\n[data]\nname = "digits"\n')
    assert run("front") == 2
    assert "other, table" in capsys.readouterr().err
    assert run("status", "--json") == 0
    assert [study["name"] for study in json.loads(capsys.readouterr().out)["studies"]] == ["other", "table"]


def test_pull_with_nothing_finished_ends_with_1(
    open_table_study: OpenStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.work("a", TrialFailed("the loss of left is nan"))
    assert run("pull", "table", "-o", str(tmp_path / "out")) == 1
    assert "table" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""System page: the database, the drivers, the workers, the queue and the disk."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.jobs.disk_usage import DiskUses
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import Children, card, labelled, reason, stat, stats, study_badge
from gatefront.dashboards.widgets.links import study_path, trial_path
from gatefront.dashboards.widgets.polling import INTERVAL_MS, ClientState, no_update_outputs, pause, poll
from gatefront.search.results.formats import NONE, format_bytes, format_duration
from gatefront.search.snapshots.protocol import Reader
from gatefront.search.snapshots.system_status import DatabaseHealth, RunningTrial, StudyDisk, StudyLoad, SystemView

TITLE = "System · gatefront"
_NUM_OUTPUTS = 4
_NEARLY_FULL_PERCENT = 90


def layout() -> Component:
    return html.Div(
        [
            dmc.Title("System", order=1, className="page-title"),
            html.Div(id=ids.SYSTEM_BANNER, role="status"),
            html.Div(id=ids.SYSTEM_CONTENT),
            dcc.Store(id=ids.SYSTEM_SEEN),
            dcc.Interval(id=ids.SYSTEM_TICK, interval=INTERVAL_MS),
        ]
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    disks = DiskUses()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.SYSTEM_BANNER, "children"),
        Output(ids.SYSTEM_CONTENT, "style"),
        Output(ids.SYSTEM_CONTENT, "children"),
        Output(ids.SYSTEM_SEEN, "data"),
        Input(ids.SYSTEM_TICK, "n_intervals"),
        State(ids.SYSTEM_SEEN, "data"),
        running=pause(ids.SYSTEM_TICK),
    )
    async def update(_: int | None, seen: dict[str, str] | None) -> tuple[Any, ...]:
        return await asyncio.to_thread(system_update, reader, disks, ClientState.from_json(seen))


def system_update(reader: Reader, disks: DiskUses, seen: ClientState) -> tuple[Any, ...]:
    """Return the banner, the content's style, the content and the new client state, with `no_update` for what stays."""
    content: Component | None = None

    def revision() -> str:
        nonlocal content
        system = reader.system()
        used = [(disk, disks.of(disk.folder)) for disk in system.disks]
        content = system_content(system, used)
        shown = (system.loads, system.running, used, system.database.num_bytes, system.at.replace(microsecond=0))
        return hashlib.sha256(repr(shown).encode()).hexdigest()

    # The page has no figure and is drawn the same in both color schemes.
    look = poll(seen, seen.scheme, revision, lambda: content)
    if look.value is None:
        return no_update_outputs(look, _NUM_OUTPUTS)
    return None, {}, look.value, look.seen.to_json()


def system_content(system: SystemView, used: Sequence[tuple[StudyDisk, int | None]]) -> Component:
    """Return the whole page under its title."""
    return html.Div(
        [
            html.Div(_figures(system), className="block"),
            html.Div(_loads_card(system.loads, system.at), className="block"),
            html.Div(_workers_card(system.running, system.at), className="block"),
            html.Div(_disk_card(used), className="block"),
        ]
    )


def _figures(system: SystemView) -> Component:
    database = system.database
    size = NONE if database.num_bytes is None else format_bytes(database.num_bytes)
    workers = sum(load.num_workers for load in system.loads if load.driver)
    return stats(
        [
            stat("Database", database.kind, _health(database)),
            stat("Its size", size, _schema(database)),
            stat("Studies at work", str(len(system.loads)), "with a driver, or waiting for one"),
            stat("Workers busy", f"{len(system.running)} of {workers}", "trials that train now"),
            stat("Queue", str(sum(load.num_queued for load in system.loads)), "handed out, waiting for a worker"),
            stat("Still to come", str(sum(load.num_left for load in system.loads)), "trials not handed out yet"),
        ]
    )  # fmt: skip


def _health(database: DatabaseHealth) -> str:
    if database.latency_ms is None:
        return "nothing in it yet"
    return f"answers in {database.latency_ms:.1f} ms"


def _schema(database: DatabaseHealth) -> str:
    return f"schema {database.schema}" if database.schema else "no schema yet"


def _loads_card(loads: Sequence[StudyLoad], now: datetime) -> Component:
    if not loads:
        return card("Drivers and queue", reason("No study is being driven."))
    head = ("Study", "State", "Driver", "Last heartbeat", "#Workers", "#Training", "#Waiting", "#To come")
    rows: list[Sequence[Children]] = [
        (
            dcc.Link(load.study, href=study_path(load.study)),
            study_badge(load.state),
            load.driver or NONE,
            _ago(load.heartbeat_at, now),
            str(load.num_workers),
            str(load.num_running),
            str(load.num_queued),
            str(load.num_left),
        )
        for load in loads
    ]
    return card("Drivers and queue", _table("drivers and queue", head, rows))


def _workers_card(running: Sequence[RunningTrial], now: datetime) -> Component:
    if not running:
        return card("Workers", reason("No trial trains at the moment."))
    head = ("Trial", "Worker", "Epochs", "Training for", "#Attempts", "Heard")
    rows: list[Sequence[Children]] = [
        (
            dcc.Link(f"{trial.study}, trial {trial.number}", href=trial_path(trial.study, trial.number)),
            trial.worker or NONE,
            _epochs(trial),
            _ago(trial.started_at, now).removesuffix(" ago"),
            str(trial.attempts),
            "no driver listens" if trial.is_lost else "yes",
        )
        for trial in running
    ]
    return card("Workers", _table("workers", head, rows), note="One line per trial that trains.")


def _epochs(trial: RunningTrial) -> Children:
    bar = dmc.Progress(
        value=100 * trial.epoch / max(trial.num_epochs, 1), size="xs", radius="xl",
        **labelled(f"epochs of trial {trial.number}"),
    )  # fmt: skip
    return [f"{trial.epoch} of {trial.num_epochs}", bar]


def _disk_card(used: Sequence[tuple[StudyDisk, int | None]]) -> Component:
    if not used:
        return card("Disk", reason("No study has a folder yet."))
    rows: list[Sequence[Children]] = [
        (
            disk.study,
            str(disk.folder),
            "being counted" if size is None else format_bytes(size),
            "none" if disk.quota is None else format_bytes(disk.quota),
            _share(disk, size),
        )
        for disk, size in used
    ]
    head = ("Study", "Folder", "#Holds", "#Quota", "#Used")
    return card("Disk", _table("disk", head, rows), note="What each study's own folder holds.")


def _share(disk: StudyDisk, size: int | None) -> str:
    """Return the used share of the quota in percent, with a sign if little is left."""
    if size is None or not disk.quota:
        return NONE
    share = 100 * size / disk.quota
    return f"{'▲ ' if share >= _NEARLY_FULL_PERCENT else ''}{share:.0f} %"


def _table(label: str, head: Sequence[str], rows: Sequence[Sequence[Children]]) -> Component:
    """Return a plain table. A heading that begins with # marks a column of numbers."""
    classes = ["number" if name.startswith("#") else "" for name in head]
    header = html.Tr([html.Th(name.lstrip("#"), className=kind) for name, kind in zip(head, classes, strict=True)])
    body = [html.Tr([html.Td(cell, className=kind) for cell, kind in zip(row, classes, strict=True)]) for row in rows]
    table = html.Table([html.Thead(header), html.Tbody(body)], className="plain")
    return html.Div(table, className="scroll", tabIndex=0, role="region", **labelled(label))


def _ago(moment: datetime | None, now: datetime) -> str:
    return NONE if moment is None else f"{format_duration(max(0.0, (now - moment).total_seconds()))} ago"

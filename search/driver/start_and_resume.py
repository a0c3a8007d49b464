"""Start and resume of studies, for the command line and for any other caller."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import optuna
import sqlalchemy as sa
from ray import tune

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.study_file import parse_study, without_mark
from gatefront.search.doctor.data_checks import require_sound_data
from gatefront.search.driver.heartbeat import Heartbeat
from gatefront.search.driver.ray_backend.cluster import plan_workers
from gatefront.search.driver.recovery import Recovery, recover
from gatefront.search.driver.run_study import run_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.study_run import StudyRun
from gatefront.search.driver.worker.trainable import RunTrial
from gatefront.search.errors import DriverFailedError, StudyExistsError
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.planning.task_records import task_records
from gatefront.search.results.records import EventKind
from gatefront.search.results.states import StudyState
from gatefront.search.sampling.filtered_sampler import FilteredSampler
from gatefront.search.sampling.optuna_study import open_study
from gatefront.search.sampling.warm_start import begin_from, initial_trials_of, read_warm_start
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.database.optuna_storage import StudyStorage
from gatefront.search.storage.database.retry import RetryPolicy, reason_of
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.effective_config import load_config, store_config
from gatefront.search.storage.tables.events import COMMAND_LINE
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.checkpoints.disk_full import DiskFullError, disk_full, ran_out_of_disk
from gatefront.trainer.data import load_data
from gatefront.trainer.trial.run_trial import run_trial as train_trial

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSession:
    """Settings of one session of a driver. ``actor`` asked for it, and ``watch`` is entered once the study can be read.

    If ``is_kept`` is True, a service started the study and resumes it when its driver is lost. ``address`` is the Ray
    cluster to train on. None: the session starts a cluster of its own on this machine.
    """

    url: str
    stop_request: StopRequest
    watch: Callable[[str, Recovery], AbstractContextManager[object]] = lambda _study, _recovery: nullcontext()
    run_trial: RunTrial = train_trial
    actor: str = COMMAND_LINE
    is_kept: bool = False
    address: str | None = None


def start_study(
    text: str,
    overrides: StudyOverrides,
    storage: Path,
    driver_session: DriverSession,
    *,
    earlier: str | None = None,
    force: bool = False,
) -> StudyState:
    """Create the study that ``text`` describes and run it to its end, or until a stop is requested.

    ``earlier`` names a study for a warm start. None: there is no warm start. With ``force`` the doctor's checks of the
    data are left out.

    Raises:
        DataChecksError: the doctor's checks of the data fail. Nothing was created.
        DiskFullError: there was no room. The study, if it was created, is STOPPED.
        LineageError, StudyNotFoundError: the earlier study is of no use here, or there is none. Nothing was created.
        StudyFileError, DataError, SpaceError: the file asks for something impossible. Nothing was created.
        StudyExistsError: the database already holds a study of that name.
        ReferenceFailedError: the references could not be trained. The study is FAILED, and `resume` tries again.
        DriverFailedError: the database or Ray failed.
        LeaseLostError: another driver took over. Nothing was written since.
    """
    text = without_mark(text)
    plan = plan_study(overrides.apply(parse_study(text)))
    engine, optuna_storage = open_store(driver_session.url)
    _refuse_known_name(optuna_storage, plan.config.study.name)
    warm_start = None if earlier is None else begin_from(plan, StudyReader(driver_session.url), earlier)
    workers = plan_workers(plan.config.study.workers, driver_session.address)
    plan = replace(plan, config=StudyOverrides(workers=workers.num_workers).apply(plan.config))
    # Loaded before the study exists, because data that cannot be read is wrong input, not a failed study.
    data = load_data(plan.data, StudyFolders(storage, plan.config.study.name).cache)
    if not force:
        require_sound_data(plan.tasks, data)
    row = _new_row(plan, text, storage, workers.num_workers)
    row.started_from = earlier
    StudyStore.create(engine, row, began=None if warm_start is None else str(warm_start))
    return _drive(plan, "started", engine, optuna_storage, driver_session, storage)


def resume_study(name: str, driver_session: DriverSession, *, workers: int | None = None) -> StudyState:
    """Continue a stopped, failed or abandoned study until all the trials that were asked for are done.

    Raises:
        StudyNotFoundError: there is no such study.
        StudyBusyError: its driver is alive.
    """
    engine, optuna_storage = open_store(driver_session.url)
    row = StudyStore(engine, name).load()
    plan = plan_study(StudyOverrides(workers=workers).apply(load_config(row)))
    return _drive(plan, "resumed", engine, optuna_storage, driver_session, Path(row.storage_dir))


def _drive(
    plan: StudyPlan,
    begun: EventKind,
    engine: sa.Engine,
    optuna_storage: StudyStorage,
    driver_session: DriverSession,
    storage: Path,
) -> StudyState:
    name = plan.config.study.name
    lease = Lease(engine, name)
    # From here on the driver waits during an outage, unless a second Ctrl-C ends the waiting.
    retry_policy = optuna_storage.retry_policy = RetryPolicy(is_over=lambda: driver_session.stop_request.is_at_once)
    with Heartbeat(lease, driver_session.stop_request, retry_policy) as heartbeat:
        optuna_storage.write_for(name, lease.identity)
        store = StudyStore(engine, name, guard=heartbeat.check, holder=lease.identity, retry_policy=retry_policy)
        try:
            store.begin_session(
                begun, _as_asked(plan, driver_session), actor=driver_session.actor, is_kept=driver_session.is_kept
            )
            store.store_config(plan.config)
            run = _prepare(plan, store, optuna_storage, driver_session)
            with driver_session.watch(name, run.recovery):
                return run_study(run)
        except tune.TuneError as error:
            # An error in our own callbacks arrives as the text of a traceback.
            failure = DriverFailedError(_last_line(error), hint=f"Go on with `gatefront resume {name}`.")
            _note_failure(store, heartbeat, failure)
            raise failure from error
        except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise DriverFailedError(
                f"the database failed: {reason_of(error)}.", hint=f"Go on with `gatefront resume {name}`."
            ) from error
        except GatefrontError as error:
            _note_failure(store, heartbeat, error)
            raise
        except (OSError, RuntimeError) as error:
            if not ran_out_of_disk(error, storage):
                raise
            _note_failure(store, heartbeat, disk_full(storage))
            raise disk_full(storage) from error


def _as_asked(plan: StudyPlan, driver_session: DriverSession) -> str:
    seconds = driver_session.stop_request.max_seconds
    cap = "" if seconds is None else f", for at most {seconds / 3600:g} h"
    return f"{plan.config.study.trials} trials{cap}"


def _note_failure(store: StudyStore, heartbeat: Heartbeat, error: GatefrontError) -> None:
    """Store the study as FAILED with the error, or as STOPPED if the disk is full.

    Raises:
        LeaseLostError: another driver has the study by now. Nothing is stored.
    """
    heartbeat.check()
    store.set_state(StudyState.STOPPED if isinstance(error, DiskFullError) else StudyState.FAILED, str(error))


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _prepare(
    plan: StudyPlan, store: StudyStore, optuna_storage: StudyStorage, driver_session: DriverSession
) -> StudyRun:
    row = store.load()
    folders = StudyFolders(Path(row.storage_dir), store.study)
    store.set_state(StudyState.PREPARING, "reading the data")
    reader = StudyReader(driver_session.url)
    warm_start = None if row.started_from is None else read_warm_start(plan, reader, row.started_from)
    study = open_study(
        optuna_storage, plan.search_space, num_trials=row.num_trials, initial_trials=initial_trials_of(warm_start)
    )
    warm = () if warm_start is None else warm_start.trials
    study.sampler = FilteredSampler(study.sampler, store.void_trials, warm)
    recovery = recover(study, store, plan.search_space, num_trials=row.num_trials)
    run = StudyRun(
        plan=plan,
        store=store,
        reader=reader,
        study=study,
        recovery=recovery,
        folders=folders,
        workers=plan_workers(plan.config.study.workers, driver_session.address),
        stop_request=driver_session.stop_request,
        run_trial=driver_session.run_trial,
        address=driver_session.address,
    )
    if run.has_work:
        # Loaded here once, before many workers load it at the same time.
        load_data(plan.data, folders.cache)
    return run


def _refuse_known_name(storage: optuna.storages.RDBStorage, name: str) -> None:
    if any(found.study_name == name for found in storage.get_all_studies()):
        raise StudyExistsError(
            f"the database already holds a study {name!r}.",
            hint=f"Go on with `gatefront resume {name}`, or give [study] another name.",
        )


def _new_row(plan: StudyPlan, text: str, storage: Path, num_workers: int) -> StudyRow:
    config, largest = plan.config, plan.largest
    backbones = dict.fromkeys(capacity.architecture.backbone for capacity in plan.capacities)
    row = StudyRow(
        name=config.study.name,
        file_text=text,
        created_at=datetime.now(UTC),
        num_trials=config.study.trials,
        num_workers=num_workers,
        seed=config.study.seed,
        flop_budget=plan.budgets.flops,
        flop_budget_text=config.study.flop_budget or "",
        param_budget_text=config.study.param_budget or "",
        single_task_flops=largest.single_task,
        hard_sharing_flops=largest.hard_sharing,
        floor_flops=plan.floor,
        ceiling_flops=plan.ceiling,
        tasks=[asdict(task) for task in task_records(plan.tasks)],
        data=config.data.name,
        backbone=", ".join(backbones),
        storage_dir=str(storage),
        state=StudyState.PREPARING,
        latency=None if config.latency_rule is None else asdict(config.latency_rule),
    )
    store_config(row, config)
    return row

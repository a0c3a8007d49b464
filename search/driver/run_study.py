"""Run of a study: references, then trials in Ray Tune's workers, until all are done or a stop is requested."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import optuna
from ray import tune

from gatefront.search.config.environment import disk_quota
from gatefront.search.driver.disk_guard import DiskGuard
from gatefront.search.driver.early_stopping import early_stopping
from gatefront.search.driver.measurement_on_test import measure_due
from gatefront.search.driver.outcome_recorder import OutcomeRecorder
from gatefront.search.driver.phases import StudyPhase
from gatefront.search.driver.ray_backend.cluster import cluster
from gatefront.search.driver.ray_backend.memory_kills import MOST_ATTEMPTS, WorkersKilledError, given_up, killed_workers
from gatefront.search.driver.ray_backend.reference_tasks import RayReferences
from gatefront.search.driver.ray_backend.scheduler import StopRequestStopper, TrialScheduler
from gatefront.search.driver.ray_backend.searcher import StudySearcher
from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError
from gatefront.search.driver.recovery import give_up_unowned, recover
from gatefront.search.driver.references import References, prepare_references
from gatefront.search.driver.study_run import StudyRun
from gatefront.search.driver.worker.trainable import SPEC, TRIAL_NUMBER, make_trainable
from gatefront.search.planning.disk_estimate import trial_bytes
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import DONE_STATES, OPEN_STATES, StudyState, TrialState
from gatefront.search.sampling.prefetch import Ask, ProposalPrefetcher
from gatefront.search.sampling.replicates import REPLICATE_OF
from gatefront.search.sampling.samplers import choose_sampler
from gatefront.search.sampling.warm_start import INITIAL
from gatefront.search.snapshots.reader import studies_from
from gatefront.spaces.json_codec import from_json
from gatefront.trainer.checkpoints.disk_full import ran_out_of_disk
from gatefront.trainer.checkpoints.initial_network import InitialNetwork

logger = logging.getLogger(__name__)


def run_study(run: StudyRun) -> StudyState:
    """Drive the study to its end or to a stop request, and store and return the state that it ends in.

    Raises:
        ReferenceFailedError: a reference could not be trained.
        TuneError: Ray Tune could not continue.
    """
    ended_early = False
    try:
        while run.has_work:
            try:
                with cluster(run.workers, run.address):
                    ended_early = _work(run)
                break
            except WorkersKilledError as killed:
                logger.warning("%s; going on from the checkpoints", killed)
                run = _resume_after_kill(run)
    except PreparationStoppedError:
        logger.info("stopped while references were training")
    finally:
        shutil.rmtree(run.folders.ray, ignore_errors=True)
    return _conclude(run, ended_early=ended_early)


def _work(run: StudyRun) -> bool:
    """Run phase by phase until nothing is left, and return True if Ray Tune left some work undone."""
    run.store.set_state(StudyState.PREPARING)
    disk_guard = _disk_guard(run)
    disk_guard.begin()
    disk_guard.before_trial()
    train_all = RayReferences(run.workers, run.stop_request)
    references = prepare_references(run.plan, run.store, run.folders.cache, train_all)
    run.store.set_state(StudyState.RUNNING)
    for position, phase in enumerate(run.progress.phases()):
        run.store.set_message(_doing(run, phase))
        _fit(run, references, phase, disk_guard, f"run-{position}")
    if run.measurements.due():
        run.store.set_message("measuring the repeated networks on the test split")
        measure_due(run.measurements, references, run.folders, run.workers)
    return run.has_work


def _resume_after_kill(run: StudyRun) -> StudyRun:
    """Return the same session as a resume would begin it, after its cluster has ended."""
    num_trials = run.store.load().num_trials
    recovery = recover(run.study, run.store, run.plan.search_space, num_trials=num_trials)
    return replace(run, recovery=recovery)


def _disk_guard(run: StudyRun) -> DiskGuard:
    def view() -> StudyView:
        return run.store.retry_policy(lambda: run.reader.view(run.store.study))

    def later_studies() -> tuple[str, ...]:
        return run.store.retry_policy(lambda: studies_from(run.reader, run.store.study))

    return DiskGuard(
        folders=run.folders,
        view=view,
        later_studies=later_studies,
        stop_request=run.stop_request,
        quota=disk_quota(run.plan.config.study.disk_quota),
        trial_bytes=trial_bytes(run.plan),
        num_workers=run.workers.num_workers,
        repeated=run.plan.config.study.confirm_points,
    )


def _doing(run: StudyRun, phase: StudyPhase) -> str:
    if phase.is_search:
        return str(choose_sampler(run.plan.search_space, num_trials=run.store.load().num_trials))
    return "repeating the best trials with other seeds"


def _fit(run: StudyRun, references: References, phase: StudyPhase, disk_guard: DiskGuard, name: str) -> None:
    num_new, num_workers = phase.limit - len(phase.adopted), run.workers.num_workers
    with ProposalPrefetcher(phase.ask, limit=num_new, num_workers=num_workers) as ask:
        searcher = _searcher(run, references, phase, disk_guard, ask)
        try:
            _tuner(run, phase, searcher, name).fit()
        except RuntimeError as error:
            killed = killed_workers(error)
            if killed is None:
                raise
            searcher.release(partial(given_up, run.memory_kills, killed))
            raise WorkersKilledError("Ray ended a worker because memory was running out") from error
        except (OSError, tune.TuneError) as error:
            # Ray's own records, here or in the machine's temporary folder.
            if not ran_out_of_disk(error, run.folders.storage):
                raise
            run.stop_request.request_once("the disk of Ray's records is full")
        finally:
            # After any error, no trial is left as running.
            searcher.release()


def _tuner(run: StudyRun, phase: StudyPhase, searcher: StudySearcher, name: str) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(_trainable(run), run.workers.as_ray()),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=TrialScheduler(searcher, early_stopping(run.plan, run.store)),
            num_samples=phase.limit,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(run.folders.ray),
            failure_config=tune.FailureConfig(max_failures=MOST_ATTEMPTS - 1),
            stop=StopRequestStopper(run.stop_request),
            verbose=0,
        ),
    )


def _trainable(run: StudyRun) -> Callable[[dict[str, Any]], None]:
    rule, gpus = run.plan.config.latency_rule, run.workers.gpus_per_worker
    return make_trainable(run.run_trial, run.folders, rule, gpus=gpus)


def _searcher(
    run: StudyRun, references: References, phase: StudyPhase, disk_guard: DiskGuard, ask: Ask
) -> StudySearcher:
    recorder = OutcomeRecorder(
        run.study,
        run.store,
        tasks=tuple(task.name for task in run.plan.tasks),
        budgets=run.plan.budgets,
        latency=run.plan.config.latency_rule,
        on_end=disk_guard.trial_ended,
    )
    searcher = StudySearcher(
        ask=ask,
        make_config=_config_maker(run, references),
        recorder=recorder,
        adopted=phase.adopted,
        limit=phase.limit,
        max_concurrent=run.workers.num_workers,
        stop_request=run.stop_request,
    )
    searcher.before_trial = disk_guard.before_trial
    return searcher


def _config_maker(run: StudyRun, references: References) -> Callable[[optuna.Trial], dict[str, Any]]:
    def make_config(trial: optuna.Trial) -> dict[str, Any]:
        # The references have the study's seed, and each trial one of its own.
        settings = run.plan.search_space.decode(trial.params, seed=run.plan.config.study.seed + 1 + trial.number)
        attribute = trial.user_attrs.get(INITIAL)
        initial = None if attribute is None else from_json(InitialNetwork, attribute)
        spec = references.trial_spec(settings, initial=initial)
        run.store.open_trial(
            trial.number,
            seed=settings.train.seed,
            num_epochs=spec.num_epochs,
            params=trial.params,
            confirms=trial.user_attrs.get(REPLICATE_OF),
            initial=None if initial is None else initial.label,
        )
        # As text, because Ray interprets the keys of a nested configuration, and some of them are names of tasks.
        return {TRIAL_NUMBER: trial.number, SPEC: json.dumps(spec.to_document())}

    return make_config


def _conclude(run: StudyRun, *, ended_early: bool) -> StudyState:
    states = list(run.store.trial_states().values())
    num_trials = run.store.load().num_trials
    num_done = sum(state in DONE_STATES for state in states)
    num_complete = states.count(TrialState.COMPLETE)
    missing = _missing_replicates(run)
    if num_done < num_trials or missing:
        # Somebody may extend a study in the seconds that its cluster takes to end.
        reason = run.stop_request.reason or (
            "Ray Tune ended early" if ended_early else "more was asked for as it ended"
        )
        state = StudyState.FAILED if ended_early else StudyState.STOPPED
        replicates = f", {missing} repeats of the best to come" if missing else ""
        message = f"{num_done} of {num_trials} trials done{replicates}: {reason}."
    elif num_complete == 0:
        state, message = StudyState.FAILED, f"all {num_trials} trials failed{_stopped_early(states)}."
    else:
        state = StudyState.COMPLETE
        message = f"{num_complete} of {num_trials} trials complete{_stopped_early(states)}{_repeated(run)}."
    if state is StudyState.COMPLETE:
        give_up_unowned(run.study, run.store)
    run.store.set_state(state, message)
    return state


def _missing_replicates(run: StudyRun) -> int:
    """Return the number of replicates that are due, or were handed out and are not done.

    None is due while the search has trials left.
    """
    if run.progress.num_left():
        return 0
    states = run.store.trial_states(replicates=True).values()
    return len(run.progress.due_replicates()) + sum(state in OPEN_STATES for state in states)


def _repeated(run: StudyRun) -> str:
    number = list(run.store.trial_states(replicates=True).values()).count(TrialState.COMPLETE)
    return f", the best repeated with {number} other seeds" if number else ""


def _stopped_early(states: list[TrialState]) -> str:
    number = states.count(TrialState.STOPPED_EARLY)
    return f", {number} stopped early" if number else ""


def _trial_name(trial: Any) -> str:
    return f"trial-{trial.config[TRIAL_NUMBER]}"

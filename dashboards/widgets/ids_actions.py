"""Ids of what a person does: dialogs, the start form, downloads, the system page."""

from typing import Any

from gatefront.dashboards.widgets.task_keys import task_key

# Study page
STUDY_ACTIONS = "study-actions"
STUDY_ACTION_REASONS = "study-action-reasons"
STUDY_ACTION_NOTE = "study-action-note"
STUDY_EXTEND_BY = "study-extend-by"
STUDY_RESUME_WORKERS = "study-resume-workers"
STUDY_RESUME_HOURS = "study-resume-hours"
STUDY_HOURS = "study-hours"
STUDY_EVENTS = "study-events"

# Trial page
TRIAL_ACTIONS = "trial-actions"
TRIAL_ACTION_NOTE = "trial-action-note"
TRIAL_ACTION_REASONS = "trial-action-reasons"
TRIAL_VOID_REASON = "trial-void-reason"
TRIAL_BUNDLE_BUTTON = "trial-bundle-button"
TRIAL_BUNDLE_JOB = "trial-bundle-job"
TRIAL_BUNDLE_TICK = "trial-bundle-tick"
TRIAL_BUNDLE_STATE = "trial-bundle-state"
TRIAL_BUNDLE_LINK = "trial-bundle-link"
TRIAL_ORIGIN = "trial-origin"
TRIAL_LOG = "trial-log"

# Start form
START_UPLOAD = "start-upload"
START_UPLOAD_ERROR = "start-upload-error"
START_NAME = "start-name"
START_DATA = "start-data"
START_ROOT = "start-root"
START_BACKBONE = "start-backbone"
START_BUDGET = "start-budget"
START_TRIALS = "start-trials"
START_WORKERS = "start-workers"
START_HOURS = "start-hours"
START_EARLIER = "start-earlier"
START_TASKS = "start-tasks"
START_TEXT = "start-text"
START_TEXT_ERROR = "start-text-error"
START_CHECK = "start-check"
START_CHECK_JOB = "start-check-job"
START_CHECKS = "start-checks"
START_BUTTON = "start-button"
START_ANYWAY = "start-anyway"
START_JOB = "start-job"
START_STATE = "start-state"
START_TICK = "start-tick"

# System page
SYSTEM_TICK = "system-tick"
SYSTEM_SEEN = "system-seen"
SYSTEM_BANNER = "system-banner"
SYSTEM_CONTENT = "system-content"


def dialog_part(key: str, part: str) -> str:
    """The id of a dialog's ``open`` or ``confirm`` button, its ``cancel``, its ``error`` or the dialog ``box``."""
    return f"dialog-{key}-{part}"


def task_weight(task: Any) -> dict[str, Any]:
    """The field for one task's weight in the loss; Dash's ``ALL`` stands for every task."""
    return {"type": "start-task-weight", "task": task_key(task) if isinstance(task, str) else task}

"""Ids of all components, each defined once, and task names in ids.

Dash and the grid interpret dots, braces and quotes in ids.
"""

from typing import Any


def task_key(task: str) -> str:
    """Return the name as letters and digits. :func:`task_of_key` reverses it."""
    return task.encode().hex()


def task_of_key(key: str) -> str:
    """Return the task of a :func:`task_key`."""
    return bytes.fromhex(key).decode()


def next_figure(graph: str) -> str:
    """Return the id of the store for a plot's next figure.

    The server puts the figure there. The browser draws it and keeps the zoom.
    """
    return f"{graph}-next"


# The frame around all pages
COLOR_SCHEME = "color-scheme"
ADDRESS = "address"
TITLE = "title"
PAGE = "page"

# Studies page
STUDIES_TICK = "studies-tick"
STUDIES_SEEN = "studies-seen"
STUDIES_BANNER = "studies-banner"
STUDIES_LIST = "studies-list"

# Study page
STUDY_TICK = "study-tick"
STUDY_NAME = "study-name"
STUDY_SEEN = "study-seen"
STUDY_BANNER = "study-banner"
STUDY_CONTENT = "study-content"
STUDY_HEADER = "study-header"
STUDY_STATS = "study-stats"
STUDY_FRONT = "study-front"
STUDY_FRONT_SENTENCE = "study-front-sentence"
STUDY_HYPERVOLUME = "study-hypervolume"
STUDY_HYPERVOLUME_SENTENCE = "study-hypervolume-sentence"
STUDY_FRONT_POINTS = "study-front-points"
STUDY_TRIALS = "study-trials"
STUDY_LATENCY = "study-latency"
STUDY_LATENCY_SENTENCE = "study-latency-sentence"
STUDY_LATENCY_BOX = "study-latency-box"

# Comparison page
COMPARISON_TICK = "comparison-tick"
COMPARISON_NAME = "comparison-name"
COMPARISON_SEEN = "comparison-seen"
COMPARISON_BANNER = "comparison-banner"
COMPARISON_CONTENT = "comparison-content"
COMPARISON_LEAD = "comparison-lead"
COMPARISON_TABLE = "comparison-table"
COMPARISON_NOTE = "comparison-note"
COMPARISON_PLOT = "comparison-plot"

# Trial page
TRIAL_TICK = "trial-tick"
TRIAL_KEY = "trial-key"
TRIAL_SEEN = "trial-seen"
TRIAL_BANNER = "trial-banner"
TRIAL_CONTENT = "trial-content"
TRIAL_HEADER = "trial-header"
TRIAL_STATS = "trial-stats"
TRIAL_NETWORKS = "trial-networks"
TRIAL_PULL = "trial-pull"
TRIAL_PULL_COMMAND = "trial-pull-command"
TRIAL_COPY = "trial-copy"
TRIAL_MAP = "trial-map"
TRIAL_MAP_BOX = "trial-map-box"
TRIAL_MAP_SENTENCE = "trial-map-sentence"
TRIAL_SITE = "trial-site"
TRIAL_PATTERN = "trial-pattern"
TRIAL_PATTERN_SENTENCE = "trial-pattern-sentence"
TRIAL_TASKS = "trial-tasks"
TRIAL_DELTAS = "trial-deltas"
TRIAL_DELTAS_BOX = "trial-deltas-box"
TRIAL_LOSSES = "trial-losses"
TRIAL_METRICS = "trial-metrics"
TRIAL_DELTA_CURVE = "trial-delta-curve"
TRIAL_FLOPS_CURVE = "trial-flops-curve"
TRIAL_CURVES_BOX = "trial-curves-box"
TRIAL_CURVES_SENTENCE = "trial-curves-sentence"
TRIAL_FACTS = "trial-facts"

# Study page: which finished points are shown, and in which scheme
POINTS = "points"

# Study page: the front
AXIS = "front-axis"
BUDGET = "front-budget"
BUDGET_BOX = "front-budget-box"
FLOORS = "front-floors"
FLOOR = "front-floor"
LAYERS = "front-layers"
BEST = "front-best"
THINNED = "front-thinned"

# Study page: selection
SELECTED = "points-selected"
SELECTION = "points-selection"
SHOW_ALL = "points-show-all"
PARALLEL = "points-parallel"
IMPORTANCE = "points-importance"
IMPORTANCE_SENTENCE = "points-importance-sentence"
IMPORTANCE_BOX = "points-importance-box"
PARALLEL_SENTENCE = "points-parallel-sentence"
PARALLEL_BOX = "points-parallel-box"
ROWS = "points-rows"
HYPERVOLUME_AXIS = "hypervolume-axis"

# Study page: two points
ONE = "points-one"
OTHER = "points-other"
WORDS = "points-words"
TASKS = "points-tasks"
TASKS_BOX = "points-tasks-box"
DIFFERENCE = "points-difference"
DIFFERENCE_BOX = "points-difference-box"

# Trial page: what tasks share
WIDTH = "sharing-width"
AFFINITY = "sharing-affinity"
FLOW = "sharing-flow"
FLOPS = "sharing-flops"
WORDS_OF_MAP = "sharing-words"
SHARING_BOX = "sharing-box"

# Trial page: the gates over training
COURSE = "course-map"
COURSE_BOX = "course-box"
COURSE_MAP_BOX = "course-map-box"
COURSE_EPOCH = "course-epoch"
COURSE_SENTENCE = "course-sentence"

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
    """Return the id of a dialog's part: its ``open``, ``confirm`` or ``cancel`` button, its ``error`` or ``box``."""
    return f"dialog-{key}-{part}"


def task_weight(task: Any) -> dict[str, Any]:
    """Return the id of the field for one task's weight in the loss. Dash's ``ALL`` matches every task."""
    return {"type": "start-task-weight", "task": task_key(task) if isinstance(task, str) else task}

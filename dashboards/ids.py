"""Every component id, once."""


def next_figure(graph: str) -> str:
    """The store in which the server puts a plot's next figure; the browser draws it and keeps the zoom."""
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

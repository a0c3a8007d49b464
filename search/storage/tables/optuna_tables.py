"""Optuna's tables as far as readers need them, for plain SQL: `study.trials` would copy every trial each time."""

import sqlalchemy as sa

INITIAL = "initial"
"""The attribute of a trial that goes on from a network of an earlier study: its label and its file."""

_metadata = sa.MetaData()

STUDIES = sa.Table("studies", _metadata, sa.Column("study_id", sa.Integer), sa.Column("study_name", sa.String))
TRIALS = sa.Table(
    "trials",
    _metadata,
    sa.Column("trial_id", sa.Integer),
    sa.Column("number", sa.Integer),
    sa.Column("study_id", sa.Integer),
    sa.Column("state", sa.String),
)
TRIAL_PARAMS = sa.Table(
    "trial_params",
    _metadata,
    sa.Column("trial_id", sa.Integer),
    sa.Column("param_name", sa.String),
    sa.Column("param_value", sa.Float),
    sa.Column("distribution_json", sa.Text),
)
TRIAL_ATTRIBUTES = sa.Table(
    "trial_user_attributes",
    _metadata,
    sa.Column("trial_id", sa.Integer),
    sa.Column("key", sa.String),
    sa.Column("value_json", sa.Text),
)

"""The tables of the first release: studies, trials, epochs, references."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_studies()
    _create_trials()
    _create_epochs()
    _create_references()


def downgrade() -> None:
    for table in ("gatefront_references", "gatefront_epochs", "gatefront_trials", "gatefront_studies"):
        op.drop_table(table)


def _create_studies() -> None:
    op.create_table(
        "gatefront_studies",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("file_text", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("num_trials", sa.Integer, nullable=False),
        sa.Column("num_workers", sa.Integer, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("flop_budget", sa.BigInteger),
        sa.Column("flop_budget_text", sa.String(40), nullable=False),
        sa.Column("single_task_flops", sa.BigInteger, nullable=False),
        sa.Column("hard_sharing_flops", sa.BigInteger, nullable=False),
        sa.Column("floor_flops", sa.BigInteger, nullable=False),
        sa.Column("ceiling_flops", sa.BigInteger, nullable=False),
        sa.Column("tasks", sa.JSON, nullable=False),
        sa.Column("data", sa.String(200), nullable=False),
        sa.Column("backbone", sa.Text, nullable=False),
        sa.Column("storage_dir", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("driver", sa.String(300)),
        sa.Column("heartbeat_at", sa.DateTime),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )


def _create_trials() -> None:
    op.create_table(
        "gatefront_trials",
        sa.Column("study", sa.String(100), sa.ForeignKey("gatefront_studies.name"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(300), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("num_epochs", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("seconds", sa.Double),
        sa.Column("result", sa.JSON),
        sa.Column("gate_map", sa.JSON),
    )


def _create_epochs() -> None:
    op.create_table(
        "gatefront_epochs",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("losses", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("learning_rate", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("delta_mtl", sa.Double),
        sa.Column("flops", sa.BigInteger),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


def _create_references() -> None:
    op.create_table(
        "gatefront_references",
        sa.Column("study", sa.String(100), sa.ForeignKey("gatefront_studies.name"), primary_key=True),
        sa.Column("role", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("is_baseline", sa.Boolean, nullable=False),
        sa.Column("delta_mtl", sa.Double),
        sa.Column("finished_at", sa.DateTime, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
    )

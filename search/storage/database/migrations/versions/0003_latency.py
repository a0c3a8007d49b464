"""Latencies: how long a trial's networks take where somebody measured them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gatefront_latencies",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("derived", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("host", sa.String(200), primary_key=True),
        sa.Column("device", sa.String(200), primary_key=True),
        sa.Column("runtime", sa.String(20), primary_key=True),
        sa.Column("threads", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("precision", sa.String(20), primary_key=True),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("median_ms", sa.Double, nullable=False),
        sa.Column("p10_ms", sa.Double, nullable=False),
        sa.Column("p90_ms", sa.Double, nullable=False),
        sa.Column("measured_at", sa.DateTime, nullable=False),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


def downgrade() -> None:
    op.drop_table("gatefront_latencies")

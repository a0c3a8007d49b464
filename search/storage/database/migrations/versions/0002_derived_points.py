"""Derived points: more networks from the gates that one trial learned."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gatefront_derived_points",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("derived", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("delta_mtl", sa.Double, nullable=False),
        sa.Column("flops", sa.BigInteger, nullable=False),
        sa.Column("flop_target", sa.BigInteger, nullable=False),
        sa.Column("num_parameters", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("gate_map", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


def downgrade() -> None:
    op.drop_table("gatefront_derived_points")

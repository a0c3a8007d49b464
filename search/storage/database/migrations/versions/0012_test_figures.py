"""Figures of confirmed and pulled networks on the test split."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gatefront_test_figures",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("derived", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("delta_mtl", sa.Double, nullable=False),
        sa.Column("delta_per_task", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


def downgrade() -> None:
    op.drop_table("gatefront_test_figures")

"""Gate counts of every epoch, and once per trial the sites that they belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_trials", sa.Column("gate_layout", sa.JSON, nullable=True))
    op.create_table(
        "gatefront_epoch_gates",
        sa.Column("study", sa.String(100), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("own", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("study", "number", "epoch"),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


def downgrade() -> None:
    op.drop_table("gatefront_epoch_gates")
    op.drop_column("gatefront_trials", "gate_layout")

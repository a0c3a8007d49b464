"""Trials that repeat another one or were declared void, the study that one started from, and what was changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_studies", sa.Column("started_from", sa.String(100), nullable=True))
    op.add_column("gatefront_trials", sa.Column("confirms", sa.Integer, nullable=True))
    op.add_column("gatefront_trials", sa.Column("void_reason", sa.Text, nullable=True))
    op.add_column("gatefront_trials", sa.Column("voided_from", sa.String(20), nullable=True))
    op.create_table(
        "gatefront_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("study", sa.String(100), sa.ForeignKey("gatefront_studies.name"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("gatefront_events")
    for name in ("voided_from", "void_reason", "confirms"):
        op.drop_column("gatefront_trials", name)
    op.drop_column("gatefront_studies", "started_from")

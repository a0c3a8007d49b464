"""Columns for the service: who changed a study, the cap on its driver's hours, and whether it is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_events", sa.Column("actor", sa.String(100), nullable=False, server_default=""))
    op.add_column("gatefront_studies", sa.Column("max_hours", sa.Double, nullable=True))
    op.add_column("gatefront_studies", sa.Column("driver_since", sa.DateTime, nullable=True))
    op.add_column("gatefront_studies", sa.Column("is_kept", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for name in ("is_kept", "driver_since", "max_hours"):
        op.drop_column("gatefront_studies", name)
    op.drop_column("gatefront_events", "actor")

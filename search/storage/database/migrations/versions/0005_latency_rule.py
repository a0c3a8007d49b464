"""Rule by which the networks of a study are timed, and their latency budget. Null: they are not timed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_studies", sa.Column("latency", sa.JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("gatefront_studies", "latency")

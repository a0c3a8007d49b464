"""The configuration that a study runs with, as JSON; null for studies of earlier releases."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_studies", sa.Column("config", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("gatefront_studies", "config")

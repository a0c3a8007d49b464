"""A study's cap on parameters, as it was written; empty for none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gatefront_studies", sa.Column("param_budget_text", sa.String(40), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("gatefront_studies", "param_budget_text")

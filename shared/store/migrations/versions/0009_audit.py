"""Commands that operators gave, and what came of them."""

from __future__ import annotations

from shared.store.migrations.script import refuse_downgrade, run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_script(__file__)


def downgrade() -> None:
    """Refuse."""
    refuse_downgrade(revision)

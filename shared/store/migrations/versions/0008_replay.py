"""Replays and how far they came."""

from shared.store.migrations.script import refuse_downgrade, run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_script(__file__)


def downgrade() -> None:
    """Refuse."""
    refuse_downgrade(revision)

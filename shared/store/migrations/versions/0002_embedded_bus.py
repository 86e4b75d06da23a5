"""The embedded bus: queues and log kept in this database."""

from shared.store.migrations.script import refuse_downgrade, run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_script(__file__)


def downgrade() -> None:
    """Refuse."""
    refuse_downgrade(revision)

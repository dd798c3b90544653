"""scanside users: who may log in to the page."""

import argparse
import getpass
import sys
import time

from daemon.commands.option import within
from daemon.config import load_settings
from daemon.core.bounds import Name
from daemon.core.errors import ConfigError
from daemon.core.people.access import Deed, Role
from daemon.edge.access.audit import Audit, Entry
from daemon.edge.access.users import PASSWORD_LENGTH_MIN, Users
from daemon.edge.database.migrations import open_existing


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--add", metavar="NAME", type=within(Name), help="add a user, or change role and password")
    parser.add_argument(
        "--role", choices=[*map(str, Role)], default=str(Role.RADIOGRAPHER), help="default: %(default)s"
    )
    parser.add_argument("--remove", metavar="NAME", help="remove a user, whose sessions end at once")


def run(options: argparse.Namespace) -> int:
    """Add or remove a user, or print a line for each.

    Raises:
        ConfigError: no daemon has run with this configuration yet, the password is too short, or nobody has the name.
    """
    with open_existing(load_settings(options.config).database_url) as engine:
        users, audit = Users(engine), Audit(engine)
        changed = options.add or options.remove
        if options.add:
            users.put(options.add, Role(options.role), _password())
        elif options.remove and not users.remove(options.remove):
            raise ConfigError(f"nobody is called {options.remove}: scanside users lists them")
        if changed:
            who = getpass.getuser()
            audit.note(Entry(at=time.time(), who=who, address="", deed=Deed.CHANGED, subject=f"user {changed}"))
        for name, role in users.roles().items():
            print(f"{role.value:14} {name}")
    return 0


def _password() -> str:
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < PASSWORD_LENGTH_MIN:
        raise ConfigError(f"a password of {len(password)} characters: take at least {PASSWORD_LENGTH_MIN}")
    return password

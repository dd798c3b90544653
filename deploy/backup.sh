#!/bin/sh
# backup.sh STORAGE COPY: a copy of a storage folder from which a daemon goes on, taken while the daemon runs.
# Run it as the daemon's user. COPY must not exist yet. With PostgreSQL, take its dump first, then run this for the rest.
set -eu
umask 077
storage=$1 copy=$2
python=${PYTHON:-/opt/scanside/.venv/bin/python}
mkdir "$copy"
# The database first: the spool may hold more than it knows, which is read on; never less.
if [ -e "$storage/scanside.sqlite" ]; then
    "$python" -c '
import sqlite3, sys
source, target = (sqlite3.connect(path) for path in sys.argv[1:])
source.backup(target)
target.close()
' "$storage/scanside.sqlite" "$copy/scanside.sqlite"
fi
for entry in "$storage"/* ; do
    case ${entry##*/} in
        scanside.sqlite*|compiled|*.lock) ;; # copied, or made anew
        *) cp -a "$entry" "$copy/" || [ -d "$entry" ] ;; # retention may remove a file meanwhile
    esac
done

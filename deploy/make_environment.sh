#!/bin/sh
# Make the virtual environment in the folder $1. Use the first Python of $PYTHON and the usual names that is
# new enough. Each name is tried by running it, because a command on the PATH may be a stand-in that fails.
set -eu

folder=$1
# Debian's `python3` package lacks ensurepip.
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
complete='import ensurepip, venv'
incomplete=

for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    "$python" -c "$new_enough" 2>/dev/null || continue
    if "$python" -c "$complete" 2>/dev/null; then
        echo "Making $folder with $("$python" --version) ..."
        exec "$python" -m venv --clear "$folder"
    fi
    incomplete=${incomplete:-$python}
done

if [ -n "$incomplete" ]; then
    echo "$incomplete cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
else
    echo "Darkroom needs Python 3.11 or newer. Install it, or say where it is:" >&2
    echo "    make PYTHON=/path/to/python3.12 run" >&2
fi
exit 1

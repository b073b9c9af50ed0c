#!/bin/sh
# Installs EVOX's Git hooks: ./scripts/install-git-hooks.sh [repository] [--help]
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 1
for python in python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
        exec "$python" -I "$here/evox_rollback.py" install "$@"
    fi
done
echo "The hooks need Python 3.8 or newer, and find none on PATH." >&2
exit 1

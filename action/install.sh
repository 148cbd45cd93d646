#!/usr/bin/env bash
# Finds the interpreter that the `python` input names; action/install.py does the rest.
set -euo pipefail
python=${AR_PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "::error title=autoresearch::python: the interpreter that this input names is not on this runner; install Python 3.11 or newer there, or give its path"
    exit 2
fi
if ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error title=autoresearch::python: the interpreter that this input names is older than Python 3.11; name a newer one, e.g. python3.12"
    exit 2
fi
exec "$python" -I "$GITHUB_ACTION_PATH/action/install.py"

#!/usr/bin/env bash
# Runs whatever happened. Where the main step has written its outputs there is nothing to do; where it was killed, the controller says what
# its ledger knows; where there is no controller, the status alone.
set -euo pipefail
[[ -z $AR_STATUS ]] || exit 0
if [[ -n $AR_CONTROLLER ]] && PYTHONPATH="$GITHUB_ACTION_PATH" "$AR_CONTROLLER" -P -m bot.action.last; then
    exit 0
fi
{
    echo "status=$([[ $AR_OUTCOME = cancelled ]] && echo cancelled || echo failed)"
    for name in experiments kept baseline best improvement-pct cost-usd branch head-sha pr-number pr-url pr-operation results-path plot-path; do
        echo "$name="
    done
} >>"$GITHUB_OUTPUT"

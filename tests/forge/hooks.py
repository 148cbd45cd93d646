"""What GitHub refuses when it receives a push, as the pre-receive hook of each bare repository."""

from pathlib import Path

MAY_NOT_WORKFLOWS = " (no workflows permission)"  # added to the name of who pushes: a hook sees nothing else of the token
HOOK = f"""#!/bin/sh
# An App's token, a job's included, may not push commits that touch workflow files unless it was given `workflows: write`.
case "$REMOTE_USER" in *"{MAY_NOT_WORKFLOWS}") ;; *) exit 0 ;; esac
while read -r old new ref; do
    case "$new" in *[!0]*) ;; *) continue ;; esac
    for commit in $(git rev-list "$new" --not --all); do
        file=$(git diff-tree --root -r --no-commit-id --name-only "$commit" -- .github/workflows | head -n 1)
        [ -z "$file" ] && continue
        echo "refusing to allow a GitHub App to create or update workflow \\`$file\\` without \\`workflows\\` permission" >&2
        exit 1
    done
done
"""


def install(bare: Path) -> None:
    path = bare / "hooks/pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HOOK)
    path.chmod(0o755)

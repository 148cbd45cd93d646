"""The ways to GitHub that a mode opens from the action's inputs."""

import io

from bot.action.inputs import Inputs
from bot.action.log import LOG
from bot.publish.doors import open_doors
from tests.action.test_inputs import given
from tests.bot.githubs import NAME, github
from tests.bot.kept import Research


def test_a_wait_for_an_apps_token_is_told_in_the_jobs_log_like_any_other(tmp_path, monkeypatch):
    """Else the step stands still for minutes, and nobody knows why."""
    settings = Research.start(tmp_path / "repo").settings
    monkeypatch.setattr(LOG, "stream", log := io.StringIO())
    with github() as s:
        app = s.fake.app(repositories=[NAME])
        names = {"GITHUB_REPOSITORY": NAME, "GITHUB_API_URL": s.fake.url, "GITHUB_SERVER_URL": s.fake.server_url}
        inputs = Inputs.read(given(app_id=str(app.app_id), app_private_key=app.private_key, github_token="") | names)
        s.fake.fail("POST", "/access_tokens$", status=502)
        token = open_doors(inputs, settings).remote.token()
        assert token.startswith("ghs_") and "::warning title=autoresearch::GitHub: it answered 502" in log.getvalue()
        assert f"::add-mask::{token}" in log.getvalue()

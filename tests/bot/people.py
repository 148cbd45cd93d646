"""A research whose branch people change with plain git, and what the record then says. Nothing is measured."""

from pathlib import Path

from bot.follow import Line
from bot.gitobjects import Objects
from bot.history import History
from bot.marks import Marks
from bot.records import Experiment, Pruned, Variant, Verdict
from tests.bot.kept import FILES, Research
from tests.conftest import make_repo
from tests.forge.bare import Bare
from tests.forge.repository import WEB

CAROL = ("carol", "carol@example.com")
BOT = ("autoresearch", "autoresearch@users.noreply.github.com")
GAP = "# one\n# two\n# three\n# four\n"


def text(a: int = 0, b: int = 0, c: int = 0) -> str:
    """train.py: three numbers far enough apart for git."""
    return f"A = {a}\n{GAP}B = {b}\n{GAP}C = {c}\n"


class People(Research):
    """`keep` is a night's, all else is people's. `read` is what the next night does first."""

    @classmethod
    def start(cls, root: Path) -> "People":
        make_repo(root, FILES | {"train.py": text()})
        found = cls(root)
        found.repo.ignore(".autoresearch")
        return found.opened()

    @property
    def git(self) -> Bare:
        return Bare(self.root)

    @property
    def marks(self) -> Marks:
        return Marks(self.repo, self.settings)

    @property
    def tip(self) -> str:
        return self.repo.resolve(self.branch)

    @property
    def text(self) -> str:
        return self.repo.read(self.tip, "train.py")

    def keep(self, text: str, edits: dict[str, str] | None = None) -> str:
        """As a night does: the kept commit has what was measured, says so, and is where the branch is left."""
        id, measured = self.propose(text, edits)
        said = f"change {id:04d}\n\nExperiment: {id:04d}\nMeasured-Commit: {measured}\n"
        sha = self.repo.commit_tree(self.repo.tree_of(measured), self.history.champion_sha, said, self.tick())
        self.record(Verdict, id=id, status="keep", why="kept", value=0.9, delta=-0.1, low=-0.2, high=0.0, seeds=3, sha=sha)
        self.leave_at(sha)
        return sha

    def prune(self, id: int, text: str) -> str:
        """What the end of a night does with a change that brings nothing."""
        whole = self.history.champion_sha
        variant = self.repo.commit(whole, {"train.py": text}, "without it\n", self.at)
        sha = self.repo.commit(whole, {"train.py": text}, f"take out\n\nPrunes: {id:04d}\nMeasured-Variant: {variant}\n", self.at)
        newest = max(e.id for e in self.history.keeps)
        self.record(Variant, id=id, stack=whole, sha=variant, ids=(id,))
        self.record(Pruned, id=newest, stack=whole, variant=variant, sha=sha, ids=(id,), why="pruned: it brings nothing")
        self.leave_at(sha)
        return sha

    def leave_at(self, sha: str) -> None:
        """A night's end: the branch at `sha`."""
        self.move(sha)
        self.marks.leave(sha)

    # People

    def move(self, sha: str) -> str:
        """Somebody puts the branch there."""
        self.git.update(self.branch, sha)
        return sha

    def commit(self, onto: str, train: str, message: str = "by hand", who: tuple[str, str] = CAROL, path: str = "train.py") -> str:
        return self.git.write(onto, {path: train}, message, who, self.tick())

    def merge(self, ours: str, theirs: str, train: str | None = None, who: tuple[str, str] = WEB) -> str:
        """What the button makes, or with `train` a conflict that was resolved by hand."""
        tree = self.git.merged(ours, theirs)
        sha = self.git.commit_tree(tree or self.repo.tree_of(ours), [ours, theirs], "Merge branch 'main'", who, self.tick())
        if train is None:
            assert tree
            return sha
        return self.git.commit_tree(self.repo.tree_of(self.commit(sha, train)), [ours, theirs], "Merge branch 'main'", who, self.tick())

    def rebase(self, head: str, onto: str, who: tuple[str, str] = WEB) -> str:
        """What the other button makes."""
        sha = self.git.replayed(onto, head, who, self.tick())
        assert sha
        return sha

    def again(self, sha: str, onto: str, train: str, who: tuple[str, str] = CAROL) -> str:
        """An amended, edited or picked commit: message and author stay, `who` commits."""
        tree, message = self.repo.tree_of(self.commit(onto, train)), self.git.commit(sha).message
        roles = {"AUTHOR": BOT, "COMMITTER": who}
        env = {f"GIT_{role}_{what}": value for role, both in roles.items() for what, value in zip(("NAME", "EMAIL"), both, strict=True)}
        return self.git.run("commit-tree", tree, "-p", onto, "-F", "-", stdin=message.encode(), env=env).strip()

    def pick(self, sha: str, onto: str, who: tuple[str, str] = CAROL) -> str:
        """`git cherry-pick` of a commit of ours."""
        train = self.repo.merge(*(self.repo.read(each, "train.py") for each in (f"{sha}^", onto, sha)))
        assert train
        return self.again(sha, onto, train, who)

    def main_moves(self, train: str, path: str = "train.py") -> str:
        sha = self.commit("main", train, "main moves", path=path)
        self.git.update("refs/heads/main", sha)
        return sha

    def tick(self) -> float:
        self.at += 1
        return self.at

    # The next night

    def read(self, history: History | None = None) -> History:
        """What the record says once a run has read the branch and brought it to its champion."""
        history = history or self.history
        line = self.line(history)
        line.close_gaps()
        line.adopt(moving=True)
        line.follow_base()
        self.leave_at(history.champion_sha)
        return history

    def line(self, history: History | None = None) -> Line:
        return Line(self.settings, self.repo, self.ledger, history or self.history, lambda text: None)

    def published(self) -> None:
        """As if the branch had just been pushed."""
        self.marks.take(self.marks.ref, self.marks.entry(self.tip))

    def commits(self, above: str) -> list[tuple[str, list[str]]]:
        """(sha, parents) of what the branch has on `above`, the oldest first."""
        return Objects(self.repo).parents(self.tip, above)

    @staticmethod
    def origin(history: History, experiment: Experiment) -> int:
        return history.origin(experiment).id


def three_kept(root: Path) -> People:
    """Three kept changes, A, B and C."""
    found = People.start(root)
    for values in ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}):
        found.keep(text(**values))
    return found

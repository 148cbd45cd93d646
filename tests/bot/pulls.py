"""What the tests of the pull request's text share: a page as GitHub's parser makes it, hostile nights, and what may stand in a body."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options
from msgspec.structs import replace

from bot.history import History
from bot.records import Verdict
from bot.report import pull
from bot.settings import Settings

from .builders import Night

SHA = "5" * 40
LINKS = pull.Links("https://github.com", "acme/chat", "autoresearch/demo", SHA, "https://github.com/acme/chat/actions/runs/7", 12)
MARKER = "<!-- autoresearch:summary:demo -->"
HOSTILE = [
    "<img src=x onerror=1> <script>x</script> <!-- hidden --> </details> </sub> <details>",
    "@octocat and @acme/team, see ![p](https://evil.example/p.png) and [c](javascript:1)",
    "```\n~~~\nfence ` and `` ticks",
    "a | b | c \\| d \\\\| e",
    "fixes #12, GH-12, acme/chat#3, https://evil.example, www.evil.example, a@evil.example, ftp://evil.example",
    "::error::x\n::add-mask::y\n##[error]z",
    "$\\sqrt{x}$ ~~gone~~ **bold** _it_ [^1] &lt;b&gt; &#64;octocat",
    f"commit {'0123abcd' * 5} and 0123abc",
    "\x1b[31m \u202e \u200b \x00 \u2028 # heading\n- [ ] task\n> quote\n| --- |",
    MARKER,
    "$<&" * 300,
    "#@" * 4000,
]


TAGS = set(re.findall(r"\w+", "h2 h3 p strong em sub table thead tbody tr th td a img code pre ul li details summary blockquote"))


class Page(HTMLParser):
    """What a reader's browser gets: tags with their nesting, links, pictures, comments, text outside of code."""

    VOID = ("img", "br", "hr", "input")

    def __init__(self, markdown: str):
        super().__init__(convert_charrefs=True)
        self.stack, self.tags, self.links, self.images, self.comments, self.text, self.unbalanced = [], set(), [], [], [], [], []
        self.rows, self.details = [], []
        self.html = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
        self.feed(self.html)
        self.unbalanced += self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [dict(attrs)["href"]] if tag == "a" else []
        self.images += [dict(attrs)["src"]] if tag == "img" else []
        self.rows += [[]] if tag == "tr" else []
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if not {"code", "a"}.intersection(self.stack):
            self.text.append(data)
        if self.rows and {"td", "th"}.intersection(self.stack):
            self.rows[-1][-1] += data

    def handle_comment(self, data):
        self.comments.append(data)


def made(root: Path, **fields) -> Settings:
    """Settings of a repository in `root`."""
    (root / "train.py").write_text("X = 1\n")
    (root / "program.md").write_text("brief\n")
    return Settings.build(root, {"name": "demo", "editable": ["train.py"], "sandbox": "none"} | fields)


def fold(night: Night) -> History:
    return History.fold(night.events)


def shown(night: Night | History, config: Settings, links: pull.Links = LINKS) -> str:
    return pull.body(night if isinstance(night, History) else fold(night), [], config, links)


def hostile_night(count: int) -> Night:
    """Everything that a candidate or a model writes is hostile: hypotheses, reasons, logs."""
    night = Night(seed=5).baseline()
    for id in range(1, count + 1):
        text, draw = HOSTILE[id % len(HOSTILE)], night.random.random()
        if draw < 0.03:
            night.kept(-0.002 - 0.002 * night.random.random(), hypothesis=text)
        elif draw < 0.1:
            night.failed(night.random.choice(["crash", "oom", "timeout", "violation"]), reason=text, log_tail=f"x\n{text}", hypothesis=text)
        else:
            night.screened(abs(night.random.gauss(0, 0.03)), hypothesis=text)
    night.events = [replace(e, why=f"{HOSTILE[e.id % len(HOSTILE)]}{e.why}") if type(e) is Verdict else e for e in night.events]
    return night.stopped(reason=HOSTILE[0])


@cache
def hostile(count: int) -> History:
    return fold(hostile_night(count))


def check(markdown: str, comments: int = 0) -> Page:
    """Balanced, and nothing in it but what the bot itself puts there."""
    page = Page(markdown)
    assert page.unbalanced == [] and len(page.comments) == comments
    assert page.tags <= TAGS
    assert [link for link in page.links if not link.startswith("https://github.com/acme/chat/")] == []
    assert set(page.images) <= {f"https://github.com/acme/chat/blob/{SHA}/demo/progress.png?raw=true"}
    text = " ".join(page.text)
    assert not re.search(
        r"@\w|(?<!\w)#\d|(?i:gh-\d)|\w://|(?i:www\.)|\$[^\s\u200b]|\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,}\b|\x1b|\u202e", text
    )
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in markdown.splitlines())
    return page


def maximised() -> Night:
    night = Night(direction="max", metric="tokens_per_s", level=21000, noise=100).baseline()
    night.kept(effect=2000)
    return night

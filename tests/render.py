"""A pull request's markdown as a person sees it: cmark-gfm's HTML with a style sheet like GitHub's, and pictures by headless Chromium.

    python -m tests.render body.md out.html --png wide.png phone.png

Mermaid blocks are shown as code. Exits 3 with a sentence where pictures were asked for and there is no Chromium.
"""

import argparse
import html
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

WIDE, PHONE = 1280, 390  # pixels
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ALERTS = {"NOTE": "#0969da", "TIP": "#1a7f37", "IMPORTANT": "#8250df", "WARNING": "#9a6700", "CAUTION": "#d1242f"}
ALERT = re.compile(rf"<blockquote>\s*<p>\[!({'|'.join(ALERTS)})\]\s*(?:<br ?/?>)?\s*")
STYLE = """
body { margin: 0; background: #fff; color: #1f2328; font: 14px/1.5 "Noto Sans", "DejaVu Sans", Arial, sans-serif }
main { max-width: 850px; margin: 24px auto; border: 1px solid #d1d9e0; border-radius: 6px; overflow-wrap: break-word }
main > h1 { font-size: 20px; font-weight: 400; margin: 0; padding: 12px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0 }
article { padding: 16px } article > :first-child { margin-top: 0 }
h2, h3 { margin: 24px 0 16px; line-height: 1.25; font-weight: 600 }
h2 { font-size: 1.5em; padding-bottom: .3em; border-bottom: 1px solid #d1d9e0b3 } h3 { font-size: 1.25em }
p, table, pre, details, blockquote, ul { margin: 0 0 16px }
table { display: block; width: max-content; max-width: 100%; overflow: auto; border-collapse: collapse }
th, td { padding: 6px 13px; border: 1px solid #d1d9e0 } tr:nth-child(2n) { background: #f6f8fa } tr { border-top: 1px solid #d1d9e0b3 }
code { font: 85% ui-monospace, "DejaVu Sans Mono", monospace; background: #818b981f; padding: .2em .4em; border-radius: 6px }
pre { padding: 16px; overflow: auto; background: #f6f8fa; border-radius: 6px } pre code { background: none; padding: 0 }
a { color: #0969da } img { max-width: 100% } sub { font-size: 75%; line-height: 1.5; vertical-align: baseline }
summary { cursor: pointer } blockquote.alert { padding: 8px 16px; border-left: .25em solid; color: inherit }
blockquote.alert b.title { display: block; font-weight: 500 }
@media (max-width: 500px) { main { margin: 0; border: 0 } }
"""


def page(markdown: str, title: str = "", opened: bool = False) -> str:
    """A whole HTML page. `opened`: with every collapsed part open."""
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_GITHUB_PRE_LANG
    text = cmarkgfm.github_flavored_markdown_to_html(markdown, options=options)
    text = ALERT.sub(_alert, text).replace("<details>", "<details open>" if opened else "<details>")
    heading = f"<h1>{html.escape(title)}</h1>" if title else ""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body><main>{heading}<article>{text}</article></main></body></html>"


def _alert(found: re.Match[str]) -> str:
    color = ALERTS[found[1]]
    title = f'<b class="title" style="color:{color}">{found[1].title()}</b>'
    return f'<blockquote class="alert" style="border-color:{color}"><p>{title}'


def browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def screenshot(source: Path, target: Path, width: int) -> None:
    """The whole page as a PNG of `width` pixels (the scale is 2 on a phone). RuntimeError with the browser's words where there is none."""
    program = browser()
    if not program:
        raise RuntimeError(f"no browser for pictures: install one of {', '.join(BROWSERS)}")
    phone = width <= 500
    with tempfile.TemporaryDirectory() as profile:
        frame = Path(profile) / "frame.html"  # headless windows are at least 500 pixels wide, frames are not
        height = _height(program, source, width, profile)
        frame.write_text(
            f'<body style="margin:0"><iframe src="{source.resolve().as_uri()}" width="{width}" height="{height}" frameborder="0">'
        )
        scale = ["--force-device-scale-factor=2"] if phone else []
        window = f"--window-size={max(width, 500)},{height}"
        _run(program, profile, *scale, window, "--hide-scrollbars", f"--screenshot={target.resolve()}", frame.as_uri())
    if not target.exists():
        raise RuntimeError(f"{program} wrote no picture")
    _crop(target, width * (2 if phone else 1))


def _height(program: str, source: Path, width: int, profile: str) -> int:
    """Of the whole page at this width, measured by the page itself."""
    probe = Path(profile) / "probe.html"
    script = "document.title = frames[0].document.documentElement.scrollHeight; document.body.innerHTML = 'height ' + document.title"
    probe.write_text(
        f'<body><iframe width="{width}" height="100" frameborder="0" srcdoc="{html.escape(source.read_text())}" onload="{script}"></iframe>'
    )
    found = re.search(r"height (\d+)", _run(program, profile, "--hide-scrollbars", "--dump-dom", probe.as_uri()))
    if not found:
        raise RuntimeError(f"{program} could not lay out {source}")
    return min(16_000, int(found[1]) + 8)


def _run(program: str, profile: str, *options: str) -> str:
    argv = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}/profile",
            "--allow-file-access-from-files", *options]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _crop(path: Path, width: int) -> None:
    from PIL import Image

    with Image.open(path) as image:
        if image.width > width:
            image.crop((0, 0, width, image.height)).save(path)


def size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of a PNG."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("markdown", type=Path)
    parser.add_argument("html", type=Path)
    parser.add_argument("--png", type=Path, nargs="+", metavar="FILE", help="pictures: 1280 pixels wide, then 390")
    parser.add_argument("--title", default="")
    parser.add_argument("--open", action="store_true", help="open every collapsed part")
    asked = parser.parse_args()
    asked.html.write_text(page(asked.markdown.read_text(encoding="utf-8"), asked.title, asked.open), encoding="utf-8")
    if asked.png and not browser():
        print(f"no pictures: none of {', '.join(BROWSERS)} is installed", file=sys.stderr)
        return 3
    for target, width in zip(asked.png or [], (WIDE, PHONE), strict=False):
        screenshot(asked.html, target, width)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Brings .gitattributes, .gitmodules and a .git folder with hooks, filter and monitor of its own in its tree."""

CAUGHT_BY = "nothing runs git in a candidate's folder"
EXPECT = "harmless"
FILES = {
    ".gitattributes": "* filter=evil diff=evil merge=evil\n",
    ".gitconfig": "[core]\n\tfsmonitor = ./run\n",
    ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c ./run\n',
    ".git/config": "[core]\n\tfsmonitor = ./run\n\thooksPath = .\n[filter \"evil\"]\n\tsmudge = ./run\n\tclean = ./run\n",
    ".git/hooks/post-checkout": "#!/bin/sh\necho REACHED\n",
    "run": "#!/bin/sh\necho REACHED\n",
}

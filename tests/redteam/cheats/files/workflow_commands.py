"""Prints commands to the CI runner (::set-env, ::add-mask, ::error, ##[...]), which reads them in every step's log."""

CAUGHT_BY = "what is shown of a log is cleaned"
EXPECT = "harmless"


def at_end(counts):
    print("::set-env name=PATH::/evil\n  ::add-mask::0.9\n::error file=train.py::broken\n::stop-commands::x\n##[set-output name=a;]b")
    print("x\r::set-output name=best::0.1\n\t::save-state name=a::b\n\u2028::error::c\n\x0b::error::d\n::group::e")

"""Names that a source can't have, because a magic of that name already means something."""

# fmt: off
OWN_MAGICS = frozenset(
    {
        "ask", "catalog", "db", "doctor", "events", "graph", "ingest", "job", "jobs", "lake", "local",
        "migrate", "plan", "stupiddb", "sync",
    }
)
"""What stupiddb itself is called by in a notebook; ``local`` is the local DuckDB store."""

IPYTHON_MAGICS = frozenset(
    {
        "alias", "alias_magic", "autoawait", "autocall", "automagic", "autosave", "bash", "bookmark",
        "capture", "cat", "cd", "clear", "code_wrap", "colors", "conda", "config", "connect_info", "cp",
        "debug", "dhist", "dirs", "doctest_mode", "ed", "edit", "env", "file", "gui", "hist", "history",
        "html", "javascript", "js", "killbgscripts", "latex", "ldir", "less", "lf", "lk", "ll", "load",
        "load_ext", "loadpy", "logoff", "logon", "logstart", "logstate", "logstop", "ls", "lsmagic", "lx",
        "macro", "magic", "mamba", "man", "markdown", "matplotlib", "micromamba", "mkdir", "more", "mv",
        "notebook", "page", "pastebin", "pdb", "pdef", "pdoc", "perl", "pfile", "pinfo", "pinfo2", "pip",
        "popd", "pprint", "precision", "prun", "psearch", "psource", "pushd", "pwd", "pycat", "pylab",
        "pypy", "python", "python2", "python3", "qtconsole", "quickref", "recall", "rehashx", "reload_ext",
        "rep", "rerun", "reset", "reset_selective", "rm", "rmdir", "ruby", "run", "save", "sc", "script",
        "set_env", "sh", "sql", "subshell", "svg", "sx", "system", "tb", "time", "timeit", "unalias",
        "unload_ext", "uv", "who", "who_ls", "whos", "writefile", "xdel", "xmode",
    }
)
"""IPython's and ipykernel's own magics, and JupySQL's ``sql``: hiding one of them would surprise."""
# fmt: on

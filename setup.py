"""The Cython extensions; everything else stands in pyproject.toml.

Switches, read from the environment when the package is built:

    FASTWS_SANITIZE=1   compile with AddressSanitizer and UBSan
    FASTWS_LINETRACE=1  let coverage.py see the lines of the .pyx files
    FASTWS_WERROR=1     Cython's and gcc's warnings are errors
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

# They need what only Linux has; elsewhere the transports of the loop move the bytes.
LINUX_ONLY = ("_sockets", "_epoll", "_uring")
SOURCES = [
    path
    for path in sorted(Path("fastws").rglob("*.pyx"))
    if sys.platform == "linux" or path.stem not in LINUX_ONLY
]


def switch(name: str) -> bool:
    """Tell whether a switch is on."""
    return os.environ.get(f"FASTWS_{name}", "0") not in ("", "0")


compile_args = ["-O3", "-fno-strict-aliasing"]
link_args: list[str] = []
macros: list[tuple[str, str]] = []
directives: dict[str, object] = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "auto_pickle": False,  # nothing here makes sense in another process
    "autotestdict": False,  # no doctests
}

# Every combination of switches has a folder of its own, for what was built with one is no good
# with another.
SWITCHES = ("SANITIZE", "LINETRACE", "WERROR")
build_base = "-".join(["build/fastws", *(name.lower() for name in SWITCHES if switch(name))])

if switch("SANITIZE"):
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    compile_args = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-strict-aliasing", *sanitizers]
    link_args = sanitizers
if switch("LINETRACE"):
    directives["linetrace"] = True
    macros = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
if switch("WERROR"):
    Options.warning_errors = True
    compile_args.append("-Werror")

setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
                define_macros=macros,
            )
            for path in SOURCES
        ],
        compiler_directives=directives,
        build_dir=f"{build_base}/cython",
    ),
    options={"build": {"build_base": build_base}},
)

#!/bin/sh
# Install the resampler with SIMD (requirements/resampler.txt) into .venv, where there is a wheel of it; it is
# never compiled. The lock file's markers leave out the other systems, processors and versions of Python. They
# cannot tell musl from glibc, nor a free-threaded Python, which have no wheel either, so this script asks
# Python. On all of these Pillow resamples. Where a wheel exists, a failure to install it is an error, because
# a host with another resampler than the site's renders other bytes.
set -eu

fits='
import platform, sys, sysconfig
glibc = sys.platform != "linux" or platform.libc_ver()[0] == "glibc"
sys.exit(not glibc or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
'

if .venv/bin/python -c "$fits"; then
    deploy/install.sh requirements/resampler.txt --only-binary=:all:
else
    echo "No wheel of the resampler fits this Python. Pillow resamples, which takes longer." >&2
fi

"""Code of the clone, or of the shell, that root would run."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.attacks.attack import Attack, Facts, gained, lab, replace, write

SPY = """
import os
if os.getuid() == 0 or os.geteuid() == 0:
    with open({home!r} + "/gained", "a") as file:
        file.write("root ran " + __file__ + "\\n")
"""


def shadows(f: Facts) -> None:
    """Modules of the clone's, and of the folder where `sudo energyctl` is typed."""
    for folder in (f.workspace, lab(f, "repos/front")):
        for name in ("numpy", "json", "click", "sitecustomize", "usercustomize", "psutil"):
            write(f"{folder}/{name}.py", SPY.format(home=f.home))
        write(f"{folder}/energyctl/__init__.py", SPY.format(home=f.home))


def user_site(f: Facts) -> None:
    version = "python{}.{}".format(*sys.version_info[:2])
    site = f"{f.home}/.local/lib/{version}/site-packages"
    for name in ("usercustomize", "sitecustomize", "psutil", "click", "jinja2"):
        write(f"{site}/{name}.py", SPY.format(home=f.home))
    write(f"{site}/spy.pth", "import usercustomize\n")


def programs(f: Facts) -> None:
    """Programs that energyctl may look for, first on the user's PATH."""
    for name in ("git", "nvidia-smi", "bash", "supervisord", "python3", "lscpu", "sudo-helper"):
        path = f"{f.home}/bin/{name}"
        write(path, f'#!/bin/sh\n[ "$(id -u)" = 0 ] && echo root ran {name} >> {f.home}/gained\n')
        os.chmod(path, 0o755)
    write(f"{f.home}/startup.py", SPY.format(home=f.home))
    write(f"{f.home}/startup.sh", f'[ "$(id -u)" = 0 ] && echo root: BASH_ENV >> {f.home}/gained\n')
    shadows(f)


VARIABLES = """
export PYTHONPATH="$HOME/lab:$HOME" PYTHONSTARTUP="$HOME/startup.py" PYTHONINSPECT=1
export PYTHONUSERBASE="$HOME/.local" PYTHONBREAKPOINT=os.abort PYTHONHOME="$HOME"
export BASH_ENV="$HOME/startup.sh" ENV="$HOME/startup.sh" LD_PRELOAD="$HOME/none.so"
export LD_LIBRARY_PATH="$HOME" PERL5OPT=-Mspy IFS=/ PATH="$HOME/bin:$PATH"
unset LD_PRELOAD
"""

SUDO_VARIABLES = """
export SUDO_UID=0 SUDO_GID=0 SUDO_USER=root SUDO_COMMAND=x
export ENERGYCTL_RUN=x/y/z ENERGYCTL_DAEMON=1 ENERGYCTL_JOB=j _ENERGYCTL_COMPLETE=bash_source
"""


def links_for_root(f: Facts) -> None:
    """Where variables of the user's would have root write."""
    os.makedirs(f"{f.home}/cpus/cpu0/cpufreq")
    os.symlink(f.notice, f"{f.home}/cpus/cpu0/cpufreq/scaling_governor")
    os.symlink(f.secret, f"{f.home}/lock")
    os.symlink(f.vault, f"{f.home}/private")


def homes(f: Facts) -> None:
    for name in (".config", ".cache", ".local", "tmp"):
        replace(f"{f.home}/{name}", f.vault)


def set_user_id(f: Facts) -> None:
    """A program of root's below the training, which waits."""
    for program in (["/bin/su", "-"], ["/usr/bin/passwd"], ["/usr/bin/chfn"]):
        if os.path.exists(program[0]):
            master, slave = os.openpty()
            subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, preexec_fn=os.setsid)
            os.close(slave)
            os.set_inheritable(master, True)


def calls_sudo(f: Facts) -> None:
    """A training without a password: what the rule allows it, and what not."""
    for arguments in (
        ["meter", "--", "cat", f.secret],
        ["-C", "/", "meter", "--", "cat", f.secret],
    ):
        done = subprocess.run(
            ["sudo", "-n", f.energyctl, *arguments], capture_output=True, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            gained(f, "meter")
    for arguments in (["run", "x.json"], ["init", f"{f.vault}/lab"], ["resume"], ["status"]):
        subprocess.run(
            ["sudo", "-n", f.energyctl, *arguments],
            cwd=f.workspace,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )


def template_code(f: Facts) -> None:
    """A template that would run code, or include a file."""
    with open(lab(f, "templates/background.sh.j2"), "a") as file:
        file.write("\n# {{ cycler.__init__.__globals__.os.popen('id -u').read() }}\n")


ATTACKS = {
    "imports": Attack(
        "the clone has the module whose import is checked",
        before=shadows,
        registry={"preflight": {"imports": ["numpy"]}},
        then=(("models", "--test", "front"), ("plan", "x.json")),
    ),
    "shadows": Attack("modules of the standard library and ours in the folder", before=shadows),
    "user-site": Attack("modules in the user's own site-packages", before=user_site),
    "variables": Attack("PYTHONPATH, BASH_ENV, PATH and their like", programs, shell=VARIABLES),
    "preload": Attack(
        "LD_PRELOAD in the user's shell",
        before=programs,
        shell='export LD_PRELOAD="$HOME/none.so" LD_AUDIT="$HOME/none.so"',
    ),
    "sudo-variables": Attack("SUDO_UID=0, and ours, set by the user", shell=SUDO_VARIABLES),
    "our-variables": Attack(
        "ENERGYCTL_CPUFREQ, _LOCK, _PRIVATE lead to files of root's",
        before=links_for_root,
        shell='export ENERGYCTL_CPUFREQ="$HOME/cpus" ENERGYCTL_LOCK="$HOME/lock" '
        'ENERGYCTL_PRIVATE="$HOME/private" ENERGYCTL_POWERCAP="$HOME/private"',
    ),
    "homes": Attack(
        "HOME, XDG and TMPDIR lead to root's folder",
        before=homes,
        shell='export TMPDIR="$HOME/tmp" XDG_CONFIG_HOME="$HOME/.config" '
        'XDG_CACHE_HOME="$HOME/.cache" XDG_RUNTIME_DIR="$HOME/tmp" HOME="$HOME/tmp"',
    ),
    "limits": Attack(
        "files may not grow, few descriptors, closed streams, no umask",
        shell="ulimit -f 16; ulimit -n 40; ulimit -c unlimited; umask 000; exec <&-",
    ),
    "template-code": Attack("a template that calls a program", before=template_code, codes=(2,)),
    "set-user-id": Attack("programs of root's below the training", train=set_user_id),
    "calls-sudo": Attack("the training calls sudo itself", train=calls_sudo, grace_seconds=2.0),
}

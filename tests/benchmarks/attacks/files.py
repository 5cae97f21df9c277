"""Links, hard links, FIFOs, devices and races, in each place that energyctl reads or writes."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import time

from benchmarks.attacks.attack import (
    Act,
    Attack,
    Facts,
    for_a_while,
    lab,
    log,
    private,
    remove,
    replace,
)


def results_to_the_vault(f: Facts) -> None:
    with contextlib.suppress(OSError):
        os.rename(lab(f, "results"), lab(f, "results.old"))
        os.symlink(f.vault, lab(f, "results"))


def flips(f: Facts) -> None:
    """`results` is a folder and a link in turn, as fast as it goes."""
    end = time.monotonic() + f.seconds
    names = lab(f, "results"), lab(f, "results.old"), lab(f, "results.link")
    with contextlib.suppress(OSError):
        os.symlink(f.vault, names[2])
    libc = ctypes.CDLL(None)
    while time.monotonic() < end:  # RENAME_EXCHANGE, renameat2(2)
        libc.renameat2(-100, names[0].encode(), -100, names[2].encode(), 2)


def at_each_new_file(f: Facts) -> None:
    """inotify(7): whatever appears in the results becomes a link to the secret at once."""
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    for folder in (lab(f, "results"), f.runtime, *glob.glob(lab(f, "results/background_logs_*"))):
        libc.inotify_add_watch(descriptor, folder.encode(), 0x100 | 0x80)  # CREATE, MOVED_TO
    own_log = log()
    for _ in for_a_while(f, 0.0005):
        with contextlib.suppress(OSError):
            if not os.read(descriptor, 65536):
                continue
            for folder in (lab(f, "results"), f.runtime):
                for entry in os.scandir(folder):
                    if entry.is_file(follow_symlinks=False) and entry.path != own_log:
                        replace(entry.path, f.secret)


def log_link(target: str) -> Act:
    def act(f: Facts) -> None:
        replace(log(), vars(f).get(target, target))

    return act


def log_fifo(f: Facts) -> None:
    path = log()
    remove(path)
    os.mkfifo(path)


def hard_links(f: Facts) -> None:
    """To files of others under the names that energyctl writes."""
    for target in (f.notice, f"{f.strangers_home}/list", f"{f.drop}/roots"):
        for path in (log(), f"{f.runtime}/state.json", lab(f, "supervisord.conf")):
            with contextlib.suppress(OSError):
                os.link(target, f"{path}.new")
                os.rename(f"{path}.new", path)


def every_log(f: Facts) -> None:
    """Of the background: the links lead to the vault and to the secret."""
    for folder in glob.glob(lab(f, "results/background_logs_*")):
        for name in ("iterations.csv", "operators.csv", *(f"run_{n}.log" for n in range(1, 9))):
            with contextlib.suppress(OSError):
                replace(f"{folder}/{name}", f.secret)
                replace(f"{folder}/back_m", f.vault)


def templates_are_links(f: Facts) -> None:
    for name in ("templates/background.conf.j2", "templates/background.sh.j2"):
        replace(lab(f, name), f.secret)


def template_include(f: Facts) -> None:
    with open(lab(f, "supervisord.conf.j2"), "a") as file:
        file.write(f"\n[include]\nfiles = {f.secret} {f.diary}\n")


def settings_are_links(f: Facts) -> None:
    for name, target in (("secret.json", f.secret), ("diary.json", f.diary)):
        os.symlink(target, lab(f, f"settings/{name}"))
    replace(lab(f, "settings/models_config.json"), f.secret)


def out_links(f: Facts) -> None:
    os.symlink(f"{f.vault}/page.html", lab(f, "page.html"))
    os.symlink(f.notice, lab(f, "notice.html"))
    os.symlink(f.vault, lab(f, "rendered"))
    os.symlink(f.vault, lab(f, "tables"))


def results_are_links(f: Facts) -> None:
    """Results, journals and logs that lead to secrets."""
    os.makedirs(lab(f, "results/campaigns"), exist_ok=True)
    for name in ("20300101_000000_front_m.json", "campaigns/20300101_000000_x.jsonl"):
        replace(lab(f, f"results/{name}"), f.secret)
        replace(lab(f, f"results/{name}".replace("2030", "2031")), f.diary)


def results_fifo(f: Facts) -> None:
    os.makedirs(lab(f, "results/campaigns"), exist_ok=True)
    for name in ("20300101_000000_front_m.json", "campaigns/20300101_000000_x.jsonl"):
        os.mkfifo(lab(f, f"results/{name}"))


def results_elsewhere(f: Facts) -> None:
    replace(lab(f, "results"), f.strangers_home)


def private_files(kind: str) -> Act:
    """Those of the private folder become links to the secret, FIFOs, or devices."""

    def act(f: Facts) -> None:
        for name in (
            "state.json",
            "owner.json",
            "clock",
            "daemon-nonce",
            "supervisord.pid",
        ):
            path = f"{private(f)}/{name}"
            remove(path)
            if kind == "fifo":
                os.mkfifo(path)
            else:
                os.symlink(f.secret if kind == "secret" else "/dev/zero", path)

    return act


def private_is_anothers(f: Facts) -> None:
    """The private folder is moved away, and a link stands in its place."""
    os.rename(private(f), f"{f.home}/moved")
    os.symlink(f"{f.strangers_home}/private", f.runtime)


def private_root_is_a_link(f: Facts) -> None:
    remove(os.path.dirname(f.runtime))
    os.symlink(f.vault, os.path.dirname(f.runtime))


def private_root_of_the_stranger(f: Facts) -> None:
    os.mkdir(os.path.dirname(f.runtime), 0o777)
    os.chmod(os.path.dirname(f.runtime), 0o777)
    os.mkdir(f.runtime)


def configuration_is_a_link(f: Facts) -> None:
    replace(lab(f, "supervisord.conf"), f.notice)
    replace(f"{private(f)}/background.sh", f.notice)


def keeps(f: Facts) -> None:
    """What the registry keeps, and takes metrics from."""
    os.makedirs("out", exist_ok=True)
    for number, target in enumerate((f.secret, f.diary, f.vault, f"{f.strangers_home}/list")):
        replace(f"out/{number}.txt", target)
    os.mkfifo("out/fifo.txt")


KEEPS = {
    "outputs": {"keep": ["out/*"], "delete": ["out/*/*"]},
    "performance_metrics": {
        "log_patterns": {
            "secret": {"pattern": "loss: {number}", "file": "out/*.txt"},
            "loss": "loss: {number}",
        }
    },
}


def workspace_vanishes(f: Facts) -> None:
    os.rename(f.workspace, f"{f.workspace}.gone")
    os.symlink(f.vault, f.workspace)


STEPS = {"steps": [{"name": "one", "metered": True}, {"name": "two"}, {"name": "three"}]}


ATTACKS = {
    "results-renamed": Attack(
        "the first step puts a link in the place of `results`",
        train=results_to_the_vault,
        registry=STEPS,
    ),
    "results-flip": Attack("`results` is a folder and a link in turn", train=flips, load=flips),
    "inotify": Attack("each new file becomes a link to the secret", train=at_each_new_file),
    "results-elsewhere": Attack("`results` leads to the stranger's home", before=results_elsewhere),
    "log-to-secret": Attack("the log becomes a link to the secret", train=log_link("secret")),
    "log-to-diary": Attack("and to the stranger's", train=log_link("diary")),
    "log-to-device": Attack("and to /dev/zero", train=log_link("/dev/zero")),
    "log-to-fifo": Attack("the log becomes a FIFO", train=log_fifo),
    "logs-of-load": Attack("logs and ledger of the background become links", load=every_log),
    "hard-links": Attack("hard links to files of others", train=hard_links),
    "template-link": Attack(
        "templates are links to the secret",
        before=templates_are_links,
        then=(("render", "x.json", "--out", "r"),),
        codes=(2,),
    ),
    "include": Attack("supervisord includes the secret", before=template_include, codes=(2,)),
    "settings-link": Attack(
        "settings and registry are links to the secret",
        before=settings_are_links,
        then=(("run", "secret.json"), ("run", "diary.json"), ("plan", "secret.json")),
        codes=(2,),
    ),
    "out-links": Attack(
        "places for pages and tables are links to root's",
        before=out_links,
        then=(
            ("report", "--html", "page.html"),
            ("report", "--html", "notice.html"),
            ("render", "x.json"),
            ("export", "--out", "tables"),
            ("init", "rendered/lab"),
        ),
    ),
    "results-links": Attack(
        "results and journals are links to the secret",
        before=results_are_links,
        then=(("resume",),),
    ),
    "results-fifo": Attack(
        "results and journals are FIFOs", before=results_fifo, then=(("resume",),)
    ),
    "state-link": Attack(
        "the private folder's files lead to the secret", train=private_files("secret")
    ),
    "state-fifo": Attack(
        "they are FIFOs", train=private_files("fifo"), after=private_files("fifo")
    ),
    "state-device": Attack(
        "they are endless", train=private_files("zero"), after=private_files("zero")
    ),
    "private-moved": Attack("a link in the place of the private folder", train=private_is_anothers),
    "private-link": Attack("and of the folder above", private_root_is_a_link),
    "private-taken": Attack(
        "the stranger made the private folder", stranger=private_root_of_the_stranger
    ),
    "configuration": Attack("supervisord.conf is a link to root's file", configuration_is_a_link),
    "keeps": Attack("outputs and metrics come from links and FIFOs", train=keeps, registry=KEEPS),
    "outside": Attack(
        "outputs and metrics from outside of the clone",
        registry={"outputs": {"keep": ["../*.json"], "delete": ["out/../../*", "../../open/*"]}},
        codes=(2,),
    ),
    "workspace": Attack(
        "the workspace is moved away in a run", train=workspace_vanishes, codes=(1, 2)
    ),
    "of-the-stranger": Attack(
        "`-C` leads to a workspace of the stranger's",
        arguments=("-C", "{strangers_home}/lab", "run", "quickstart.json"),
    ),
}

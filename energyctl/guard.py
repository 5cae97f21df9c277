"""What a workspace's ``supervisord.conf.j2`` names: the extension of supervisord."""

from energyctl.background.guard import make_guard

__all__ = ["make_guard"]

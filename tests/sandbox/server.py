# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A stand-in for an OpenBSD server: an ssh target with the model of OpenBSD behind its commands."""

from __future__ import annotations

from .target.server import Execution, ServerError, Target

__all__ = ["Execution", "Server", "ServerError"]


class Server(Target):
    """See Target for what can be asked of it."""

    MODEL = "sandbox.model"

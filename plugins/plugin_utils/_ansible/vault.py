# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The operator's Ansible Vault secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, is_encrypted
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError


class VaultError(OperatorError):
    """Nothing can be encrypted, or something cannot be decrypted."""


class Vault:
    """Encrypts for one identity, decrypts with all secrets of the operator.

    Without an identity it encrypts as ansible-vault does: for the one that the configuration
    names (vault_encrypt_identity), otherwise with the first secret.
    """

    def __init__(
        self, secrets: Sequence[tuple[str, Any]] | None, identity: str | None = None
    ) -> None:
        self._secrets = list(secrets or ())
        self._identity = identity or constants.config.get_config_value(
            "DEFAULT_VAULT_ENCRYPT_IDENTITY"
        )

    @classmethod
    def of(cls, loader: DataLoader, identity: str | None = None) -> Vault:
        # The loader has a public method to set the secrets, and none to get them.
        return cls(loader._vault.secrets, identity)

    def encrypt(self, text: str) -> bytes:
        """Return the text encrypted as ansible-vault does it. Raises VaultError."""
        identity, secret = self._chosen()
        data: bytes = VaultLib(self._secrets).encrypt(text, secret, vault_id=identity)
        return data

    def decrypt(self, data: bytes) -> str:
        """Return the text. Raises VaultError."""
        self.require_secret()
        if not is_encrypted(data):
            raise VaultError("is not encrypted with Ansible Vault")
        try:
            return bytes(VaultLib(self._secrets).decrypt(data)).decode()
        except (AnsibleError, UnicodeDecodeError):
            raise VaultError(
                f"cannot be decrypted with the vault secrets of this run ({self._names()}); give "
                f"the one that it was encrypted with"
            ) from None

    def require_secret(self) -> None:
        """Refuse to go without a secret to encrypt with (VaultError)."""
        self._chosen()

    def _names(self) -> str:
        return ", ".join(sorted({name for name, _secret in self._secrets}))

    def _chosen(self) -> tuple[str, Any]:
        if not self._secrets:
            raise VaultError(
                "no vault secret: give --vault-password-file, --vault-id or --ask-vault-pass, or "
                "set vault_password_file in ansible.cfg"
            )
        for name, secret in self._secrets:
            if self._identity in (None, name):
                return name, secret
        raise VaultError(
            f"no vault secret has the identity {self._identity!r}; this run has {self._names()}"
        )
